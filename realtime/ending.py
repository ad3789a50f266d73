"""How a call ends: after a goodbye that is heard, with a recorded notice, or at once; and what is waited for then.

A call that was hung up is not closed before its record is complete: the caller's last words transcribed, the last
response's cost known, every tool finished, the summary written; for LATE_TRANSCRIPT_S at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime import instructions
from realtime.agent import Agent
from realtime.caller_words import CallerWords
from realtime.effects import Close, Flush, HangUp, RequestHandoff
from realtime.outgoing import Outgoing
from realtime.phase import (
    GOODBYE_S,
    GOODBYE_WITHOUT_SESSION_S,
    LATE_TRANSCRIPT_S,
    NOTICE_S,
    SUMMARY_S,
    Phase,
    Standing,
)
from realtime.recorded_words import RecordedWords, last_goodbye, last_notice
from realtime.spoken_record import SpokenRecord
from realtime.watchdog import Step, Watchdog
from realtime.wishes import Wishes
from storage.events import EndReason, SessionFailed, WatchdogStep

MESSAGE_LIMIT = 300  # characters of the provider's error messages that go on record


@dataclass(slots=True, kw_only=True)
class Ending:
    """`after_words`, `say_goodbye` or `provider_failed`, then `hang_up`; then `close_if_complete` until closed."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    words: CallerWords
    wishes: Wishes
    watchdog: Watchdog
    by: float | None = None  # when the call is hung up, whatever was still to be said
    _goodbye: str | None = None  # request_id of the words to end with
    _record_closed: bool = False  # the media leg is closed: nothing more will be heard
    _close_by: float | None = None

    # Before it is hung up.

    def after_words(self, reason: EndReason, now: float) -> None:
        """End the call once what is being said has been heard; GOODBYE_S at most."""
        self.standing.ending = reason
        self.by = now + GOODBYE_S

    def goodbye(self, extra: str) -> None:
        """Have the last words said."""
        self._goodbye = self.wishes.words(extra, must_be_said=True)

    def asked_again(self, request_id: str, again: str) -> None:
        """A request has a new name; it may have been the goodbye."""
        if request_id == self._goodbye:
            self._goodbye = again

    def was_said(self, request_id: str) -> None:
        """A request has been answered aloud."""
        if request_id == self._goodbye:
            self._goodbye = None

    def session_is_back(self, now: float) -> None:
        """There is somebody again who can answer, and say goodbye."""
        self.watchdog.fresh_session(now)
        if self.by is not None:
            self.by = max(self.by, now + GOODBYE_S)

    def withdraw(self) -> None:
        """A caller who speaks into the goodbye is not done yet. Other endings hold: they are not a choice."""
        if self.standing.ending == "agent_hangup":
            self.cancel()

    def cancel(self) -> None:
        """The call goes on."""
        if self._goodbye is not None:
            self.wishes.responses.forget(self._goodbye)
        self.standing.ending = self.by = self._goodbye = None

    def say_goodbye(self, because: str, reason: EndReason, now: float) -> None:
        """Have the agent say goodbye, then end the call; GOODBYE_S at most. What it was saying is cut.

        Where there is no session, or a person has been talking, and none comes in time, it is a recording's.
        """
        standing = self.standing
        if standing.hung_up or not standing.media_up or standing.peer_lost:
            self.hang_up(reason, now)
            return
        if standing.ending is not None:
            # It is saying goodbye already; from now on whatever the caller does.
            standing.ending = reason if standing.under_way else standing.ending
            return
        self.words.forget_sound(now)
        self.wishes.responses.forget_wishes()
        self.wishes.resume = False
        self.out.add(Flush())
        self.after_words(reason, now)
        if standing.person is not None:
            self._say_recorded(last_goodbye(self.agent.language), now)
            return
        if standing.ready:
            self.wishes.stop_active()
        else:
            self.by = now + GOODBYE_WITHOUT_SESSION_S
        self.goodbye(instructions.goodbye(because))

    def out_of_time(self, now: float) -> None:
        """The last words have taken too long: where they have not begun, a recording says them."""
        standing = self.standing
        heard = standing.media_up and not standing.peer_lost
        if self._goodbye is not None and standing.under_way and heard and not standing.playing:
            self._say_recorded(last_goodbye(self.agent.language), now)
        elif standing.ending is not None:
            self.hang_up(standing.ending, now)

    def provider_failed(self, code: str, message: str, now: float) -> None:
        """The model cannot go on. A caller who can hear is told so by a recording, and a person is asked for."""
        if not self.standing.under_way:
            return
        self.words.forget_sound(now)
        self.out.publish(SessionFailed(code=code, message=message[:MESSAGE_LIMIT]))
        if not self.standing.media_up or self.standing.peer_lost:
            self.hang_up("provider_failed", now)
            return
        if self.standing.ending is not None:
            self._say_recorded(last_goodbye(self.agent.language), now)  # all that was still to be said
            return
        self.out.publish(WatchdogStep(step=Step.NOTICE.value, waited_ms=self.watchdog.waited_ms(now)))
        self.out.add(RequestHandoff(reason=f"the model cannot go on: {code}", summary=""))
        self.standing.ending = "provider_failed"
        self._say_recorded(last_notice(self.agent.language), now)

    def _say_recorded(self, words: RecordedWords, now: float) -> None:
        """Last words that need no model; the call ends when they have been heard, or should have been."""
        if not self.standing.session_gone:
            self.wishes.stop_active()
        self.record.finish_parts(self.wishes.replies.forget())
        self.wishes.responses.forget_wishes()
        self.record.finals(self.record.transcript.session_lost())
        self.standing.phase = Phase.NOTICE
        self.by = now + NOTICE_S
        self.standing.playing = True
        self.record.play_recorded(words, now)

    def hang_up(self, reason: EndReason, now: float) -> None:
        """The call is over, now: the caller left, or the deadline came. Idempotent."""
        if self.standing.hung_up:
            return
        self.words.forget_sound(now)
        if self.standing.ready and not self.standing.session_gone:
            self.wishes.stop_active()
            self.words.commit_last_words()
        self.wishes.responses.forget_wishes()
        self.standing.phase = Phase.ENDING
        self.standing.ending = reason
        self._close_by = now + LATE_TRANSCRIPT_S
        self.out.add(Flush(), HangUp(reason=reason))

    # After it.

    def close_record(self) -> None:
        """The media leg is closed: nothing more will be heard."""
        if not self._record_closed:
            self._record_closed = True
            self.record.finals(self.record.transcript.end())
            self.session_lost()
            self.out.publish(*self.record.turns.close())

    def session_lost(self) -> None:
        """Without a session no late words will come."""
        if self.standing.session_gone:
            self.record.abandon_untranscribed()

    def close_if_complete(self) -> None:
        """Close once nothing is awaited: words being transcribed, the last response's cost, a running tool."""
        awaits_session = not self.standing.session_gone and (
            self.words.awaited or self.wishes.responses.active is not None
        )
        if self.standing.closed or not self._record_closed or not self.wishes.calls.idle or awaits_session:
            return
        if self.record.notes.summary_due and not self.standing.session_gone:
            self._sum_up()
        elif self.standing.session_gone or not self.record.notes.awaits_summary:
            self._close()

    def wake(self, now: float) -> None:
        """Time has passed since the call was hung up."""
        if now >= (self.next_deadline() or now) and self.record.notes.summary_due:
            self._sum_up()
        if self._close_by is not None and now >= self._close_by:
            self.out.publish(*self.wishes.calls.abandon(now))
            self.close_record()
            self._close()

    def next_deadline(self) -> float | None:
        """Of the wait for last words: earlier where there is a summary of the others to be written."""
        if self._close_by is None or self.standing.session_gone or not self.record.notes.summary_due:
            return self._close_by
        return self._close_by - SUMMARY_S

    def _sum_up(self) -> None:
        self.record.notes.ask_for_summary()
        self.record.take_notes()

    def _close(self) -> None:
        if self.standing.phase is not Phase.ENDING or self.standing.ending is None:
            return
        conclusion = self.record.notes.conclude()
        self.record.take_notes()
        self.standing.phase = Phase.CLOSED
        self.out.add(
            Close(reason=self.standing.ending, outcome=conclusion.outcome, summary=conclusion.summary)
        )
