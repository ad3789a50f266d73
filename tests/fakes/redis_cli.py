"""Debian's own `redis-cli PSUBSCRIBE`, as a subscriber of nobody's making sees the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lines:
    """What redis-cli has printed."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self.seen: list[str] = []

    async def until(self, text: str, *, within_s: float = 10.0) -> list[str]:
        """Every line up to and with the first that holds `text`."""
        async with asyncio.timeout(within_s):
            while not any(text in line for line in self.seen):
                line = await self._stream.readline()
                assert line, "redis-cli ended"
                self.seen.append(line.decode().rstrip("\n"))
        return self.seen


@asynccontextmanager
async def subscribed(redis_url: str, pattern: str = "cordboard:default:calls:*") -> AsyncIterator[Lines]:
    """Subscribed, for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        "redis-cli", "--no-auth-warning", "-u", redis_url, "PSUBSCRIBE", pattern,
        stdout=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )  # fmt: skip
    assert process.stdout is not None
    lines = Lines(process.stdout)
    try:
        await lines.until("psubscribe")
        yield lines
    finally:
        process.terminate()
        await process.wait()
