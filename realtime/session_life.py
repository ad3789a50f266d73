"""The sessions of a call, one after the other: set up, renewed before they expire, replaced when they are lost.

What survives a session is not here: the record, the goals, the wishes. This file only settles what was under way in
the one that is gone, asks for the next (`continuity.py` says when and which), and tells that one what it must know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realtime import client_events, server_events
from realtime.agent import Agent
from realtime.caller_words import CallerWords
from realtime.continuity import ATTEMPT_S, Continuity, Rotation
from realtime.effects import OpenSession
from realtime.ending import MESSAGE_LIMIT, Ending
from realtime.error_codes import BENIGN_ERRORS, FATAL_ERRORS
from realtime.outgoing import Outgoing
from realtime.phase import Phase, Standing
from realtime.session_config import format_mismatch, returning_config, session_config
from realtime.spoken_record import SpokenRecord
from realtime.tool_spec import ToolSpec
from realtime.wishes import Wishes
from storage.events import SessionConfigured, SessionFailed, SessionReconnected


@dataclass(slots=True, kw_only=True)
class SessionLife:
    """Handlers for what a session says of itself; `over` when it is gone; `wake` opens the next."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    words: CallerWords
    wishes: Wishes
    ending: Ending
    continuity: Continuity
    rotation: Rotation
    tools: Sequence[ToolSpec]
    started: float
    setup_by: float | None
    wall: Callable[[float], datetime]
    _id: str = ""
    _expires_in_s: float | None = None
    _listening: bool = True  # as it was configured
    _deaf_since: float = 0.0  # from when on the lost session may not have heard the caller
    _error: str = ""  # the server's own reason, before it closes

    def handlers(self) -> dict[type[Any], Callable[[Any, float], None]]:
        return {
            server_events.SessionCreated: self.on_session_created,
            server_events.SessionUpdated: self.on_session_updated,
            server_events.ErrorEvent: self.on_error,
            server_events.Ignored: self.on_ignored,
            server_events.Malformed: self.on_malformed,
        }

    def on_session_created(self, event: server_events.SessionCreated, now: float) -> None:
        if self.standing.phase is not Phase.CONNECTING:
            return
        self._id = event.session.id or ""
        expires_at = event.session.expires_at
        self._expires_in_s = expires_at - self.wall(now).timestamp() if expires_at else None
        self.standing.phase = Phase.CONFIGURING
        self._listening = self.continuity.cause is None and self.standing.person is None
        config = session_config(
            self.agent,
            instructions=self.wishes.render(),
            tools=self.tools,
            listening=self._listening,
        )
        self.out.send(client_events.session_update(self.out.new_id("ev"), config))

    def on_session_updated(self, event: server_events.SessionUpdated, now: float) -> None:
        if self.standing.phase is not Phase.CONFIGURING:
            return
        mismatch = format_mismatch(event.session.audio)
        if mismatch is not None:
            self._failed("format_mismatch", mismatch, now)
            return
        self.standing.phase = Phase.READY
        self.setup_by = None
        self.standing.session_gone = False
        self._error = ""
        self.ending.session_is_back(now)
        since = self.started if self.continuity.cause is None else self.continuity.opened_at
        self.out.publish(
            SessionConfigured(
                session_id=self._id,
                model=event.session.model or self.continuity.model,
                connect_ms=round((now - since) * 1000),
            )
        )
        self.rotation.started(now, self._expires_in_s)
        reconnected = self.continuity.restored(now)
        if reconnected is not None:
            self._tell_everything()
            cause, gap_ms = reconnected
            self.out.publish(SessionReconnected(cause=cause, gap_ms=gap_ms))
        elif not self._listening and self.standing.person is None:
            self.listen_again(now)
        self.wishes.greet()

    def _tell_everything(self) -> None:
        untranscribed = self.record.transcript.untranscribed()
        self.out.add(
            *self.words.seed.effects(
                agent=self.agent,
                instructions=self.wishes.render(),
                listening=self.standing.person is None,
                untranscribed=untranscribed,
                deaf_since=self._deaf_since,
                new_id=self.out.new_id,
            )
        )
        for speech in untranscribed:
            if speech.ended_at is None:
                self.wishes.resume = False  # the session hears it to its end and answers by itself
                self.record.transcript.caller_failed(speech.item_id)  # it is heard again, as a new item

    def on_error(self, event: server_events.ErrorEvent, now: float) -> None:
        error = event.error
        code = error.code or error.type or "unknown"
        fatal = code in FATAL_ERRORS
        self.wishes.responses.error(code, error.event_id, now)
        self.words.error(error.event_id)
        if code == "session_expired":
            self._error = code  # the server closes the session now
        elif not fatal and not self.standing.ready and self.continuity.cause is not None:
            self.over(code, error.message or "", now)
        elif fatal or self.standing.between_sessions:
            # A session that could not be configured would answer with the API's defaults.
            self._failed(code, error.message or "", now)
        else:
            kind = "benign" if code in BENIGN_ERRORS else "error"
            self.out.note(f"realtime.{kind}", f"{code} {error.param or ''}".strip())

    def on_ignored(self, event: server_events.Ignored, now: float) -> None:
        if not event.known:
            self.out.note("realtime.unknown_event", event.type[:80])

    def on_malformed(self, event: server_events.Malformed, now: float) -> None:
        self.out.note("realtime.malformed_event", f"{event.type}: {event.problem}")

    def lost(self, code: str, message: str, now: float) -> None:
        """The session's socket is gone, by whoever's doing, or could not be opened."""
        if self.standing.under_way and code in FATAL_ERRORS:
            self._failed(code, message, now)
        elif self.standing.under_way:
            self.over(self._error or code, message, now)
        else:
            self.standing.session_gone = True
            self.record.notes.session_lost()
            if self.standing.hung_up:
                self.ending.session_lost()

    def over(self, cause: str, message: str, now: float, *, planned: bool = False) -> None:
        """There is no session any more: settle what was under way in it, and ask for the next."""
        if not self.standing.under_way:
            return
        if self.continuity.cause is None:
            # Of what was sent after the server's last sign of life nothing may have been heard.
            self._deaf_since = now if planned else self.words.server_spoke_at
        self._leave(cause, now)
        if not self.continuity.lost(cause, now, planned=planned):
            self._failed(cause, message, now)

    def listen_again(self, now: float) -> None:
        """The model talks with the caller again: it is told who it is, whole, or a session is opened."""
        if self.standing.ready:
            config = returning_config(self.agent, instructions=self.wishes.render(), tools=self.tools)
            self.out.send(client_events.session_update(self.out.new_id("ev"), config))
        elif self.setup_by is None and self.continuity.open_at is None:
            self.continuity.start_over(now)

    def _failed(self, code: str, message: str, now: float) -> None:
        """No session will come of it. A caller who talks with a person need not know: it is tried again later."""
        if self.standing.person is None:
            self.ending.provider_failed(code, message, now)
        elif self.standing.under_way:
            self._leave(code, now)
            self.continuity.open_at = None
            self.out.publish(SessionFailed(code=code, message=message[:MESSAGE_LIMIT]))

    def _leave(self, cause: str, now: float) -> None:
        """Settle what was under way in the session."""
        self.words.forget_sound(now)
        if self.standing.ready:
            responses = self.wishes.responses
            reply = self.wishes.replies.of(responses.active) if responses.active is not None else None
            owed = responses.session_lost(heard=reply is not None and reply.spoke)
            self.wishes.resume |= self.standing.person is None and (owed or self.record.turns.awaits_answer)
            self.record.finish_parts(self.wishes.replies.forget())
            self.record.finals(self.record.transcript.session_lost())
            self.record.carried = self.record.transcript.open_agent_items
            self.words.idle.caller_makes_sound(False)
        self.standing.phase = Phase.CONNECTING
        self.standing.session_gone = True
        self.record.notes.session_lost()
        self.setup_by = None
        self.words.audio_appended(0, now)
        self.out.note("realtime.session_over", cause)

    def wake(self, now: float) -> None:
        """Open the next session when it is due; renew one that grows old, in a silence if there is one in time."""
        if not self.standing.under_way:
            return
        if self.setup_by is not None and now >= self.setup_by:
            self.over("setup_timeout", "no session was configured in time", now)
        self._open_if_due(now)
        silent = (
            not self.wishes.busy
            and not self.wishes.responses.caller_speaking
            and self.standing.ending is None
        )
        if self.standing.ready and self.rotation.due(now, silent=silent):
            self.over("rotation", "", now, planned=True)
            self._open_if_due(now)

    def _open_if_due(self, now: float) -> None:
        if self.continuity.due(now):
            self.setup_by = now + ATTEMPT_S
            self.out.add(OpenSession(model=self.continuity.model))
