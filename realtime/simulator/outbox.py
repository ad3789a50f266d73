"""What the server says, in order: one queue and one writer per session.

Events are put without waiting, so that a barge-in is one uninterrupted run of events; whoever produces audio
awaits `room()` between pieces.  Bounded: past MAX_BYTES the client has not read for minutes and is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

# More than a minute of audio in base64: past this, producers of audio wait.
ROOM_BYTES = 4 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024


class ClientTooSlow(Exception):
    """The client stopped reading: MAX_BYTES are waiting for it."""


class Outbox:
    """Events on their way out."""

    def __init__(self) -> None:
        self._events: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()

    def put(self, event_type: str, payload: bytes) -> None:
        """Queue one text frame.  ClientTooSlow: see the module."""
        self._events.append((event_type, payload))
        self._bytes += len(payload)
        if self._bytes > MAX_BYTES:
            raise ClientTooSlow
        if self._bytes > ROOM_BYTES:
            self._roomy.clear()
        self._filled.set()

    async def room(self) -> None:
        """Wait until the client has taken what is queued."""
        await self._roomy.wait()

    async def write(
        self, send: Callable[[bytes], Awaitable[None]], sent: Callable[[str], Awaitable[None]]
    ) -> None:
        """Send for ever; `sent` is told the type of every event that has left.  Cancel it to stop."""
        while True:
            while self._events:
                event_type, payload = self._events.popleft()
                self._bytes -= len(payload)
                await send(payload)
                if self._bytes <= ROOM_BYTES:
                    self._roomy.set()
                await sent(event_type)
            self._filled.clear()
            await self._filled.wait()
