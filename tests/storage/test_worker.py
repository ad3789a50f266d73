"""From Redis to Postgres: each event once in effect, whatever ends in between."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
import redis.asyncio

from storage.bus.publisher import Publisher
from storage.channels import GROUP, STREAMS, stream_of
from storage.codec import encode
from storage.envelope import Envelope, Sequencer
from storage.events import DtmfReceived, Event
from storage.worker.intake import MAX_DELIVERIES
from storage.worker.run import run_worker
from tests.conftest import TEMPLATE
from tests.fakes.call_story import NOON, ended, numbered, said, stamped, started, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, count_events, dump, rows
from tests.fakes.servers import PostgresServer, RedisServer
from tests.fakes.streams import put, put_raw, settled, waiting

ROOT = Path(__file__).parent.parent.parent
START_WITHIN_S = 30.0  # a process on a machine that is busy with other tests
NOT_THERE = "postgresql://postgres@127.0.0.1:1/nowhere"


@asynccontextmanager
async def working(
    redis_url: str, database_url: str, *, consumer: str = "w1", claim_idle_ms: int = 30_000
) -> AsyncIterator[asyncio.Event]:
    """A worker in this process; the event is set when it is ready. Leaving stops it as SIGTERM would."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_worker(
            redis_url,
            database_url,
            stop=stop,
            ready=ready.set,
            consumer=consumer,
            claim_idle_ms=claim_idle_ms,
        )
    )
    try:
        yield ready
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def take(redis_url: str, consumer: str) -> int:
    """Read everything as `consumer` and do nothing with it: a worker that died."""
    async with redis.asyncio.from_url(redis_url) as client:
        for stream in STREAMS:
            await client.xgroup_create(stream, GROUP, id="0", mkstream=True)
        taken = await client.xreadgroup(GROUP, consumer, dict.fromkeys(STREAMS, ">"), count=1000)
        return sum(len(entries) for _, entries in taken)


def many_calls(count: int, length: int = 20) -> list[Envelope]:
    """Complete calls, interleaved."""
    middle: list[Event] = [DtmfReceived(digit="1", duration_ms=9)] * (length - 3)
    story: list[Event] = [started(), said(0, "hello"), *middle, ended()]
    calls = [stamped(story) for _ in range(count)]
    return [envelope for step in zip(*calls, strict=True) for envelope in step]


async def test_a_call_becomes_rows_and_leaves_the_streams(redis_url: str, database_url: str) -> None:
    events = stamped(whole_call())

    async with working(redis_url, database_url), Publisher(redis_url) as publisher:
        for envelope in events:
            publisher.emit(envelope)
        await eventually(lambda: publisher.depth == 0)
        await settled(redis_url)

    record = await dump(database_url)
    assert {table: len(found) for table, found in record.items()} == {
        "call_sessions": 1,
        "events": len(numbered(events)),
        "transcripts": 2,
        "tool_calls": 1,
        "slots": 1,
        "handoffs": 1,
        "call_metrics": 1,
    }
    assert await rows(database_url, INCOMPLETE) == []


async def test_the_publishers_are_told_what_is_stored(redis_url: str, database_url: str) -> None:
    events = numbered(stamped(whole_call()))
    async with redis.asyncio.from_url(redis_url) as client, client.pubsub() as pubsub:
        await pubsub.psubscribe("cordboard:*:acks")
        await pubsub.get_message(timeout=5)

        async with working(redis_url, database_url):
            await put(redis_url, events)
            told: list[str] = []
            while len(told) < len(events):
                message = await pubsub.get_message(timeout=5)
                assert message is not None
                told += msgspec.json.decode(message["data"])

    assert sorted(told) == sorted(str(envelope.id) for envelope in events)


async def test_events_that_come_twice_make_the_same_rows(redis_url: str, database_url: str) -> None:
    events = stamped(whole_call())
    async with working(redis_url, database_url):
        await put(redis_url, events)
        await settled(redis_url)
        before = await dump(database_url)

        await put(redis_url, events[::-1])
        await put(redis_url, events)
        await settled(redis_url)

    assert await dump(database_url) == before


async def test_a_transaction_holds_up_to_500_events(redis_url: str, database_url: str) -> None:
    events = many_calls(60)
    await put(redis_url, events)

    async with working(redis_url, database_url):
        await settled(redis_url)

    sizes = await rows(database_url, "SELECT count(*) FROM events GROUP BY xmin::text ORDER BY 1 DESC")
    assert sum(int(str(size)) for (size,) in sizes) == len(events) == 1200
    assert 400 < int(str(sizes[0][0])) <= 500


async def test_two_workers_at_once_store_every_event_once(redis_url: str, database_url: str) -> None:
    events = many_calls(40)

    async with (
        working(redis_url, database_url, consumer="a"),
        working(redis_url, database_url, consumer="b", claim_idle_ms=1),
    ):
        for start in range(0, len(events), 100):
            await put(redis_url, events[start : start + 100])
        await settled(redis_url)

    assert await count_events(database_url) == len(events)
    assert await rows(database_url, INCOMPLETE) == []
    assert await rows(database_url, "SELECT count(*) FROM call_sessions WHERE state = 'ended'") == [(40,)]
    assert await rows(database_url, "SELECT count(*) FROM dead_letters") == [(0,)]


async def test_a_restarted_worker_stores_what_it_had_taken(redis_url: str, database_url: str) -> None:
    events = many_calls(3)
    await put(redis_url, events)
    assert await take(redis_url, "w1") == len(events)

    async with working(redis_url, database_url, consumer="w1"):
        await settled(redis_url)

    assert await count_events(database_url) == len(events)


async def test_what_a_lost_worker_had_taken_is_stored_by_another(redis_url: str, database_url: str) -> None:
    events = many_calls(3)
    await put(redis_url, events)
    assert await take(redis_url, "lost") == len(events)

    async with working(redis_url, database_url, consumer="other", claim_idle_ms=0):
        await settled(redis_url)

    assert await count_events(database_url) == len(events)


async def test_an_event_that_is_handed_out_again_and_again_is_put_aside(
    redis_url: str, database_url: str
) -> None:
    (envelope,) = stamped([started()])
    await put(redis_url, [envelope])
    await take(redis_url, "w1")
    async with redis.asyncio.from_url(redis_url) as client:
        for _ in range(MAX_DELIVERIES):
            await client.xreadgroup(GROUP, "w1", {stream_of(envelope.call_id): "0"})

    async with working(redis_url, database_url):
        await settled(redis_url)

    assert await count_events(database_url) == 0
    ((reason, raw),) = await rows(database_url, "SELECT reason, raw FROM dead_letters")
    assert "delivered more than 10 times" in str(reason)
    assert raw == encode(envelope)


async def test_one_event_that_postgres_refuses_does_not_hold_up_the_others(
    redis_url: str, database_url: str
) -> None:
    events = many_calls(2)
    poison = encode(stamped([started(), said(0, "NUL:")])[1]).replace(b"NUL:", b"NUL\\u0000")
    await put(redis_url, events[:20])
    await put_raw(redis_url, STREAMS[3], poison)
    await put(redis_url, events[20:])

    async with working(redis_url, database_url):
        await settled(redis_url)

    assert await count_events(database_url) == len(events)
    ((stream, raw, reason),) = await rows(database_url, "SELECT stream, raw, reason FROM dead_letters")
    assert (stream, raw) == (STREAMS[3], poison)
    assert "\\u0000" in str(reason) or "UntranslatableCharacter" in str(reason)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "malformed"),
        (b'{"v":7}', "required field"),
        (encode(Sequencer("no-uuid-f").stamp(started(), NOON)), "call_id is not a UUID"),
        (encode(stamped(whole_call())[3]), "without a number"),
    ],
    ids=["garbage", "incomplete", "no call id", "live only"],
)
async def test_what_is_not_an_event_is_put_aside_as_it_came(
    redis_url: str, database_url: str, body: bytes, reason: str
) -> None:
    await put_raw(redis_url, STREAMS[0], body)

    async with working(redis_url, database_url):
        await settled(redis_url)

    ((raw, why),) = await rows(database_url, "SELECT raw, reason FROM dead_letters")
    assert raw == body
    assert reason in str(why)


async def test_an_event_that_does_not_fit_its_type_is_logged_in_its_place_and_put_aside(
    redis_url: str, database_url: str
) -> None:
    events = stamped([started(), said(0, "hello")])
    odd = msgspec.structs.replace(events[1], data={"item_id": 5})

    async with working(redis_url, database_url):
        await put(redis_url, [events[0], odd])
        await settled(redis_url)

    assert await rows(database_url, INCOMPLETE) == []
    assert await count_events(database_url) == 2
    assert await rows(database_url, "SELECT entry_id FROM dead_letters") == [(odd.id,)]


async def test_servers_that_come_after_the_worker_are_waited_for_in_one_line_each(
    redis_server: RedisServer, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    database_url = postgres_server.fresh_database()
    postgres_server.stop()
    redis_server.stop()
    events = stamped(whole_call())

    with caplog.at_level(logging.INFO):
        async with working(redis_server.url, database_url) as ready:
            await eventually(lambda: "worker.postgres_lost" in caplog.text)
            postgres_server.start()
            await eventually(lambda: "worker.redis_lost" in caplog.text)
            assert not ready.is_set()
            redis_server.start()
            await asyncio.wait_for(ready.wait(), 10)
            await put(redis_server.url, events)
            await settled(redis_server.url)

    assert await count_events(database_url) == len(numbered(events))
    assert caplog.text.count("worker.postgres_lost") == 1
    assert caplog.text.count("worker.redis_lost") == 1
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_postgres_ending_in_the_middle_loses_and_doubles_nothing(
    redis_url: str, postgres_server: PostgresServer, end: str
) -> None:
    database_url = postgres_server.fresh_database(TEMPLATE)
    events = many_calls(30)

    async with working(redis_url, database_url) as ready:
        await asyncio.wait_for(ready.wait(), 10)
        await put(redis_url, events[:200])
        getattr(postgres_server, end)()
        await put(redis_url, events[200:])
        assert await waiting(redis_url) > 0
        postgres_server.start()
        await settled(redis_url)

    assert await count_events(database_url) == len(events)
    assert await rows(database_url, INCOMPLETE) == []
    assert await rows(database_url, "SELECT count(*) FROM dead_letters") == [(0,)]


async def test_redis_killed_in_the_middle_loses_and_doubles_nothing(
    redis_server: RedisServer, database_url: str
) -> None:
    events = many_calls(30)

    async with (
        working(redis_server.url, database_url) as ready,
        Publisher(redis_server.url) as publisher,
    ):
        await asyncio.wait_for(ready.wait(), 10)
        for number, envelope in enumerate(events):
            publisher.emit(envelope)
            if number == 300:
                await eventually(lambda: publisher.depth < 300)
                redis_server.kill()
                redis_server.start()
        assert await publisher.drain(10) == 0
        await settled(redis_server.url)

    assert await count_events(database_url) == len(events)
    assert await rows(database_url, INCOMPLETE) == []


async def test_a_redis_that_forgot_everything_is_worked_with_again(
    redis_server: RedisServer, database_url: str
) -> None:
    async with working(redis_server.url, database_url) as ready:
        await asyncio.wait_for(ready.wait(), 10)
        assert redis_server.ask("FLUSHALL") == b"+OK"
        await put(redis_server.url, stamped(whole_call()))
        await settled(redis_server.url)

    assert await count_events(database_url) == len(numbered(stamped(whole_call())))


async def test_a_worker_that_is_stopped_while_postgres_is_away_leaves_the_batch_for_the_next(
    redis_url: str, postgres_server: PostgresServer
) -> None:
    database_url = postgres_server.fresh_database(TEMPLATE)
    events = many_calls(2)
    async with working(redis_url, database_url) as ready:
        await asyncio.wait_for(ready.wait(), 10)
        postgres_server.stop()
        await put(redis_url, events)

    assert await waiting(redis_url) == len(events)
    postgres_server.start()
    async with working(redis_url, database_url):
        await settled(redis_url)
    assert await count_events(database_url) == len(events)


async def worker_process_for(redis_url: str, database_url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        str(ROOT / "tests/fakes/worker_main.py"),
        redis_url,
        database_url,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_sigterm_ends_the_process_with_0_and_nothing_half_done(
    redis_url: str, database_url: str
) -> None:
    events = many_calls(20)
    process = await worker_process_for(redis_url, database_url)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S) == b"ready\n"

    await put(redis_url, events)
    process.send_signal(signal.SIGTERM)
    _, said_last = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 0
    assert b"Traceback" not in said_last
    assert await count_events(database_url) + await waiting(redis_url) == len(events)


async def test_sigterm_while_both_servers_are_away_ends_the_process_with_0() -> None:
    process = await worker_process_for("redis://127.0.0.1:1/0", NOT_THERE)
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), START_WITHIN_S)

    process.send_signal(signal.SIGTERM)
    _, said_last = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 0
    assert b"worker.postgres_lost" in line
    assert said_last == b""


async def test_sigterm_while_postgres_hangs_leaves_the_batch_and_ends_the_process_with_0(
    redis_url: str, database_url: str
) -> None:
    events = many_calls(2)
    process = await worker_process_for(redis_url, database_url)
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S)
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        await put(redis_url, events)
        hanging = (
            "SELECT pid FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO events%' AND pid <> pg_backend_pid()"
        )
        await eventually(lambda: rows(database_url, hanging))

        process.send_signal(signal.SIGTERM)
        _, said_last = await asyncio.wait_for(process.communicate(), 9)  # a container is killed after ten
    finally:
        await holder.close()

    assert process.returncode == 0
    assert b"Traceback" not in said_last
    assert await waiting(redis_url) == len(events)
    assert await count_events(database_url) == 0


async def test_a_redis_that_keeps_nothing_is_said_so_once_loudly(
    redis_server: RedisServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def change(name: str, value: str) -> None:
        async with redis.asyncio.from_url(redis_server.url) as client:
            await client.config_set(name, value)

    await change("appendonly", "no")
    async with working(redis_server.url, database_url) as ready:
        await asyncio.wait_for(ready.wait(), 10)
        async with redis.asyncio.from_url(redis_server.url) as client:
            await client.client_kill_filter(_type="normal", skipme=True)  # every worker connects anew
        await eventually(lambda: "worker.redis_lost" in caplog.text)
        await put(redis_server.url, stamped(whole_call()))
        await settled(redis_server.url)

    found = [record for record in caplog.records if "worker.redis_settings" in record.getMessage()]
    assert [record.levelname for record in found] == ["WARNING"]
    assert "appendonly yes" in found[0].getMessage()


async def test_kill_9_in_the_middle_of_the_work_loses_and_doubles_nothing(
    redis_url: str, database_url: str
) -> None:
    events = many_calls(60)
    for start in range(0, len(events), 400):
        process = await worker_process_for(redis_url, database_url)
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S)
        await put(redis_url, events[start : start + 400])
        stored = await count_events(database_url)
        await eventually(lambda: _more_than(database_url, stored))  # noqa: B023 - awaited in this very turn
        process.kill()
        await process.communicate()

    async with working(redis_url, database_url, consumer="last", claim_idle_ms=0):
        await settled(redis_url)

    assert await count_events(database_url) == len(events)
    assert await rows(database_url, INCOMPLETE) == []


async def _more_than(database_url: str, count: int) -> bool:
    return await count_events(database_url) > count
