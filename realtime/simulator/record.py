"""What a session has received, for tests to look at and to wait for."""

import asyncio
from collections import Counter
from typing import Any

# A test that sends more than this (audio not counted) keeps the newest.
KEPT_EVENTS = 10_000


class Record:
    """Client events in the order of arrival, refused ones included.  Appends are counted, not kept."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.append_count = 0
        self.counts: Counter[str] = Counter()
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, kind: str, event: dict[str, Any]) -> None:
        """One event has arrived."""
        self.counts[kind] += 1
        if kind == "input_audio_buffer.append":
            self.append_count += 1
        else:
            self.events.append(event)
            if len(self.events) > KEPT_EVENTS:
                del self.events[0]
        if self._waiting:
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiting.clear()

    async def wait(self, kind: str, count: int, timeout: float) -> dict[str, Any]:
        """The `count`-th event of this type ({} for appends).  TimeoutError names what came instead."""
        try:
            async with asyncio.timeout(timeout):
                while self.counts[kind] < count:
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.append(waiter)
                    await waiter
        except TimeoutError:
            raise TimeoutError(
                f"the client did not send {count} x {kind} within {timeout} s; it sent {dict(self.counts)}"
            ) from None
        matching = [event for event in self.events if event.get("type") == kind]
        return matching[count - 1] if len(matching) >= count else {}
