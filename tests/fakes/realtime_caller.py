"""A raw client of a Realtime server: sends JSON, receives JSON, and holds every event against the SDK's types."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
DEADLINE_S = 10.0


class Caller:
    """One connection.  `events`: everything received so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        """One client event."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def update(self, **session: Any) -> dict[str, Any]:
        """`session.update`; the event that answers it."""
        await self.send("session.update", session={"type": "realtime", **session})
        return await self.next("session.updated", "error")

    async def audio(self, pcm: bytes, chunk_ms: int = 100) -> None:
        """Caller audio, 24 kHz 16 bit, as fast as it goes."""
        for start in range(0, len(pcm), chunk_ms * 48):
            piece = base64.b64encode(pcm[start : start + chunk_ms * 48]).decode()
            await self.send("input_audio_buffer.append", audio=piece)

    async def next(self, *kinds: str, timeout: float = DEADLINE_S) -> dict[str, Any]:
        """The next event of one of these types (of any, without one); what comes before is kept in `events`."""
        seen: list[str] = []
        try:
            async with asyncio.timeout(timeout):
                while True:
                    event = json.loads(await self.socket.recv())
                    _EVENTS.validate_python(event)
                    self.events.append(event)
                    seen.append(event["type"])
                    if not kinds or event["type"] in kinds:
                        return event
        except TimeoutError:
            raise AssertionError(f"no {' or '.join(kinds)} within {timeout} s; got {seen}") from None

    async def until(self, *kinds: str, timeout: float = DEADLINE_S) -> list[dict[str, Any]]:
        """All events up to and with the next one of these types."""
        start = len(self.events)
        await self.next(*kinds, timeout=timeout)
        return self.events[start:]

    async def closed(self, timeout: float = DEADLINE_S) -> int:
        """Read to the end; the close code (1006 without a close frame)."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self.next()
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd is not None else 1006


@asynccontextmanager
async def calling(url: str, *, key: str = "test-key", **headers: str) -> AsyncIterator[Caller]:
    """Connect to `{url}/realtime` and take `session.created`."""
    socket = await connect(
        f"{url}/realtime?model=gpt-realtime-2.1",
        additional_headers={"Authorization": f"Bearer {key}", **headers},
        compression=None,
        max_size=None,
        max_queue=None,  # a close frame is to be seen behind events that nobody reads any more
        proxy=None,
        close_timeout=1,
    )
    try:
        caller = Caller(socket)
        await caller.next("session.created")
        yield caller
    finally:
        await socket.close()


def types(events: list[dict[str, Any]]) -> list[str]:
    """Only the types, runs of the same delta once."""
    found: list[str] = []
    for event in events:
        if not (found and event["type"].endswith(".delta") and event["type"] in found[-2:]):
            found.append(event["type"])
    return found
