"""Listening to calls across everything that happens to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio

from storage.bus.subscriber import Subscriber
from storage.channels import calls_channel, calls_pattern
from storage.codec import encode
from storage.envelope import Envelope
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer


@asynccontextmanager
async def reading(subscriber: Subscriber) -> AsyncIterator[list[Envelope]]:
    heard: list[Envelope] = []

    async def read() -> None:
        async for envelope in subscriber:
            heard.append(envelope)  # noqa: PERF401 - the list is watched while it fills

    task = asyncio.create_task(read())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(redis_url: str, envelopes: list[Envelope]) -> None:
    async with redis.asyncio.from_url(redis_url) as client:
        for envelope in envelopes:
            await client.publish(calls_channel(envelope.tenant, envelope.call_id), encode(envelope))


async def test_it_hears_all_calls_and_says_when_it_may_have_missed_some(redis_server: RedisServer) -> None:
    events = stamped(whole_call())
    connects: list[int] = []
    subscriber = Subscriber(
        redis_server.url, [calls_pattern()], on_connect=lambda: connects.append(len(connects))
    )

    async with reading(subscriber) as heard:
        await eventually(lambda: subscriber.connected)
        await publish(redis_server.url, events[:4])
        await eventually(lambda: len(heard) == 4)
        redis_server.kill()
        await eventually(lambda: not subscriber.connected)
        redis_server.start()
        await eventually(lambda: subscriber.connected)
        await publish(redis_server.url, events[4:])
        await eventually(lambda: len(heard) == len(events))

    assert heard == events
    assert connects == [0, 1]


async def test_a_redis_that_comes_late_is_waited_for(redis_server: RedisServer) -> None:
    redis_server.stop()
    subscriber = Subscriber(redis_server.url, [calls_pattern("default"), "cordboard:default:desk"])

    async with reading(subscriber) as heard:
        redis_server.start()
        await eventually(lambda: subscriber.connected)
        await publish(redis_server.url, stamped(whole_call())[:1])
        await eventually(lambda: heard)


async def test_what_is_not_an_envelope_is_skipped_and_counted(redis_url: str) -> None:
    events = stamped(whole_call())[:2]
    subscriber = Subscriber(redis_url, [calls_pattern()])

    async with reading(subscriber) as heard:
        await eventually(lambda: subscriber.connected)
        await publish(redis_url, events[:1])
        async with redis.asyncio.from_url(redis_url) as client:
            await client.publish("cordboard:default:calls:x", "hello?")
        await publish(redis_url, events[1:])
        await eventually(lambda: len(heard) == 2)

    assert subscriber.undecodable == 1
