"""The line to the Realtime session: one socket at a time, and the caller's audio, also while there is none.

The caller's newest audio is always kept, because a session that drops takes with it what it had been sent: the next
one is sent it again, as far as the conversation asks for it. It is kept for KEPT_S, and longer as long as it may be
needed: while words of the caller's are not transcribed, and since the server last said anything (one that hangs is
known for dead only after a while, and by then the caller may have spoken to it). The oldest goes first, after
KEPT_LONGEST_S in any case: 48 kB a second, 240 kB for most calls and 1.4 MB at the most. Audio is kept by reference:
it costs memory, no copying.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from media.format import FRAME_MS
from realtime import client_events
from realtime.client.endpoint import Endpoint, open_session
from realtime.client.socket import ConnectFailed, RealtimeSocket

KEPT_S = 5.0  # a gap that is longer has lost its beginning
# A sentence, and the gap after it. Longer sentences are rare, and their beginning stays on record in part.
KEPT_LONGEST_S = 30.0
# Before the server's last event: what it may not have listened to when it wrote that.
KEPT_BEFORE_EVENT_S = 1.5
# Kept audio is sent in appends of a second: 64 kB as JSON.
FRAMES_AN_APPEND = 50


class LineListener(Protocol):
    """Who hears from the session, whichever socket it is on. As SocketListener: must not block or raise."""

    def message_received(self, message: bytes) -> None: ...

    def session_closed(self, code: str, reason: str) -> None:
        """The session is gone, or the one asked for by `reopen` could not be had."""


class SessionLine:
    """`open` once, `reopen` as often as the conversation asks, `close` at the end."""

    def __init__(self, endpoint: Endpoint, listener: LineListener) -> None:
        self._endpoint = endpoint
        self._listener = listener
        self._socket: RealtimeSocket | None = None
        self._end: _End | None = None  # the one whose messages count
        self._early: list[bytes] = []  # sent while the handshake's result was on its way to us; a handful
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        self._kept: deque[tuple[float, bytes]] = deque()  # (when it came, 20 ms)
        self.appended_ms = 0  # to the present session
        self._heard_of = True  # the server has said something since the last 20 ms
        self._heard_of_at = 0.0

    async def open(self, model: str) -> None:
        """The call's first session. Raises ConnectFailed."""
        self._end = end = _End(self)
        self._socket = await open_session(self._endpoint, model, end)
        self._send_early()

    def reopen(self, model: str) -> None:
        """Leave the session there is and open another; `session_closed` tells where that fails."""
        self._end = end = _End(self)
        self._early.clear()
        self.appended_ms = 0
        left, self._socket = self._socket, None
        if left is not None:
            self._spawn(left.close(), "close session")
        self._opening = self._spawn(self._reopen(model, end), "open session")

    async def _reopen(self, model: str, end: _End) -> None:
        try:
            socket = await open_session(self._endpoint, model, end)
        except ConnectFailed as error:
            if self._end is end:
                self._listener.session_closed(error.code, error.detail)
            return
        if self._end is not end:
            await socket.close()  # another was asked for meanwhile
            return
        self._socket = socket
        self._send_early()

    def send(self, message: bytes) -> None:
        """One client event. Where there is no session it is dropped: the conversation knows."""
        if self._socket is not None:
            self._socket.send(message)
        elif self._end is not None:
            self._early.append(message)

    def keep(self, pcm: bytes, at: float, *, in_speech: bool) -> None:
        """20 ms of the caller's, that came at `at`."""
        kept = self._kept
        kept.append((at, pcm))
        if self._heard_of:
            self._heard_of, self._heard_of_at = False, at
        oldest = at - KEPT_LONGEST_S
        if not in_speech:
            oldest = max(oldest, min(at - KEPT_S, self._heard_of_at - KEPT_BEFORE_EVENT_S))
        while kept[0][0] < oldest:
            kept.popleft()

    def append(self, pcm: bytes) -> bool:
        """20 ms of the caller's, to the session, now; False where it was dropped."""
        if self._socket is None or not self._socket.send(client_events.append_audio(pcm), droppable=True):
            return False
        self.appended_ms += FRAME_MS
        return True

    def append_kept(self, since: float, until: float | None) -> None:
        """What is kept of that time, at once. It is not dropped: it is late already, and short."""
        frames = [pcm for at, pcm in self._kept if at >= since and (until is None or at <= until)]
        for first in range(0, len(frames), FRAMES_AN_APPEND):
            self.send(client_events.append_audio(b"".join(frames[first : first + FRAMES_AN_APPEND])))
        self.appended_ms += len(frames) * FRAME_MS

    async def close(self) -> None:
        """End the session and whatever was being opened. Idempotent."""
        self._end = None
        if self._opening is not None:
            self._opening.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    def _send_early(self) -> None:
        early, self._early = self._early, []
        for message in early:
            self.send(message)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _End:
    """Our end of one socket: passes on what comes while that socket is the call's."""

    def __init__(self, line: SessionLine) -> None:
        self._line = line

    def message_received(self, message: bytes) -> None:
        if self._line._end is self:
            self._line._heard_of = True
            self._line._listener.message_received(message)

    def socket_closed(self, code: int, reason: str) -> None:
        line = self._line
        if line._end is self:
            line._end = line._socket = None
            line._listener.session_closed(f"closed_{code}", reason[:200])
