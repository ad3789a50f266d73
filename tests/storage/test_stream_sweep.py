"""What no worker has stored yet is found on Redis' streams and taken off them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from storage.channels import GROUP, STREAMS, stream_of
from storage.erasure import number_pattern
from storage.worker.stream_sweep import StreamSweep
from tests.fakes.call_story import numbered, said, stamped, started, whole_call
from tests.fakes.streams import put, put_raw, waiting


@pytest.fixture
async def sweep(redis_url: str) -> AsyncIterator[StreamSweep]:
    opened = await StreamSweep.open(redis_url)
    yield opened
    await opened.close()


async def test_a_number_is_found_in_what_waits(sweep: StreamSweep, redis_url: str) -> None:
    told = stamped([started(), said(1, "090-1234-5678")])
    await put(redis_url, [*told, *stamped(whole_call())])
    await put_raw(redis_url, STREAMS[0], b"\xff 090-1234-5678")

    assert await sweep.find(number_pattern("+819012345678")) == {told[0].call_id}


async def test_a_calls_entries_go_and_the_others_stay(sweep: StreamSweep, redis_url: str) -> None:
    gone, other = stamped(whole_call()), stamped(whole_call())
    await put(redis_url, [*gone, *other])
    count = len(numbered(gone))

    assert await sweep.remove([gone[0].call_id], count_only=True) == count
    assert await waiting(redis_url) == count + len(numbered(other))
    assert await sweep.remove([gone[0].call_id]) == count
    assert await sweep.remove([gone[0].call_id]) == 0
    assert await waiting(redis_url) == len(numbered(other))


async def test_more_than_a_page_of_them_is_looked_through(sweep: StreamSweep, redis_url: str) -> None:
    call = stamped([started(), *(said(n, "x") for n in range(1, 1300))])
    await put(redis_url, call)

    assert await sweep.remove([call[0].call_id]) == 1300


async def test_what_a_worker_was_given_is_taken_from_it(sweep: StreamSweep, redis_url: str) -> None:
    call = stamped(whole_call())
    stream = stream_of(call[0].call_id)
    await put(redis_url, call)
    async with redis.asyncio.from_url(redis_url) as client:
        await client.xgroup_create(stream, GROUP, id="0")
        await client.xreadgroup(GROUP, "w", {stream: ">"}, count=3)

        await sweep.remove([call[0].call_id])

        assert (await client.xpending(stream, GROUP))["pending"] == 0
        assert await client.xlen(stream) == 0
        assert await client.xreadgroup(GROUP, "w", {stream: "0"}) in ([[stream.encode(), []]], [])


async def test_redis_is_asked_to_write_its_file_anew(sweep: StreamSweep, redis_url: str) -> None:
    assert await sweep.rewrite() is None
