"""A call's conversation with a Realtime session: what is said, what is done, what was heard.

A sans-I/O core. Each input takes `now` (monotonic seconds) and may leave effects; take them with `effects()`
until there are none before the next input, answer `Flush` with `playout_cut` and `RunTool` with
`tool_finished`, and call `wake` at `next_deadline()`. It knows no socket, no audio device and no clock.

Barge-in follows the API guide's "Interruption and truncation": on `speech_started` the playout is flushed
whatever the response's state, later audio of that response is dropped, and each item that was not wholly
heard is truncated to what was, so that the model remembers what the caller heard and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from media.format import bytes_to_samples, samples_to_seconds
from media.playout import Cut, PartKey
from realtime import client_events, instructions, server_events
from realtime.agent import Agent
from realtime.continuity import ATTEMPT_S, Continuity, Rotation
from realtime.effects import (
    AuditUnknownTool,
    Close,
    Effect,
    FinishPart,
    Flush,
    HangUp,
    Note,
    OpenSession,
    PausePlayout,
    Play,
    PlayRecorded,
    Publish,
    RequestHandoff,
    ResumePlayout,
    RunTool,
    Send,
)
from realtime.error_codes import BENIGN_ERRORS, FATAL_ERRORS
from realtime.false_interruptions import FalseInterruptions, News, Verdict
from realtime.fillers import Fillers
from realtime.function_calls import CallGroup, FunctionCalls, parse_arguments
from realtime.goals import GoalProgress, progress_lines
from realtime.history import History
from realtime.idle_caller import Idle, IdleCaller
from realtime.note_taker import NoteTaker
from realtime.phase import (
    DIGITS_PAUSE_S,
    GOODBYE_S,
    LATE_TRANSCRIPT_S,
    NOTICE_S,
    PARTIAL_EVERY_S,
    RETRY_AFTER_S,
    SETUP_S,
    SUMMARY_S,
    WARN_BEFORE_S,
    Phase,
)
from realtime.recorded_words import RecordedWords, filler, last_notice
from realtime.replies import Replies
from realtime.responses import ResponseRequest, ResponseSequencer
from realtime.session_config import ending_silence_ms, format_mismatch, session_config, takes_turns_itself
from realtime.session_seed import SessionSeed
from realtime.tool_output import for_the_model
from realtime.tool_spec import ToolOutcome, ToolSpec, refusal
from realtime.transcript import Final, Transcript
from realtime.turns import Turns
from realtime.usage import usage_of
from realtime.watchdog import Step, Watchdog
from storage.events import (
    CallPeerLost,
    CallPeerResumed,
    DtmfReceived,
    EndReason,
    Event,
    SessionConfigured,
    SessionFailed,
    SessionReconnected,
    Speaker,
    ToolCalled,
    TranscriptPartial,
    TurnInterrupted,
    WatchdogStep,
)

RECORDED = "recorded"  # response_id of what is played from a recording: no item of any session
MESSAGE_LIMIT = 300  # characters of the provider's error messages that go on record


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
    ) -> None:
        self.agent = agent
        self.phase = Phase.CONNECTING
        self._model = model
        self._first_instructions = instructions_text
        self.goals = GoalProgress(agent)
        self._notes = NoteTaker(
            agent, self.goals, model=model, render=lambda: self._instructions, wall=self._wall_time
        )
        self._tools = tuple(tools)
        self._tools_by_name = {tool.name: tool for tool in tools}
        self._origin = origin
        self._started = origin[0]
        self._effects: list[Effect] = []
        self._responses = ResponseSequencer()
        self._transcript = Transcript()
        self._turns = Turns()
        self._ids = 0
        self._session_id = ""
        self._media_up = False
        self._greeted = False
        self._peer_lost = False
        self._playing = False
        self._speech_item: str | None = None  # barge-in whose cuts are awaited
        self._sounds = FalseInterruptions(agent)
        self._kept_back: Sequence[server_events.SpeechStarted | News] = ()  # of that barge-in: after the cuts
        self._last_words: str | None = None  # event_id of the commit of a caller who hung up while speaking
        self._replies = Replies()
        self._calls = FunctionCalls()
        self._fillers = Fillers()
        self._filler: str | None = None  # request_id of the last words for a tool's silence
        self._failures = 0
        self._appended_ms = 0
        self._appended_at = self._started
        self._partial_at: dict[str, float] = {}
        self._session_gone = False
        self._record_closed = False  # the media leg is closed: nothing more will be heard
        self._ending: EndReason | None = None
        self._goodbye: str | None = None  # request_id of the words to end with
        self._ending_by: float | None = None
        self._close_by: float | None = None
        self._max_duration_at: float | None = self._started + agent.limits.max_duration_s
        limit_s = agent.limits.max_duration_s
        self._warn_at = self._started + limit_s - WARN_BEFORE_S if limit_s >= 3 * WARN_BEFORE_S else None
        self._setup_by: float | None = self._started + SETUP_S
        self._continuity = Continuity([model, *(name for name in agent.fallback if name != model)])
        self._rotation = Rotation()
        self._seed = SessionSeed(History())
        self._carried: frozenset[str] = frozenset()  # items of a lost session that were still being played
        self._resume = False  # the caller waits for an answer that a lost session owed
        self._session_error = ""  # the server's own reason, before it closes
        self._expires_in_s: float | None = None
        self._watchdog = Watchdog()
        self._idle = IdleCaller(agent.limits.idle_prompt_s, agent.limits.idle_hangup_s)
        self._handlers: dict[type[Any], Callable[[Any, float], None]] = {
            server_events.SessionCreated: self._on_session_created,
            server_events.SessionUpdated: self._on_session_updated,
            server_events.ErrorEvent: self._on_error,
            server_events.SpeechStarted: self._on_speech_started,
            server_events.SpeechStopped: self._on_speech_stopped,
            server_events.Committed: self._on_committed,
            server_events.ItemAdded: self._on_item_added,
            server_events.TranscriptionDelta: self._on_transcription_delta,
            server_events.TranscriptionCompleted: self._on_transcription_completed,
            server_events.TranscriptionFailed: self._on_transcription_failed,
            server_events.ResponseCreated: self._on_response_created,
            server_events.OutputItemAdded: self._on_output_item_added,
            server_events.AudioDelta: self._on_audio_delta,
            server_events.AudioDone: self._on_audio_done,
            server_events.AudioTranscriptDelta: self._on_audio_transcript_delta,
            server_events.AudioTranscriptDone: self._on_audio_transcript_done,
            server_events.ResponseDone: self._on_response_done,
            server_events.Ignored: self._on_ignored,
            server_events.Malformed: self._on_malformed,
        }

    @property
    def _instructions(self) -> str:
        """With what is known by now at the end, so that whatever caches prefixes keeps the rest."""
        return "\n".join([self._first_instructions, *progress_lines(self.goals)])

    # What the shell asks.

    def effects(self) -> list[Effect]:
        """Everything to do now, in order; empties the list."""
        taken = self._effects
        self._effects = []
        return taken

    def next_deadline(self) -> float | None:
        """When to call `wake`, if nothing else happens before."""
        if self.phase is Phase.CLOSED:
            return None
        if self.phase is Phase.ENDING:
            return self._summary_at()
        if self.phase is Phase.NOTICE:
            return self._ending_by
        due = [self._ending_by if self._ending is not None else self._max_duration_at]
        due += [self._setup_by, self._continuity.open_at, self._watchdog.next_deadline()]
        if self._ending is None and not self._agent_busy and not self._peer_lost:
            due += [self._warn_at, self._idle.next_deadline()]
        if self.phase is Phase.READY:
            due += [self._rotation.next_deadline(), self._sounds.next_deadline()]
        if self.phase is Phase.READY and not self._peer_lost:
            due += [self._responses.next_deadline(), self._fillers.next_deadline()]
        return min((at for at in due if at is not None), default=None)

    @property
    def awaits_words(self) -> bool:
        """The caller has said something, or is saying it, that is not transcribed yet: keep its audio."""
        return self._transcript.hears_caller

    # What the shell tells: the session.

    def receive(self, event: server_events.ServerEvent, now: float) -> None:
        """One event of the server's. No event, in no order, raises."""
        if self.phase is Phase.CLOSED:
            return
        handler = self._handlers.get(type(event))
        if self._notes.receive(event, now):
            self._take_notes()
            self._close_if_complete()
        elif self._sounds.keep(event, now):
            self._judge_sound(now)
        elif handler is not None:
            handler(event, now)
        self._pump(now)

    def session_lost(self, code: str, message: str, now: float) -> None:
        """The session's socket is gone, by whoever's doing, or could not be opened."""
        if self.phase is Phase.CLOSED:
            return
        if self.phase in (Phase.ENDING, Phase.NOTICE):
            self._session_gone = True
            self._notes.session_lost()
            if self.phase is Phase.ENDING:
                self._abandon_untranscribed()
            self._close_if_complete()  # no late words will come
        elif code in FATAL_ERRORS:
            self._provider_failed(code, message, now)
        else:
            self._session_over(self._session_error or code, message, now)
            self._pump(now)

    def audio_appended(self, total_ms: int, now: float) -> None:
        """`total_ms` of the caller's audio have been appended to the session so far."""
        self._appended_ms = total_ms
        self._appended_at = now

    # What the shell tells: the media leg.

    def media_connected(self, now: float) -> None:
        """The caller can hear."""
        self._media_up = True
        self._greet()
        self._pump(now)

    def part_started(self, part: PartKey, now: float) -> None:
        """The first packet of a part left for the caller."""
        self._transcript.part_started(part, now)
        if part.response_id != RECORDED:
            self._turns.answer_audible(now)

    def playout_drained(self, now: float) -> None:
        """Everything that was queued has been heard."""
        if self.phase is Phase.CLOSED:
            return
        self._playing = False
        self._finals(self._transcript.drained())
        self._close_turn_if_over()
        if self.phase is Phase.NOTICE:
            self.hang_up("provider_failed", now)
        elif not self._agent_busy:
            self._idle.agent_finished(now)
        self._pump(now)

    def playout_cut(self, cuts: tuple[Cut, ...], now: float) -> None:
        """The answer to `Flush`: what had been heard of each part that will not be played to its end."""
        if self.phase is Phase.CLOSED:
            return
        self._playing = False
        unheard = [cut for cut in cuts if not cut.finished]
        finals = self._transcript.cut(tuple(unheard))
        if self.phase is Phase.READY:
            for cut in unheard:
                self._truncate(cut.part, min(cut.heard_ms, cut.received_ms))
        if unheard and self._speech_item is not None:
            self._publish_interrupted(unheard[0], finals)
        self._finals(finals)
        if self._speech_item is not None:
            item_id, self._speech_item = self._speech_item, None
            self._publish_all(self._turns.caller_speaks(item_id))
        kept, self._kept_back = self._kept_back, ()
        for event in kept:
            self._handlers[type(event)](event, now)
        if self.phase is Phase.ENDING:
            self._close_record()
        self._pump(now)

    def digit_received(self, digit: str, duration_ms: int, now: float) -> None:
        """A key on the caller's telephone. The model cannot hear it, so it is told in words."""
        if self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        self._publish(DtmfReceived(digit=digit, duration_ms=duration_ms))
        self._idle.caller_said_words(now)
        text = f"[The caller pressed {digit} on the keypad.]"
        self._seed.history.said("caller", text, now)
        if self.phase is Phase.READY:
            item_id = self._id("dtmf")
            self._send(client_events.text_item(self._id("ev"), item_id, "user", text))
            self._responses.item_sent(item_id)
            self._want_answer({item_id}, not_before=now + DIGITS_PAUSE_S)
        elif self.phase is not Phase.NOTICE:
            self._want_answer(set(), not_before=now + DIGITS_PAUSE_S)
        self._pump(now)

    def peer_lost(self, silent_ms: int, now: float) -> None:
        """Nothing comes from the caller's side any more; the agent waits with what it was saying."""
        if self._peer_lost or self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        self._peer_lost = True
        self._forget_sound(now)
        self._publish(CallPeerLost(silent_ms=silent_ms))
        self._effects.append(PausePlayout())
        self._watch(now)

    def peer_resumed(self, gap_ms: int, now: float) -> None:
        if not self._peer_lost or self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        self._peer_lost = False
        self._publish(CallPeerResumed(gap_ms=gap_ms))
        self._effects.append(ResumePlayout())
        self._pump(now)

    # What the shell tells: tools, endings, time.

    def tool_finished(self, call_id: str, outcome: ToolOutcome, now: float) -> None:
        """The answer to `RunTool`; once for each."""
        if self.phase is Phase.CLOSED:
            return
        call = self._calls.finished(call_id)
        if call is None:
            return
        self._fillers.over(call_id)
        self._notes.tool_finished(call_id, outcome.ok, outcome.output, now)
        self._take_notes()
        self._publish_all(outcome.events)
        self._publish(call.ended(outcome))
        group = call.group
        group.hang_up = group.hang_up or outcome.hang_up
        text = for_the_model(outcome.output)
        self._seed.history.returned(call_id, text, now)
        if self.phase is Phase.READY:
            output_id = self._id("out")
            group.outputs.add(output_id)
            self._responses.item_sent(output_id)
            self._send(client_events.function_call_output(self._id("ev"), output_id, call_id, text))
        if not group.open and self.phase in (Phase.READY, Phase.CONNECTING, Phase.CONFIGURING):
            self._calls_answered(group, now)
        self._close_if_complete()
        self._pump(now)

    def say_goodbye(self, because: str, reason: EndReason, now: float) -> None:
        """Have the agent say goodbye, then end the call; GOODBYE_S at most. What it was saying is cut."""
        if self.phase is not Phase.READY or self._peer_lost:
            self.hang_up(reason, now)
            return
        if self._ending is not None:
            self._ending = reason  # it is saying goodbye already; from now on whatever the caller does
            return
        self._forget_sound(now)
        self._responses.forget_wishes()
        if self._responses.active is not None:
            self._stop_response(self._responses.active)
        self._effects.append(Flush())
        self._end_after_words(reason, now)
        self._goodbye = self._want_words(instructions.goodbye(because), must_be_said=True)
        self._pump(now)

    def hang_up(self, reason: EndReason, now: float) -> None:
        """The call is over, now: the caller left, or the deadline came. Idempotent."""
        if self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        self._forget_sound(now)
        if self.phase is Phase.READY and not self._session_gone:
            if self._responses.active is not None:
                self._stop_response(self._responses.active)
            if self._responses.caller_speaking:
                # Their last words: no more audio comes that would prove the end of them to the server.
                self._last_words = self._id("ev")
                self._send(client_events.commit_audio(self._last_words))
        self._responses.forget_wishes()
        self.phase = Phase.ENDING
        self._ending = reason
        self._close_by = now + LATE_TRANSCRIPT_S
        self._effects += [Flush(), HangUp(reason=reason)]

    def wake(self, now: float) -> None:
        """Time has passed."""
        if self.phase is Phase.ENDING:
            if now >= (self._summary_at() or now) and self._notes.summary_due:
                self._sum_up()
            if self._close_by is not None and now >= self._close_by:
                self._publish_all(self._calls.abandon(now))
                self._close_record()
                self._close()
        elif self.phase is Phase.CLOSED:
            return
        elif self._ending is not None and self._ending_by is not None and now >= self._ending_by:
            self.hang_up(self._ending, now)
        elif self._ending is None and self._max_duration_at is not None and now >= self._max_duration_at:
            self._max_duration_at = None
            self.say_goodbye("it has reached its longest duration", "max_duration", now)
        else:
            self._judge_sound(now)
            self._wake_session(now)
            self._wake_silence(now)
        self._pump(now)

    # Session set-up.

    def _on_session_created(self, event: server_events.SessionCreated, now: float) -> None:
        if self.phase is not Phase.CONNECTING:
            return
        self._session_id = event.session.id or ""
        expires_at = event.session.expires_at
        wall = self._origin[1].timestamp() + now - self._started
        self._expires_in_s = expires_at - wall if expires_at else None
        self.phase = Phase.CONFIGURING
        first = self._continuity.cause is None
        config = session_config(
            self.agent, instructions=self._instructions, tools=self._tools, listening=first
        )
        self._send(client_events.session_update(self._id("ev"), config))

    def _on_session_updated(self, event: server_events.SessionUpdated, now: float) -> None:
        if self.phase is not Phase.CONFIGURING:
            return
        mismatch = format_mismatch(event.session.audio)
        if mismatch is not None:
            self._provider_failed("format_mismatch", mismatch, now)
            return
        self.phase = Phase.READY
        self._setup_by = None
        self._session_gone = False
        self._session_error = ""
        since = self._started if self._continuity.cause is None else self._continuity.opened_at
        self._publish(
            SessionConfigured(
                session_id=self._session_id,
                model=event.session.model or self._continuity.model,
                connect_ms=round((now - since) * 1000),
            )
        )
        self._rotation.started(now, self._expires_in_s)
        lost_at = self._continuity.lost_at
        reconnected = self._continuity.restored(now)
        if reconnected is not None:
            cause, gap_ms = reconnected
            untranscribed = self._transcript.untranscribed()
            self._effects += self._seed.effects(
                agent=self.agent, untranscribed=untranscribed, lost_at=lost_at, new_id=self._id
            )
            for speech in untranscribed:
                if speech.ended_at is None:
                    self._resume = False  # the session hears it to its end and answers by itself
                    self._transcript.caller_failed(speech.item_id)  # it is heard again, as a new item
            self._publish(SessionReconnected(cause=cause, gap_ms=gap_ms))
        self._greet()

    def _greet(self) -> None:
        # With voice activity detection the model waits for the caller: the first word is ours to ask for,
        # once the session is configured and somebody can hear it.
        if self._greeted or not self._media_up or self.phase is not Phase.READY:
            return
        self._greeted = True
        self._want_words(instructions.greeting(self.agent))

    def _on_error(self, event: server_events.ErrorEvent, now: float) -> None:
        error = event.error
        code = error.code or error.type or "unknown"
        self._responses.error(code, error.event_id, now)
        sentence = self._seed.refused(error.event_id)
        if sentence is not None:
            final = self._transcript.caller_abandoned(sentence)
            self._finals([final] if final is not None else [])
        if code == "session_expired":
            self._session_error = code  # the server closes the session now
        elif (
            code not in FATAL_ERRORS and self.phase is not Phase.READY and self._continuity.cause is not None
        ):
            self._session_over(code, error.message or "", now)
        elif code in FATAL_ERRORS or self.phase in (Phase.CONNECTING, Phase.CONFIGURING):
            # A session that could not be configured would answer with the API's defaults.
            self._provider_failed(code, error.message or "", now)
        else:
            kind = "benign" if code in BENIGN_ERRORS else "error"
            self._effects.append(Note(code=f"realtime.{kind}", detail=f"{code} {error.param or ''}".strip()))
        if error.event_id is not None and error.event_id == self._last_words:
            self._last_words = None  # there were none
            self._close_if_complete()

    def _on_ignored(self, event: server_events.Ignored, now: float) -> None:
        if not event.known:
            self._effects.append(Note(code="realtime.unknown_event", detail=event.type[:80]))

    def _on_malformed(self, event: server_events.Malformed, now: float) -> None:
        self._effects.append(Note(code="realtime.malformed_event", detail=f"{event.type}: {event.problem}"))

    def _provider_failed(self, code: str, message: str, now: float) -> None:
        """The model cannot go on. A caller who can hear is told so by a recording, and a person is asked for."""
        if self.phase in (Phase.NOTICE, Phase.ENDING, Phase.CLOSED):
            return
        self._forget_sound(now)
        self._publish(SessionFailed(code=code, message=message[:MESSAGE_LIMIT]))
        if not self._media_up or self._peer_lost:
            self.hang_up("provider_failed", now)
            return
        self._publish(WatchdogStep(step=Step.NOTICE.value, waited_ms=self._watchdog.waited_ms(now)))
        self._effects.append(RequestHandoff(reason=f"the model cannot go on: {code}", summary=""))
        if not self._session_gone and self._responses.active is not None:
            self._stop_response(self._responses.active)
        self._finish_parts(self._replies.forget())
        self._responses.forget_wishes()
        self._finals(self._transcript.session_lost())
        self.phase = Phase.NOTICE
        self._ending, self._ending_by = "provider_failed", now + NOTICE_S
        self._playing = True
        self._play_recorded(last_notice(self.agent.language), now)

    def _session_over(self, cause: str, message: str, now: float, *, planned: bool = False) -> None:
        """There is no session any more: settle what was under way in it, and ask for the next."""
        if self.phase in (Phase.NOTICE, Phase.ENDING, Phase.CLOSED):
            return
        self._forget_sound(now)
        if self.phase is Phase.READY:
            active = self._responses.active
            reply = self._replies.of(active) if active is not None else None
            owed = self._responses.session_lost(heard=reply is not None and reply.spoke)
            self._resume |= owed or self._turns.awaits_answer
            self._finish_parts(self._replies.forget())
            self._finals(self._transcript.session_lost())
            self._carried = self._transcript.open_agent_items
            self._idle.caller_makes_sound(False)
        self.phase = Phase.CONNECTING
        self._session_gone = True
        self._notes.session_lost()
        self._setup_by = None
        self._appended_ms, self._appended_at = 0, now
        self._effects.append(Note(code="realtime.session_over", detail=cause))
        if not self._continuity.lost(cause, now, planned=planned):
            self._provider_failed(cause, message, now)

    def _wake_session(self, now: float) -> None:
        if self._setup_by is not None and now >= self._setup_by:
            self._session_over("setup_timeout", "no session was configured in time", now)
        if self._continuity.due(now):
            self._setup_by = now + ATTEMPT_S
            self._effects.append(OpenSession(model=self._continuity.model))
        silent = not self._agent_busy and not self._responses.caller_speaking and self._ending is None
        if self.phase is Phase.READY and self._rotation.due(now, silent=silent):
            self._session_over("rotation", "", now, planned=True)
            self._wake_session(now)

    # Never silent.

    @property
    def _agent_busy(self) -> bool:
        return self._playing or self._responses.busy or self._resume or not self._calls.idle

    def _watch(self, now: float) -> None:
        """Whether the caller waits for the agent's words, and whether that time counts."""
        if self.phase not in (Phase.READY, Phase.CONNECTING, Phase.CONFIGURING):
            self._watchdog.satisfied()
            return
        self._watchdog.hold(self._peer_lost or not self._calls.idle, now)
        owed = self._resume or not self._responses.quiet or self._turns.awaits_answer
        if self._playing or self._responses.caller_speaking or not self._media_up or not owed:
            self._watchdog.satisfied()
        else:
            self._watchdog.awaited(now)

    def _wake_silence(self, now: float) -> None:
        waited_ms = self._watchdog.waited_ms(now)
        step = self._watchdog.due(now)
        if step is not None and self._took(step, now):
            self._publish(WatchdogStep(step=step.value, waited_ms=waited_ms))
        if self._ending is not None or self._peer_lost or self.phase in (Phase.NOTICE, Phase.ENDING):
            return
        if self._warn_at is not None and now >= self._warn_at and not self._agent_busy:
            self._warn_at = None
            self._want_words(instructions.LAST_MINUTE)
        idle_ms = self._idle.idle_ms(now)
        idle = self._idle.due(now, agent_speaks=self._agent_busy)
        if idle is not None:
            self._publish(WatchdogStep(step=idle.value, waited_ms=idle_ms))
        if idle is Idle.PROMPT:
            self._want_words(instructions.STILL_THERE)
        elif idle is Idle.HANG_UP:
            self.say_goodbye("nobody has said anything for a while", "silence", now)

    def _took(self, step: Step, now: float) -> bool:
        """Take a step of the watchdog's; False where it does not apply."""
        match step:
            case Step.FILLER:
                words = filler(self.agent.language)
                if words is not None:
                    self._play_recorded(words, now)
                return words is not None
            case Step.REASK if self.phase is Phase.READY:
                if self._responses.active is not None:
                    self._stop_response(self._responses.active)
                asked = self._responses.give_up()
                if asked is not None and asked.body:
                    again = self._want_again(asked)
                    if asked.request_id == self._goodbye:
                        self._goodbye = again
                else:
                    self._want_answer(set())
                return True
            case Step.NEW_SESSION if self.phase is Phase.READY:
                self._session_over("watchdog", "", now)
                return True
            case Step.NEXT_MODEL if self._continuity.next_model():
                self._session_over("watchdog", "", now)
                return True
            case Step.NOTICE:
                self._provider_failed("no_answer", "the model has not spoken for too long", now)
        return False

    def _play_recorded(self, words: RecordedWords, now: float) -> None:
        part = PartKey(response_id=RECORDED, item_id=self._id(RECORDED), content_index=0)
        self._transcript.agent_item(RECORDED, part.item_id, now)
        self._transcript.agent_partial(part, words.text)
        self._transcript.agent_audio(part, words.ms)
        self._transcript.agent_audio_done(part)
        self._effects.append(PlayRecorded(part=part, words=words))
        self._finals(self._transcript.response_over(RECORDED))

    # The caller speaks.

    def _on_speech_started(self, event: server_events.SpeechStarted, now: float) -> None:
        if self.phase is not Phase.READY:
            return
        began = self._sent_at(event.audio_start_ms, now) if event.audio_start_ms is not None else now
        self._transcript.speech_started(event.item_id, began)
        speaks = self._playing and not self._peer_lost
        if speaks and self._sounds.hold(event, now, unheard_ms=self._transcript.unheard_ms(now)):
            self._effects.append(PausePlayout())
            return
        self._forget_sound(now)  # one after the other is more than a sound
        self._caller_interrupts(event.item_id)

    def _judge_sound(self, now: float) -> None:
        verdict = self._sounds.verdict(now)
        if verdict is Verdict.NOTHING_SAID:
            self._forget_sound(now)
            self._effects.append(Note(code="realtime.false_interruption", detail="the agent goes on"))
        elif verdict is Verdict.INTERRUPTION:
            began, *self._kept_back = self._sounds.take()
            self._caller_interrupts(began.item_id)
            self._effects.append(ResumePlayout())

    def _forget_sound(self, now: float) -> None:
        """The agent goes on, as far as a sound had held it; what was said all the same is on record."""
        taken = self._sounds.take()
        if not taken:
            return
        self._effects.append(ResumePlayout())
        if not any(isinstance(event, server_events.SpeechStopped) for event in taken):
            self._responses.speech_started()
        for event in taken:
            match event:
                case server_events.SpeechStarted():
                    pass
                case server_events.SpeechStopped():
                    self._transcript.speech_stopped(event.item_id, self._sent_at(event.audio_end_ms, now))
                case server_events.Committed():
                    self._transcript.committed(event.item_id, now)
                case _:
                    self._handlers[type(event)](event, now)

    def _caller_interrupts(self, item_id: str) -> None:
        self._responses.speech_started()
        self._calls.caller_speaks()
        if self._ending == "agent_hangup":
            self._withdraw_ending()
        self._replies.mute_all()  # the server cancels what it is generating by itself (interrupt_response)
        if takes_turns_itself(self.agent) and self._responses.active is not None:
            self._stop_response(self._responses.active)
        self._speech_item = item_id
        self._resume = False
        self._idle.caller_makes_sound(True)
        self._effects.append(Flush())

    def _on_speech_stopped(self, event: server_events.SpeechStopped, now: float) -> None:
        if self.phase is Phase.READY:
            self._responses.speech_stopped(now)
            self._turns.caller_stopped(self._sent_at(event.audio_end_ms - ending_silence_ms(self.agent), now))
            ended_at = self._sent_at(event.audio_end_ms, now)
            self._transcript.speech_stopped(event.item_id, ended_at)
            self._seed.sentence_ended(ended_at)
            self._idle.caller_makes_sound(False)

    def _sent_at(self, audio_ms: int, now: float) -> float:
        # The server counts the audio it was sent; we know when each millisecond of that was sent.
        return min(now, max(self._started, self._appended_at - (self._appended_ms - audio_ms) / 1000))

    def _on_committed(self, event: server_events.Committed, now: float) -> None:
        if self.phase in (Phase.READY, Phase.ENDING) and not self._seed.committed(event.item_id):
            self._last_words = None
            self._transcript.committed(event.item_id, now)
            self._responses.committed(now, server_responds=not takes_turns_itself(self.agent))

    def _on_item_added(self, event: server_events.ItemAdded, now: float) -> None:
        self._responses.item_added(event.item.id or "")

    def _on_transcription_delta(self, event: server_events.TranscriptionDelta, now: float) -> None:
        item_id = self._seed.on_record(event.item_id)
        self._partial("caller", item_id, self._transcript.caller_partial(item_id, event.delta or ""), now)

    def _on_transcription_completed(self, event: server_events.TranscriptionCompleted, now: float) -> None:
        final = self._transcript.caller_final(self._seed.on_record(event.item_id), event.transcript, now)
        if final is not None:
            self._idle.caller_said_words(now)
            self._finals([final])
        self._close_if_complete()

    def _on_transcription_failed(self, event: server_events.TranscriptionFailed, now: float) -> None:
        code = event.error.code or event.error.type or "unknown"
        self._effects.append(Note(code="realtime.transcription_failed", detail=code))
        item_id = self._seed.on_record(event.item_id)
        self._transcript.caller_failed(item_id)
        self._partial_at.pop(item_id, None)
        self._close_if_complete()

    # The agent speaks.

    def _on_response_created(self, event: server_events.ResponseCreated, now: float) -> None:
        response = event.response
        caller_speaking = self._responses.caller_speaking
        if self._replies.of(response.id) is None:
            return
        wanted = self._responses.created(response.id, response.request_id)
        if self.phase is not Phase.READY or caller_speaking or not wanted:
            # It was asked for before the caller began to speak, or before the wish for it was withdrawn.
            self._stop_response(response.id)

    def _on_output_item_added(self, event: server_events.OutputItemAdded, now: float) -> None:
        if event.item.type == "message" and event.item.id:
            self._agent_item(event.response_id, event.item.id, now)

    def _agent_item(self, response_id: str, item_id: str, now: float) -> bool:
        """An item of a response that is under way; whether there is such a one."""
        reply = self._replies.of(response_id)
        if reply is None or self.phase is not Phase.READY:
            return False
        self._transcript.agent_item(response_id, item_id, now)
        if not reply.muted:
            self._publish_all(self._turns.agent_speaks(item_id))
        return True

    def _on_audio_delta(self, event: server_events.AudioDelta, now: float) -> None:
        reply = self._replies.of(event.response_id)
        samples = bytes_to_samples(len(event.delta))
        if reply is None or not samples or not self._agent_item(event.response_id, event.item_id, now):
            return
        part = event.part
        if reply.audio(part):
            self._playing = True
            self._transcript.agent_audio(part, samples_to_seconds(samples) * 1000)
            self._effects.append(Play(part=part, pcm=event.delta))

    def _on_audio_done(self, event: server_events.AudioDone, now: float) -> None:
        part = event.part
        self._transcript.agent_audio_done(part)
        reply = self._replies.of(event.response_id)
        if reply is not None and part in reply.open_parts:
            reply.open_parts.remove(part)
            self._finish_parts([part])

    def _finish_parts(self, parts: Sequence[PartKey]) -> None:
        if self.phase is Phase.READY:
            self._effects += [FinishPart(part=part) for part in parts]

    def _on_audio_transcript_delta(self, event: server_events.AudioTranscriptDelta, now: float) -> None:
        if self._agent_item(event.response_id, event.item_id, now):
            text = self._transcript.agent_partial(event.part, event.delta)
            reply = self._replies.of(event.response_id)
            if reply is not None and not reply.muted:
                self._partial("agent", event.item_id, text, now)

    def _on_audio_transcript_done(self, event: server_events.AudioTranscriptDone, now: float) -> None:
        if self._agent_item(event.response_id, event.item_id, now):
            self._transcript.agent_text(event.part, event.transcript)

    def _on_response_done(self, event: server_events.ResponseDone, now: float) -> None:
        response = event.response
        reply = self._replies.over(response.id)
        if reply is None:
            return
        request = self._responses.done(response.id, response.request_id, tells_request=response.tells_request)
        used = usage_of(response, self._continuity.model)
        if used is not None:
            self._publish(used)
        # A response that failed half-way never said that its audio was done.
        self._finish_parts(reply.open_parts)
        interrupted = reply.muted or response.status == "cancelled"
        self._finals(self._transcript.response_over(response.id, interrupted=interrupted))
        if self.phase is Phase.READY:
            for part in reply.unplayed:
                self._truncate(part, 0)
            begun = self._run_tools(response, spoke=reply.spoke, overtaken=reply.muted, now=now)
            unheard = not (reply.spoke or reply.muted or begun)
            if response.status == "failed" or (unheard and response.should_have_spoken):
                self._response_failed(response, request, now)
            elif response.status == "completed":
                self._failures = 0
                self._continuity.worked()
        self._close_turn_if_over()
        self._close_if_complete()

    def _response_failed(
        self, response: server_events.ResponseState, request: ResponseRequest | None, now: float
    ) -> None:
        code, message = response.failure
        self._failures += 1
        self._effects.append(Note(code="realtime.response_failed", detail=code))
        if code in FATAL_ERRORS or self._failures > 1:
            # To the caller a failed response is silence; twice is enough.
            self._provider_failed(code, message, now)
            return
        if request is not None and request.request_id == self._filler:
            return  # a second later the answer itself may be there
        if request is None or not request.body:
            self._want_answer(set(), not_before=now + RETRY_AFTER_S)
            return
        again = self._want_again(request, not_before=now + RETRY_AFTER_S)
        if request.request_id == self._goodbye:
            self._goodbye = again

    # Tools.

    def _run_tools(
        self, response: server_events.ResponseState, *, spoke: bool, overtaken: bool, now: float
    ) -> bool:
        begun = self._calls.begin(response.output or (), spoke=spoke, overtaken=overtaken, now=now)
        for call_id, item in begun:
            name = item.name or ""
            arguments = parse_arguments(item.arguments)
            self._turns.tool_called(name)
            self._seed.history.called(call_id, name, item.arguments or "{}", now)
            self._notes.tool_called(call_id, name, arguments or {})
            self._publish(ToolCalled(name=name, call_item_id=item.id or call_id, arguments=arguments or {}))
            tool = self._tools_by_name.get(name)
            if tool is None:
                self._effects.append(AuditUnknownTool(item_id=item.id or call_id, name=name))
                self.tool_finished(call_id, refusal("unknown_tool", f"There is no tool {name[:64]!r}."), now)
            elif arguments is None:
                self.tool_finished(
                    call_id, refusal("invalid_arguments", "The arguments are not a JSON object."), now
                )
            else:
                self._fillers.began(call_id, tool.speak_while, now)
                self._effects.append(
                    RunTool(call_id=call_id, item_id=item.id or call_id, name=name, arguments=arguments)
                )
        return bool(begun)

    def _fill_silence(self, now: float) -> None:
        quiet = self._responses.quiet and not self._playing and not self._peer_lost and self._ending is None
        filler = self._fillers.due(now, quiet=quiet)
        if filler is not None:
            self._filler = self._want_words(instructions.still_looking(filler.words))

    def _calls_answered(self, group: CallGroup, now: float) -> None:
        overtaken = group.overtaken and group.hang_up == "agent_hangup"
        if group.hang_up is None or overtaken:
            # A caller who has spoken since is not done yet: the model goes on with what they said.
            self._want_answer(group.outputs)
            return
        self._end_after_words(group.hang_up, now)
        if not group.spoke:
            self._goodbye = self._want_words(instructions.GOODBYE_AFTER_TOOL, must_be_said=True)

    # Saying and ending.

    def _want_words(self, extra: str, *, must_be_said: bool = False) -> str:
        # A response's instructions replace the session's, so the session's are said again before the extra.
        body = {"instructions": f"{self._instructions}\n\n# Now\n{extra}", "tool_choice": "none"}
        return self._want_again(ResponseRequest(request_id="", body=body, must_be_said=must_be_said))

    def _want_again(self, request: ResponseRequest, *, not_before: float = 0.0) -> str:
        again = dataclasses.replace(request, request_id=self._id("req"), not_before=not_before)
        self._responses.want(again)
        return again.request_id

    def _want_resumption(self) -> None:
        """What a lost session owed. Words of our own that it did not say are still wanted, and will do."""
        self._resume = False
        if self._responses.has_words or self._ending is not None or not self._calls.idle:
            return
        body = {"instructions": f"{self._instructions}\n\n# Now\n{instructions.RESUME}"}
        self._responses.want_instead(ResponseRequest(request_id=self._id("req"), body=body))

    def _want_answer(self, item_ids: set[str], *, not_before: float = 0.0) -> None:
        answers = frozenset(item_ids)
        self._responses.want(
            ResponseRequest(request_id=self._id("req"), answers=answers, not_before=not_before)
        )

    def _end_after_words(self, reason: EndReason, now: float) -> None:
        self._ending = reason
        self._ending_by = now + GOODBYE_S

    def _withdraw_ending(self) -> None:
        """A caller who speaks into the goodbye is not done yet. Other endings hold: they are not a choice."""
        if self._goodbye is not None:
            self._responses.forget(self._goodbye)
        self._ending = self._ending_by = self._goodbye = None

    def _stop_response(self, response_id: str) -> None:
        reply = self._replies.of(response_id)
        if reply is not None:
            reply.muted = True
            self._send(client_events.cancel_response(self._id("ev"), response_id))

    def _truncate(self, part: PartKey, audio_end_ms: int) -> None:
        if part.item_id in self._carried or part.response_id == RECORDED:
            return  # this session does not have it
        self._send(
            client_events.truncate_item(self._id("ev"), part.item_id, part.content_index, audio_end_ms)
        )

    def _publish_interrupted(self, cut: Cut, finals: Sequence[Final]) -> None:
        item_id = cut.part.item_id
        final = next((final for final in finals if final.item_id == item_id), None)
        if final is not None:
            heard_ms, heard_text = final.heard_ms or 0, final.heard_text
        else:
            heard_ms, heard_text = self._transcript.heard_so_far(item_id)
        self._publish(TurnInterrupted(item_id=item_id, heard_ms=heard_ms, heard_text=heard_text))

    def _close_record(self) -> None:
        """The media leg is closed: nothing more will be heard."""
        if not self._record_closed:
            self._record_closed = True
            self._finals(self._transcript.end())
            self._abandon_untranscribed()
            self._publish_all(self._turns.close())
        self._close_if_complete()

    def _abandon_untranscribed(self) -> None:
        """Without a session, what was partial stays what it is."""
        if self._session_gone:
            untranscribed = [speech.item_id for speech in self._transcript.untranscribed()]
            abandoned = [self._transcript.caller_abandoned(item_id) for item_id in untranscribed]
            self._finals([final for final in abandoned if final is not None])

    @property
    def _nothing_to_say(self) -> bool:
        return not self._playing and self._responses.quiet and self._calls.idle and not self._resume

    def _close_turn_if_over(self) -> None:
        if self._nothing_to_say:
            self._publish_all(self._turns.close())

    def _close_if_complete(self) -> None:
        """Close once nothing is awaited: words being transcribed, the last response's cost, a running tool."""
        awaits_session = not self._session_gone and (
            self._transcript.awaits_caller
            or self._last_words is not None
            or self._responses.active is not None
        )
        if not self._record_closed or not self._calls.idle or awaits_session:
            return
        if self._notes.summary_due and not self._session_gone:
            self._sum_up()
        elif self._session_gone or not self._notes.awaits_summary:
            self._close()

    def _sum_up(self) -> None:
        self._notes.ask_for_summary()
        self._take_notes()

    def _summary_at(self) -> float | None:
        """When to end the wait for last words: for the sake of a summary of the others, or at all."""
        if self._close_by is None or self._session_gone or not self._notes.summary_due:
            return self._close_by
        return self._close_by - SUMMARY_S

    def _take_notes(self) -> None:
        """What was written down beside the conversation, or is to be."""
        self._publish_all(self._notes.events())
        for message in self._notes.messages():
            if not self._session_gone:
                self._send(message)

    def _close(self) -> None:
        if self.phase is not Phase.ENDING or self._ending is None:
            return
        conclusion = self._notes.conclude()
        self._take_notes()
        self.phase = Phase.CLOSED
        self._effects.append(
            Close(reason=self._ending, outcome=conclusion.outcome, summary=conclusion.summary)
        )

    def _pump(self, now: float) -> None:
        """Send the response that is due; end a call that has said its last word."""
        self._watch(now)
        if self.phase in (Phase.CONNECTING, Phase.CONFIGURING, Phase.READY):
            self._wake_session(now)
        if self.phase in (Phase.CONNECTING, Phase.CONFIGURING) and self._ending and self._nothing_to_say:
            self.hang_up(self._ending, now)
        if self.phase is not Phase.READY:
            return
        if self._resume and not self._playing:
            self._want_resumption()
        self._fill_silence(now)
        request = None if self._peer_lost else self._responses.next_request(now)
        if request is not None:
            event_id = self._id("ev")
            self._responses.sent_as(event_id)
            self._send(client_events.create_response(event_id, request.request_id, request.body))
        elif self._ending is not None and self._nothing_to_say:
            self.hang_up(self._ending, now)
        elif self._nothing_to_say and not self._transcript.awaits_caller:
            self._notes.quiet(now)
        self._take_notes()

    # Small things.

    def _id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}_{self._ids}"

    def _send(self, message: bytes) -> None:
        self._effects.append(Send(message=message))

    def _publish(self, event: Event) -> None:
        self._effects.append(Publish(event=event))

    def _publish_all(self, events: Sequence[Event]) -> None:
        self._effects += [Publish(event=event) for event in events]

    def _partial(self, speaker: Speaker, item_id: str, text: str, now: float) -> None:
        if text and now - self._partial_at.get(item_id, -1e9) >= PARTIAL_EVERY_S:
            self._partial_at[item_id] = now
            self._publish(TranscriptPartial(item_id=item_id, speaker=speaker, text=text))

    def _finals(self, finals: Sequence[Final]) -> None:
        for final in finals:
            self._partial_at.pop(final.item_id, None)
            line = self._seed.history.said(final.speaker, final.heard_text, final.started_at)
            if line is not None and final.item_id in self._carried and self.phase is Phase.READY:
                self._send(client_events.create_item(self._id("ev"), self._id("seed"), line.item))
            self._notes.heard(final)
            self._publish(final.event(self._wall_time(final.started_at)))

    def _wall_time(self, at: float) -> datetime:
        return self._origin[1].astimezone(UTC) + timedelta(seconds=at - self._origin[0])
