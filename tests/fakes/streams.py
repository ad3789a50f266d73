"""The streams between publisher and worker, from the outside: put events there, see what is left."""

from __future__ import annotations

from collections.abc import Sequence

import redis.asyncio

from storage.channels import FIELD, STREAMS, stream_of
from storage.codec import encode
from storage.envelope import Envelope
from tests.fakes.call_story import numbered
from tests.fakes.eventually import eventually


async def put(redis_url: str, envelopes: Sequence[Envelope]) -> None:
    """On the streams, as a publisher does it."""
    async with redis.asyncio.from_url(redis_url) as client, client.pipeline(transaction=False) as pipeline:
        for envelope in numbered(list(envelopes)):
            pipeline.xadd(stream_of(envelope.call_id), {FIELD: encode(envelope)})
        await pipeline.execute()


async def put_raw(redis_url: str, stream: str, body: bytes) -> None:
    async with redis.asyncio.from_url(redis_url) as client:
        await client.xadd(stream, {FIELD: body})


async def waiting(redis_url: str) -> int:
    """Entries that are still on the streams."""
    async with redis.asyncio.from_url(redis_url) as client:
        return sum([await client.xlen(stream) for stream in STREAMS])


async def settled(redis_url: str, within: float = 15.0) -> None:
    async def nothing_waits() -> bool:
        return await waiting(redis_url) == 0

    await eventually(nothing_waits, within=within)
