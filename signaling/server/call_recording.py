"""One call's recording: whether it may begin, when it does, and how it ends.

    notice to be heard ──heard to its end──► recording ──call over──► finished
          │                                     │
          └──────────── refused ◄───────────────┘          (what there is of it is deleted)

Without a notice it begins with the call's media. What the caller did not hear to its end was not said: an agent
that is interrupted in the middle of the notice has to say it again, and until then nothing is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from media.files.recorder import Recording
from media.files.unfinished import Finished
from media.rtc.peer import Peer
from realtime.agent import Agent
from realtime.recording_notice import was_heard
from realtime.tools.context import AuditTrail
from signaling.server.recordings import Recordings
from storage.events import (
    CallAnswered,
    Event,
    RecordingDeleted,
    RecordingFinished,
    RecordingStarted,
    TranscriptFinal,
)

log = logging.getLogger(__name__)

FINISH_WITHIN_S: Final = (
    2.0  # a disk that needs longer must not hold up `call.ended`; the file is kept all the same
)


class _State(Enum):
    NOTICE_DUE = auto()
    RECORDING = auto()
    OVER = auto()


class CallRecording:
    """Order of calls: `attach` with the peer, `happened` with each event on record, `caller_said` with each frame of
    the caller's, `refuse` at will, `finish` when the media leg closes, then wait for `finished`.

    Implements the tools' `RecordingControl`.
    """

    def __init__(
        self,
        call_id: str,
        agent: Agent,
        room: Recordings,
        *,
        started: float,
        publish: Callable[[Event], None],
        audit: AuditTrail | None = None,
    ) -> None:
        """`started`: the call's beginning, `loop.time()`."""
        self._call_id = call_id
        self._notice = agent.say(agent.recording.notice or "").strip()
        self._room = room
        self._started = started
        self._publish = publish
        self._audit = audit
        self._loop = asyncio.get_running_loop()
        self._peer: Peer | None = None
        self._recording: Recording | None = None
        self._state = _State.NOTICE_DUE
        self._connected = False
        self._begun = False
        self._done = asyncio.Event()

    def attach(self, peer: Peer) -> None:
        """What this leg sends is recorded; also after the caller has come back on a new one."""
        self._peer = peer
        if self._recording is not None and self._state is _State.RECORDING:
            peer.listen(self._recording.others)

    def happened(self, event: Event) -> None:
        """An event is on record."""
        if self._state is not _State.NOTICE_DUE:
            return
        if isinstance(event, CallAnswered):
            self._connected = True
            if not self._notice:
                self._begin()
        elif self._notice and self._connected and isinstance(event, TranscriptFinal):
            if event.speaker != "agent":
                return
            if was_heard(self._notice, event.heard_text):
                self._begin()

    def caller_said(self, pcm: bytes, at: float) -> None:
        if self._recording is not None:
            self._recording.caller(pcm, at)

    async def refuse(self) -> None:
        """See `RecordingControl.refuse`. The database and the audit log are told when they can be."""
        if self._state is _State.OVER:
            return
        self._stop_listening()
        self._publish(RecordingDeleted(reason="refused"))
        await self._room.refuse(self._call_id)
        log.info("recording.refused call_id=%s", self._call_id)
        if self._audit is not None:
            try:
                await self._audit.write(
                    actor=f"call:{self._call_id}", action="recording.refused", subject=self._call_id
                )
            except OSError as error:
                log.error("audit.not_written call_id=%s action=recording.refused: %s", self._call_id, error)

    def finish(self, at: float) -> None:
        """The media leg is closed. Idempotent."""
        if self._state is _State.NOTICE_DUE and self._notice:
            log.warning("recording.not_begun call_id=%s: the notice was not heard to its end", self._call_id)
        recording = self._recording
        self._stop_listening()
        if recording is not None:
            recording.finish(at)

    async def finished(self) -> None:
        """Until the file is complete and its event is on record; FINISH_WITHIN_S at the most."""
        try:
            async with asyncio.timeout(FINISH_WITHIN_S):
                await self._done.wait()
        except TimeoutError:
            log.warning("recording.late call_id=%s: finished after its call", self._call_id)

    @property
    def pending(self) -> bool:
        """There is a file that is not complete yet."""
        return self._begun and not self._done.is_set()

    def _begin(self) -> None:
        now = self._loop.time()
        self._state = _State.RECORDING
        try:
            self._recording = self._room.start(self._call_id, now, self._over)
        except OSError as error:
            self._state = _State.OVER
            log.error("recording.not_begun call_id=%s: %s; check recording.folder", self._call_id, error)
            return
        self._begun = True
        if self._peer is not None:
            self._peer.listen(self._recording.others)
        offset_ms = round((now - self._started) * 1000)
        self._publish(RecordingStarted(offset_ms=offset_ms, notice_heard=bool(self._notice)))

    def _stop_listening(self) -> None:
        self._state = _State.OVER
        self._recording = None
        if self._peer is not None:
            self._peer.listen(None)

    def _over(self, finished: Finished | None) -> None:
        if finished is not None:
            self._publish(
                RecordingFinished(
                    bytes=finished.bytes,
                    duration_ms=finished.duration_ms,
                    lost_ms=finished.lost_ms,
                    problem=finished.problem,
                )
            )
        self._done.set()
