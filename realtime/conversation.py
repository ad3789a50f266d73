"""A call's conversation with a Realtime session: what is said, what is done, what was heard.

A sans-I/O core. Each input takes `now` (monotonic seconds) and may leave effects; take them with `effects()`
until there are none before the next input, answer `Flush` with `playout_cut` and `RunTool` with
`tool_finished`, and call `wake` at `next_deadline()`. It knows no socket, no audio device and no clock.

This file is the door. It gives each input to the part that it concerns, and afterwards sends what is due:

    spoken_record   what was said and heard         session_life   the sessions, one after the other
    wishes          what is to be said next         never_silent   an agent, or a caller, who says nothing
    caller_words    the caller's side               tool_use       function calls
    interruptions   where both sides meet           ending         goodbye, hang-up, what is waited for
    agent_speech    the agent's side                human_stretch  a person who talks instead of the model
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from media.playout import Cut, PartKey
from realtime import client_events, server_events
from realtime.agent import Agent
from realtime.continuity import SessionSpan
from realtime.deadlines import next_deadline
from realtime.effects import Effect, PausePlayout, ResumePlayout
from realtime.goals import GoalProgress
from realtime.history import Line
from realtime.parts import joined
from realtime.phase import DIGITS_PAUSE_S, Phase
from realtime.spoken_record import RECORDED
from realtime.tool_spec import ToolOutcome, ToolSpec
from storage.events import CallPeerLost, CallPeerResumed, DtmfReceived, EndReason


class Conversation:
    """See the module's text for the contract. `origin`: the same instant on the monotonic and the wall clock."""

    def __init__(
        self,
        agent: Agent,
        *,
        model: str,
        instructions_text: str,
        tools: Sequence[ToolSpec],
        origin: tuple[float, datetime],
        span: SessionSpan = SessionSpan(),  # noqa: B008 - a frozen value
    ) -> None:
        self.agent = agent
        self.goals = GoalProgress(agent)
        parts = joined(
            agent,
            self.goals,
            model=model,
            instructions_text=instructions_text,
            tools=tools,
            origin=origin,
            span=span,
        )
        self._parts = parts
        self._out = parts.out
        self._standing = parts.standing
        self._record = parts.record
        self._wishes = parts.wishes
        self._words = parts.words
        self._ending = parts.ending
        self._interruptions = parts.interruptions
        self._tools = parts.tools
        self._speech = parts.speech
        self._sessions = parts.sessions
        self._silence = parts.silence
        self._idle = parts.silence.idle
        self._stretch = parts.stretch
        self._handlers: dict[type[Any], Callable[[Any, float], None]] = {
            **self._sessions.handlers(),
            **self._interruptions.handlers(),
            **self._words.handlers(),
            **self._speech.handlers(),
        }

    # What the shell asks.

    def effects(self) -> list[Effect]:
        """Everything to do now, in order; empties the list."""
        return self._out.take()

    def next_deadline(self) -> float | None:
        """When to call `wake`, if nothing else happens before."""
        return next_deadline(self._parts)

    @property
    def phase(self) -> Phase:
        return self._standing.phase

    @property
    def awaits_words(self) -> bool:
        """The caller has said something, or is saying it, that is not transcribed yet: keep its audio."""
        return self._record.transcript.hears_caller

    @property
    def model_hears(self) -> bool:
        """Whether the caller's audio is for the model: not while a person talks with them."""
        return self._standing.person is None

    # What the shell tells: the session.

    def receive(self, event: server_events.ServerEvent, now: float) -> None:
        """One event of the server's. No event, in no order, raises."""
        if self._standing.closed:
            return
        self._words.server_spoke_at = now
        handler = self._handlers.get(type(event))
        if self._record.notes.receive(event, now):
            self._record.take_notes()
        elif not self._interruptions.keep(event, now) and handler is not None:
            handler(event, now)
        self._settle(now)

    def session_lost(self, code: str, message: str, now: float) -> None:
        """The session's socket is gone, by whoever's doing, or could not be opened."""
        if not self._standing.closed:
            self._sessions.lost(code, message, now)
            self._settle(now)

    def audio_appended(self, total_ms: int, now: float) -> None:
        """`total_ms` of the caller's audio have been appended to the session so far."""
        self._words.audio_appended(total_ms, now)

    # What the shell tells: the media leg.

    def media_connected(self, now: float) -> None:
        """The caller can hear."""
        self._standing.media_up = True
        self._wishes.greet()
        self._settle(now)

    def part_started(self, part: PartKey, now: float, *, to_ear_ms: float | None = None) -> None:
        """The first packet of a part left for the caller, who hears it `to_ear_ms` later (None: not known)."""
        self._record.transcript.part_started(part, now)
        self._record.times.agent_began(part.item_id, now)
        if part.response_id != RECORDED:
            self._record.turns.answer_audible(now, to_ear_ms)

    def playout_drained(self, now: float) -> None:
        """Everything that was queued has been heard."""
        if self._standing.closed:
            return
        self._standing.playing = False
        self._record.finals(self._record.transcript.drained())
        self._speech.close_turn_if_over()
        if self.phase is Phase.NOTICE:
            self._ending.hang_up(self._standing.ending or "provider_failed", now)
        elif not self._wishes.busy:
            self._idle.agent_finished(now)
        self._settle(now)

    def playout_cut(self, cuts: tuple[Cut, ...], now: float) -> None:
        """The answer to `Flush`: what had been heard of each part that will not be played to its end."""
        if self._standing.closed:
            return
        self._interruptions.cut(cuts, now)
        if self._standing.hung_up:
            self._ending.close_record()
        self._settle(now)

    def digit_received(self, digit: str, duration_ms: int, now: float) -> None:
        """A key on the caller's telephone. The model cannot hear it, so it is told in words."""
        if self._standing.hung_up:
            return
        self._out.publish(DtmfReceived(digit=digit, duration_ms=duration_ms))
        self._idle.caller_said_words(now)
        text = f"[The caller pressed {digit} on the keypad.]"
        if self._standing.person is not None:
            self._stretch.key_pressed(text, now)
            return
        self._record.history.said("caller", text, now)
        if self._standing.ready:
            item_id = self._out.new_id("dtmf")
            self._out.send(client_events.text_item(self._out.new_id("ev"), item_id, "user", text))
            self._wishes.responses.item_sent(item_id)
            self._wishes.answer({item_id}, not_before=now + DIGITS_PAUSE_S)
        elif self._standing.under_way:
            self._wishes.answer(set(), not_before=now + DIGITS_PAUSE_S)
        self._settle(now)

    def peer_lost(self, silent_ms: int, now: float) -> None:
        """Nothing comes from the caller's side any more; the agent waits with what it was saying."""
        if self._standing.peer_lost or self._standing.hung_up:
            return
        self._standing.peer_lost = True
        self._words.forget_sound(now)
        self._out.publish(CallPeerLost(silent_ms=silent_ms))
        self._out.add(PausePlayout())
        self._record.times.held(now)
        self._silence.watch(now)

    def peer_resumed(self, gap_ms: int, now: float) -> None:
        if not self._standing.peer_lost or self._standing.hung_up:
            return
        self._standing.peer_lost = False
        self._out.publish(CallPeerResumed(gap_ms=gap_ms))
        self._out.add(ResumePlayout())
        self._record.times.released(now)
        self._settle(now)

    # What the shell tells: a person.

    def operator_joined(self, operator: str, now: float) -> None:
        """A person talks with the caller from now on; `operator`: their name, as the model may hear it.

        The agent is cut, asks for nothing and takes no turns, and the call does not end because of it, whatever
        becomes of its session. A second person who follows the first is told by another call of this.
        """
        self._stretch.joined(operator, now)
        self._settle(now)

    def operator_said(self, item_id: str, text: str, began_at: float, now: float) -> None:
        """A line of the operator's, as it was transcribed; `began_at`: when it was said, on this clock.

        May come after `operator_left`, until the call is closed. A line with an id that came before is nothing.
        """
        self._stretch.said("operator", item_id, text, began_at, now)
        self._settle(now)

    def caller_said(self, item_id: str, text: str, began_at: float, now: float) -> None:
        """The same of the caller's."""
        self._stretch.said("caller", item_id, text, began_at, now)
        self._settle(now)

    def operator_left(self, now: float, note: str = "") -> None:
        """The person has given the call back, with a note for the model if they like: it goes on, at once."""
        self._stretch.left(note, now)
        self._settle(now)

    def told(self, fact: str, now: float, *, say: str | None = None) -> None:
        """Something the agent has to know from now on, from the desk and not from the caller.

        `say`: instructions for what it is to say about it at its next opportunity; None: nothing. While a person
        talks with the caller nothing is said; the fact is known afterwards.
        """
        standing = self._standing
        if standing.closed or standing.hung_up:
            return
        item = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": fact}]}
        self._record.history.add(Line(at=now, item=item))
        if standing.ready:
            item_id = self._out.new_id("news")
            self._out.send(client_events.create_item(self._out.new_id("ev"), item_id, item))
        if say is not None and standing.person is None and standing.ending is None:
            self._wishes.going_on(say)
        self._settle(now)

    # What the shell tells: tools, endings, time.

    def tool_finished(self, call_id: str, outcome: ToolOutcome, now: float) -> None:
        """The answer to `RunTool`; once for each."""
        if not self._standing.closed:
            self._tools.finished(call_id, outcome, now)
            self._settle(now)

    def say_goodbye(self, because: str, reason: EndReason, now: float) -> None:
        """Have the agent say goodbye, then end the call, within seconds. What it was saying is cut."""
        self._ending.say_goodbye(because, reason, now)
        self._settle(now)

    def hang_up(self, reason: EndReason, now: float) -> None:
        """The call is over, now: the caller left, or the deadline came. Idempotent."""
        self._ending.hang_up(reason, now)

    def wake(self, now: float) -> None:
        """Time has passed."""
        standing, ending = self._standing, self._ending
        if standing.phase is Phase.ENDING:
            ending.wake(now)
        elif standing.ending is not None and ending.by is not None and now >= ending.by:
            ending.out_of_time(now)
        elif standing.person is None and standing.ending is None and self._silence.duration.over(now):
            ending.say_goodbye("it has reached its longest duration", "max_duration", now)
        else:
            self._interruptions.judge(now)
            self._sessions.wake(now)
            self._silence.wake(now)
        self._settle(now)

    # After each of them.

    def _settle(self, now: float) -> None:
        """Send the response that is due; end a call that has said its last word; close one that knows it all."""
        standing = self._standing
        self._silence.watch(now)
        self._sessions.wake(now)
        if standing.between_sessions and standing.ending and self._wishes.nothing_to_say:
            self._ending.hang_up(standing.ending, now)
        if standing.ready:
            self._speak(now)
        self._ending.close_if_complete()

    def _speak(self, now: float) -> None:
        standing, wishes = self._standing, self._wishes
        if standing.person is not None:
            self._record.take_notes()
            return
        if wishes.resume and not standing.playing:
            wishes.resumption()
        self._tools.fill_silence(now)
        if not standing.peer_lost and wishes.send_due(now):
            pass
        elif standing.ending is not None and wishes.nothing_to_say:
            self._ending.hang_up(standing.ending, now)
        elif wishes.nothing_to_say and not self._record.transcript.awaits_caller:
            self._record.notes.quiet(now)
        self._record.take_notes()
