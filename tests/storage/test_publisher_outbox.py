"""The publisher with its durable outbox: Redis that loses data, a process that is killed, a worker that answers."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest
import redis.asyncio

from signaling.server.recovery import finish_stories
from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.call_ids import new_call_id
from storage.channels import STREAMS, acks_channel, partition_of
from storage.envelope import Envelope, Sequencer
from storage.events import DtmfReceived
from tests.fakes.call_story import NOON, stamped, started, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.redis_listener import listening, on_streams
from tests.fakes.servers import RedisServer

ROOT = Path(__file__).parent.parent.parent


def digits(count: int, calls: int = 1) -> list[Envelope]:
    sequencers = [Sequencer(new_call_id()) for _ in range(calls)]
    event = DtmfReceived(digit="1", duration_ms=90)
    return [sequencer.stamp(event, NOON) for _ in range(count) for sequencer in sequencers]


def by_call(envelopes: Iterable[Envelope]) -> dict[str, list[int | None]]:
    found: defaultdict[str, list[int | None]] = defaultdict(list)
    for envelope in envelopes:
        found[envelope.call_id].append(envelope.seq)
    return dict(found)


def publisher_on(path: Path, redis_url: str) -> tuple[Publisher, SqliteOutbox]:
    """One that looks after what Redis has every 50 ms."""
    outbox = SqliteOutbox(path, unsettled_after_s=0.05)
    return Publisher(redis_url, outbox=outbox, reconcile_every_s=0.05), outbox


async def acknowledge(redis_url: str, envelopes: Iterable[Envelope]) -> None:
    async with redis.asyncio.from_url(redis_url) as client:
        for envelope in envelopes:
            channel = acks_channel(partition_of(envelope.call_id))
            await client.publish(channel, msgspec.json.encode([envelope.id]))


async def test_the_worker_says_what_is_in_postgres_and_the_outbox_lets_go(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    events = [*stamped(whole_call()), Sequencer("no-uuid-a").stamp(started(), NOON)]
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tests/fakes/worker_main.py"), redis_url, database_url,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert worker.stdout is not None
    await worker.stdout.readline()
    publisher, outbox = publisher_on(tmp_path / "outbox", redis_url)
    try:
        async with publisher:
            for envelope in events:
                publisher.emit(envelope)
            await eventually(lambda: outbox.unacknowledged == 0 and publisher.depth == 0)
    finally:
        worker.terminate()
        await worker.wait()

    connection = await asyncpg.connect(database_url)
    stored = await connection.fetch("SELECT seq FROM events ORDER BY seq")
    aside = await connection.fetchval("SELECT count(*) FROM dead_letters")
    await connection.close()
    assert [row["seq"] for row in stored] == list(range(11))
    assert aside == 1, "what cannot be stored is put aside, and acknowledged too"


async def test_what_redis_still_has_is_not_sent_again_however_long_the_worker_is_away(
    redis_url: str, tmp_path: Path
) -> None:
    events = digits(200, calls=3)
    publisher, outbox = publisher_on(tmp_path / "outbox", redis_url)

    async with publisher:
        for envelope in events:
            publisher.emit(envelope)
        assert await publisher.drain(10) == 0
        await asyncio.sleep(0.1)  # long enough ago to be asked after
        asked = [await outbox.unsettled(1000) for _ in range(3)]
        await eventually(lambda: publisher.healthy)
        await asyncio.sleep(0.2)  # four rounds: nothing tells that nothing has happened
        assert publisher.sent_again == 0

    assert any(len(each) == len(events) for each in asked)
    assert by_call(await on_streams(redis_url)) == by_call(events)


async def test_a_flushed_redis_gets_everything_again_and_listeners_nothing_twice(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    events = digits(1500, calls=2)
    publisher, outbox = publisher_on(tmp_path / "outbox", redis_server.url)

    async with listening(redis_server.url) as heard, publisher:
        for envelope in events:
            publisher.emit(envelope)
        assert await publisher.drain(10) == 0
        await acknowledge(redis_server.url, events[:10])
        await eventually(lambda: outbox.unacknowledged == len(events) - 10)
        assert redis_server.ask("FLUSHALL") == b"+OK"
        await eventually(lambda: publisher.sent_again >= len(events) - 10)
        assert await publisher.drain(10) == 0
        found = await on_streams(redis_server.url)

    assert {event.id for event in found} == {event.id for event in events[10:]}
    assert by_call(heard) == by_call(events)


async def test_a_redis_that_forgets_everything_at_its_restart_loses_nothing(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    events = digits(600, calls=3)
    redis_server.ask("CONFIG", "SET", "appendonly", "no")
    publisher, _ = publisher_on(tmp_path / "outbox", redis_server.url)

    async with publisher:
        for envelope in events[:900]:
            publisher.emit(envelope)
        assert await publisher.drain(10) == 0
        redis_server.kill()
        for path in (redis_server.folder / "appendonlydir").iterdir():
            path.unlink()
        (redis_server.folder / "appendonlydir").rmdir()
        for envelope in events[900:]:
            publisher.emit(envelope)
        redis_server.start()
        await eventually(lambda: publisher.sent_again >= 900)
        assert await publisher.drain(10) == 0
        found = await on_streams(redis_server.url)

    assert {event.id for event in found} == {event.id for event in events}


async def test_a_lost_acknowledgement_is_made_good(redis_url: str, tmp_path: Path) -> None:
    (event,) = digits(1)
    publisher, outbox = publisher_on(tmp_path / "outbox", redis_url)
    async with redis.asyncio.from_url(redis_url) as client, publisher:
        publisher.emit(event)
        assert await publisher.drain(5) == 0
        for stream in STREAMS:
            await client.xtrim(stream, maxlen=0)  # the worker has it, and its word got lost
        await eventually(lambda: publisher.sent_again)
        assert await on_streams(redis_url) == [event]
        await acknowledge(redis_url, [event])
        await eventually(lambda: outbox.unacknowledged == 0)


async def test_junk_on_the_acknowledgement_channel_changes_nothing(redis_url: str, tmp_path: Path) -> None:
    first, second = digits(2)
    publisher, outbox = publisher_on(tmp_path / "outbox", redis_url)
    async with redis.asyncio.from_url(redis_url) as client, publisher:
        publisher.emit(first)
        publisher.emit(second)
        assert await publisher.drain(5) == 0
        channel = acks_channel(partition_of(first.call_id))
        for junk in (b"\xff", b"{}", b"[1]", b'["' + str(first.id).encode(), b"[]"):
            await client.publish(channel, junk)
        await acknowledge(redis_url, [second])
        await eventually(lambda: outbox.unacknowledged == 1)

        assert await publisher.events_after(first.call_id, -1, 10) == [first]


async def test_a_killed_server_is_finished_by_the_next_without_a_gap_and_nobody_saw_more(
    redis_server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """kill -9 in full swing, with Redis gone when the next one starts."""
    path = tmp_path / "outbox"
    async with listening(redis_server.url) as heard:
        killed = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "tests/fakes/outbox_main.py"), redis_server.url, str(path), "5",
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await eventually(lambda: len(heard) > 300)
        killed.kill()
        await killed.wait()
    redis_server.stop()

    publisher, outbox = publisher_on(path, redis_server.url)
    ends: list[Envelope] = []

    def emit(envelope: Envelope) -> None:
        ends.append(envelope)
        publisher.emit(envelope)

    async with publisher:
        with caplog.at_level(logging.WARNING):
            assert finish_stories(publisher.open_calls(), emit, datetime.now(UTC)) == 5
        assert await publisher.drain(0.1) > 0
        redis_server.start()
        assert await publisher.drain(10) == 0
        found = {event.id: event for event in await on_streams(redis_server.url)}

    assert outbox.open_calls()
    for end in ends:
        assert end.seq is not None
        of_call = [event for event in found.values() if event.call_id == end.call_id]
        assert sorted(event.seq or 0 for event in of_call) == list(range(end.seq + 1)), "a gap"
        assert found[end.id] == end
        assert max(event.seq or 0 for event in heard if event.call_id == end.call_id) < end.seq
        assert (end.data["reason"], end.data["last_seq"]) == ("node_lost", end.seq)
        assert end.data["duration_ms"] >= 0
    after = SqliteOutbox(path)
    assert after.open_calls() == ()
    await after.close()


async def test_an_outage_of_redis_over_a_restart_is_published_in_order_afterwards(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    events = digits(100, calls=2)
    redis_server.stop()
    first, _ = publisher_on(tmp_path / "outbox", redis_server.url)
    async with first:
        for envelope in events[:120]:
            first.emit(envelope)

    second, _ = publisher_on(tmp_path / "outbox", redis_server.url)
    second.start()
    for envelope in events[120:]:
        second.emit(envelope)
    redis_server.start()
    async with listening(redis_server.url) as heard:
        assert await second.drain(10) == 0
        await second.stop()

    seqs = by_call(heard)
    assert all(found == list(range(100))[-len(found) :] for found in seqs.values()), "out of order"
    assert by_call(await on_streams(redis_server.url)) == by_call(events)
