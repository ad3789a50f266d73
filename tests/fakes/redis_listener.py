"""What is on Redis: heard by a plain PSUBSCRIBE, and standing on the streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio

from storage.channels import FIELD, STREAMS
from storage.codec import decode
from storage.envelope import Envelope


@asynccontextmanager
async def listening(redis_url: str, pattern: str = "cordboard:*:calls:*") -> AsyncIterator[list[Envelope]]:
    """The list fills with whatever is published while the block runs."""
    heard: list[Envelope] = []
    async with redis.asyncio.from_url(redis_url) as client, client.pubsub() as pubsub:
        await pubsub.psubscribe(pattern)
        assert (await pubsub.get_message(timeout=5)) is not None

        async def listen() -> None:
            while True:
                message = await pubsub.get_message(timeout=None)
                if message is not None and message["type"] == "pmessage":
                    heard.append(decode(message["data"]))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def on_streams(redis_url: str) -> list[Envelope]:
    """Every event that waits for a worker, stream by stream, in order."""
    async with redis.asyncio.from_url(redis_url) as client:
        entries = [entry for stream in STREAMS for entry in await client.xrange(stream)]
    return [decode(fields[FIELD.encode()]) for _, fields in entries]
