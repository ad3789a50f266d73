"""Events on their way to a real Redis that goes away, stops answering, or loses the answer."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable

import pytest
import redis.asyncio

from storage.bus.publisher import Publisher
from storage.call_ids import new_call_id
from storage.channels import stream_of
from storage.envelope import Envelope, Sequencer
from storage.events import DtmfReceived, TranscriptPartial
from tests.fakes.call_story import NOON, numbered, said, stamped, started, whole_call
from tests.fakes.cut_proxy import Cut, CutProxy
from tests.fakes.eventually import eventually
from tests.fakes.redis_listener import listening, on_streams
from tests.fakes.servers import RedisServer

NOWHERE = "redis://127.0.0.1:1/0"  # nobody listens on port 1


def digits(count: int, calls: int = 1) -> list[Envelope]:
    """`count` numbered events of each of some calls, interleaved."""
    sequencers = [Sequencer(new_call_id()) for _ in range(calls)]
    event = DtmfReceived(digit="1", duration_ms=90)
    return [sequencer.stamp(event, NOON) for _ in range(count) for sequencer in sequencers]


def by_call(envelopes: Iterable[Envelope]) -> dict[str, list[int | None]]:
    found: defaultdict[str, list[int | None]] = defaultdict(list)
    for envelope in envelopes:
        found[envelope.call_id].append(envelope.seq)
    return dict(found)


async def last_word(publisher: Publisher, heard: list[Envelope]) -> list[Envelope]:
    """Publish one more event and wait until it is heard: whatever came before it has been heard, too."""
    words = digits(1)
    publisher.emit(words[0])
    await eventually(lambda: words[0] in heard)
    return words


async def test_events_are_on_the_channel_and_on_the_stream_in_order(redis_url: str) -> None:
    events = stamped(whole_call())

    async with listening(redis_url) as heard, Publisher(redis_url) as publisher:
        for envelope in events:
            publisher.emit(envelope)
        assert await publisher.drain(5) == 0
        await eventually(lambda: len(heard) == len(events))

    assert heard == events
    assert await on_streams(redis_url) == numbered(events)


async def test_events_emitted_before_redis_is_there_arrive_when_it_comes(redis_server: RedisServer) -> None:
    redis_server.stop()
    events = digits(300, calls=3)

    async with Publisher(redis_server.url) as publisher:
        for envelope in events:
            publisher.emit(envelope)
        assert await publisher.drain(0.2) == len(events)
        assert not publisher.healthy
        redis_server.start()
        assert await publisher.drain(10) == 0
        assert publisher.healthy

    assert by_call(await on_streams(redis_server.url)) == by_call(events)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_redis_that_ends_in_the_middle_loses_and_doubles_nothing(
    redis_server: RedisServer, end: str
) -> None:
    events = digits(2000, calls=2)
    first, middle, last = events[:1000], events[1000:3000], events[3000:]

    async with Publisher(redis_server.url) as publisher:
        for envelope in first:
            publisher.emit(envelope)
        await eventually(lambda: publisher.depth < len(first))
        getattr(redis_server, end)()
        for envelope in middle:
            publisher.emit(envelope)
        await eventually(lambda: not publisher.healthy)
        redis_server.start()
        for envelope in last:
            publisher.emit(envelope)
        assert await publisher.drain(10) == 0

    assert by_call(await on_streams(redis_server.url)) == by_call(events)


async def test_a_redis_that_stops_answering_is_heard_without_gap_or_double_afterwards(
    redis_server: RedisServer,
) -> None:
    """The listener stays connected all the time: it must see every number once."""
    events = digits(600)

    async with (
        listening(redis_server.url) as heard,
        Publisher(redis_server.url, reply_timeout_s=0.2) as publisher,
    ):
        for envelope in events[:200]:
            publisher.emit(envelope)
        assert await publisher.drain(5) == 0
        redis_server.pause()
        for envelope in events[200:]:
            publisher.emit(envelope)
        await eventually(lambda: not publisher.healthy)
        redis_server.resume()
        assert await publisher.drain(10) == 0
        events += await last_word(publisher, heard)

    assert by_call(heard) == by_call(events)
    assert by_call(await on_streams(redis_server.url)) == by_call(events)


@pytest.mark.parametrize("moment", [Cut.BEFORE_SERVER, Cut.BEFORE_REPLY])
async def test_a_connection_that_breaks_around_a_batch_neither_loses_nor_doubles_it(
    redis_server: RedisServer, moment: Cut
) -> None:
    events = digits(30)

    async with (
        CutProxy(redis_server.port) as proxy,
        listening(redis_server.url) as heard,
        Publisher(f"redis://127.0.0.1:{proxy.port}/0") as publisher,
    ):
        await eventually(lambda: publisher.healthy)
        proxy.cut_next(b"EVALSHA", moment)
        for envelope in events:
            publisher.emit(envelope)
        await asyncio.wait_for(proxy.happened.wait(), 5)
        assert await publisher.drain(10) == 0
        events += await last_word(publisher, heard)

    assert by_call(heard) == by_call(events)
    assert by_call(await on_streams(redis_server.url)) == by_call(events)


async def test_a_batch_that_reaches_redis_long_after_its_connection_was_given_up_does_nothing_more(
    redis_server: RedisServer,
) -> None:
    events = digits(30)

    async with (
        CutProxy(redis_server.port) as proxy,
        listening(redis_server.url) as heard,
        Publisher(f"redis://127.0.0.1:{proxy.port}/0") as publisher,
    ):
        await eventually(lambda: publisher.healthy)
        proxy.cut_next(b"EVALSHA", Cut.LATE)
        for envelope in events:
            publisher.emit(envelope)
        await asyncio.wait_for(proxy.happened.wait(), 5)
        assert await publisher.drain(10) == 0
        proxy.deliver()
        assert redis_server.ask("PING") == b"+PONG"
        events += await last_word(publisher, heard)

    assert by_call(heard) == by_call(events)
    assert by_call(await on_streams(redis_server.url)) == by_call(events)


async def test_a_batch_in_doubt_when_redis_was_restarted_is_stored_again_but_not_announced_again(
    redis_server: RedisServer,
) -> None:
    events = digits(5)

    async with (
        CutProxy(redis_server.port) as proxy,
        Publisher(f"redis://127.0.0.1:{proxy.port}/0") as publisher,
    ):
        await eventually(lambda: publisher.healthy)
        proxy.cut_next(b"EVALSHA", Cut.BEFORE_SERVER)
        for envelope in events:
            publisher.emit(envelope)
        await asyncio.wait_for(proxy.happened.wait(), 5)
        redis_server.kill()
        redis_server.start()
        async with listening(redis_server.url) as heard:
            assert await publisher.drain(10) == 0
            later = await last_word(publisher, heard)

    assert heard == later
    assert by_call(await on_streams(redis_server.url)) == by_call(events + later)


async def test_a_redis_that_takes_connections_and_never_answers_is_given_up_each_time(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.pause()
    envelope = digits(1)[0]

    async with Publisher(redis_server.url, reply_timeout_s=0.1) as publisher:
        publisher.emit(envelope)
        await eventually(lambda: "publisher.redis_lost" in caplog.text)
        redis_server.resume()
        assert await publisher.drain(10) == 0


async def test_a_full_redis_is_waited_for(redis_server: RedisServer) -> None:
    events = digits(50)
    redis_server.ask("CONFIG", "SET", "maxmemory", "1")

    async with Publisher(redis_server.url) as publisher:
        for envelope in events:
            publisher.emit(envelope)
        assert await publisher.drain(0.3) == 50
        redis_server.ask("CONFIG", "SET", "maxmemory", "0")
        assert await publisher.drain(10) == 0

    assert by_call(await on_streams(redis_server.url)) == by_call(events)


async def test_a_stream_that_redis_refuses_holds_its_events_until_it_is_put_right(redis_url: str) -> None:
    envelope = digits(1)[0]
    async with redis.asyncio.from_url(redis_url) as client:
        await client.set(stream_of(envelope.call_id), "not a stream")

        async with listening(redis_url) as heard, Publisher(redis_url) as publisher:
            publisher.emit(envelope)
            await eventually(lambda: heard)
            assert await publisher.drain(0.3) == 1
            await client.delete(stream_of(envelope.call_id))
            assert await publisher.drain(5) == 0

    assert heard == [envelope]
    assert await on_streams(redis_url) == [envelope]


async def test_when_it_is_full_live_events_give_way_and_then_new_ones_are_refused_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sequencer = Sequencer(new_call_id())
    live = sequencer.stamp(TranscriptPartial(item_id="i", speaker="caller", text="he"), NOON)
    publisher = Publisher(NOWHERE, capacity=3)
    publisher.emit(live)
    for _ in range(2):
        publisher.emit(sequencer.stamp(said(0, "kept"), NOON))

    publisher.emit(sequencer.stamp(said(0, "takes the live one's place"), NOON))
    publisher.emit(live)
    assert (publisher.live_dropped, publisher.refused, publisher.depth) == (2, 0, 3)

    with caplog.at_level(logging.ERROR):
        publisher.emit(sequencer.stamp(said(0, "refused"), NOON))
    assert (publisher.refused, publisher.depth) == (1, 3)
    assert "publisher.refused" in caplog.text
    assert "bring Redis back" in caplog.text


async def test_stopping_with_events_left_says_how_many_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher(NOWHERE)
    publisher.start()
    publisher.emit(stamped([started()])[0])

    assert await publisher.drain(0.05) == 1
    await publisher.stop()
    await publisher.stop()

    assert caplog.text.count("publisher.stopped_with_events left=1") == 2


async def test_an_idle_publisher_becomes_healthy_without_any_event(redis_url: str) -> None:
    async with Publisher(redis_url) as publisher:
        await eventually(lambda: publisher.healthy)

        assert await publisher.drain(1) == 0
