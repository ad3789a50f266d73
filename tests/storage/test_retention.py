"""Calls are kept for as long as their agent says, and no longer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from storage.call_ids import lowest_call_id, new_call_id
from storage.channels import stream_of
from storage.codec import encode
from storage.envelope import Sequencer
from storage.events import Event
from storage.postgres.partitions import make_ahead
from storage.postgres.pool import Database, Pool, connect_pool
from storage.postgres.retention import RetentionBook
from storage.worker.intake import Entry
from storage.worker.retention import sweep
from storage.worker.store import store
from tests.fakes.call_story import ended, said, started
from tests.fakes.record_dump import TABLES, rows

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


def id_at(at: datetime) -> str:
    """A call id of this moment."""
    fresh = UUID(new_call_id()).int & ((1 << 80) - 1)
    return str(UUID(int=UUID(lowest_call_id(at)).int | fresh))


async def call(pool: Pool, agent: str, days_ago: float) -> str:
    at = NOW - timedelta(days=days_ago)
    call_id = id_at(at)
    sequencer = Sequencer(call_id)
    story: list[Event] = [started(agent), said(0, "Hello."), ended()]
    events = [sequencer.stamp(event, at) for event in story]
    await store(pool, [Entry(stream_of(call_id), f"1-{each.seq}", encode(each)) for each in events])
    return call_id


async def say(database_url: str, **days: int | None) -> None:
    database = Database(database_url)
    await RetentionBook(database, "default").say(days)
    await database.close()


async def there(database_url: str, table: str = "events") -> set[object]:
    return {row[0] for row in await rows(database_url, f"SELECT DISTINCT call_id::text FROM {table}")}


async def test_each_agents_calls_go_when_their_days_are_over(pool: Pool, database_url: str) -> None:
    await say(database_url, short=7, long=90, ever=None)
    gone = [await call(pool, "short", days) for days in (7.01, 8, 30)] + [await call(pool, "long", 91)]
    kept = [
        await call(pool, "short", 6.99),
        await call(pool, "long", 30),
        await call(pool, "ever", 300),
        await call(pool, "unknown", 300),
    ]

    total = await sweep(pool, NOW, at_once=2)

    assert total["calls"] == len(gone)
    for table in ("events", "call_sessions", "transcripts"):
        assert await there(database_url, table) == set(kept)
    audited = await rows(
        database_url,
        "SELECT subject, (data->>'calls')::int FROM audit_log WHERE action = 'calls.expired' ORDER BY 1",
    )
    assert audited == [("agent:long", 1), ("agent:short", 3)]
    assert (await sweep(pool, NOW))["calls"] == 0


async def test_what_an_agent_says_now_counts(pool: Pool, database_url: str) -> None:
    await say(database_url, a=90)
    await call(pool, "a", 10)
    assert (await sweep(pool, NOW))["calls"] == 0

    await say(database_url, a=5)
    assert (await sweep(pool, NOW))["calls"] == 1


async def test_a_recording_expires_with_its_call_and_others_get_no_row(pool: Pool, database_url: str) -> None:
    await say(database_url, a=1)
    recorded, plain = await call(pool, "a", 2), await call(pool, "a", 2)
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO recordings (call_id, tenant, node, bytes, finished_at)"
            " VALUES ($1, 'default', 'n', 9, now())",
            recorded,
        )

    await sweep(pool, NOW)

    assert await rows(database_url, "SELECT call_id::text, deleted_because FROM recordings") == [
        (recorded, "expired")
    ]
    assert plain not in await there(database_url, "call_sessions")


async def months(database_url: str) -> set[object]:
    found = await rows(
        database_url, r"SELECT right(relname, 7) FROM pg_class WHERE relname ~ '^events_\d{4}_\d{2}$'"
    )
    return {row[0] for row in found}


async def test_months_go_whole_once_nobody_has_a_call_in_them(pool: Pool, database_url: str) -> None:
    async with pool.acquire() as connection:
        await make_ahead(connection, date(2026, 5, 1), 5)
    await say(database_url, a=60, ever=None)
    await call(pool, "a", 180)
    kept = await call(pool, "ever", 150)  # June: nobody's month while it is there

    await sweep(pool, NOW)
    assert {"2026_05", "2026_06", "2026_08"} <= await months(database_url)

    async with pool.acquire() as connection:
        for table in TABLES:
            await connection.execute(f"DELETE FROM {table} WHERE call_id = $1", kept)
    await sweep(pool, NOW)
    left = await months(database_url)
    assert not left & {"2026_05", "2026_06", "2026_07", "2026_08"}
    assert {"2026_09", "2026_10", "2026_11"} <= left


async def test_where_nobody_asks_for_it_nothing_is_dropped(pool: Pool, database_url: str) -> None:
    async with pool.acquire() as connection:
        await make_ahead(connection, date(2026, 5, 1), 1)
    await say(database_url, ever=None)

    await sweep(pool, NOW)

    assert "2026_05" in await months(database_url)


async def test_a_worker_that_may_not_delete_says_what_it_needs(
    pool: Pool, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await say(database_url, a=1)
    call_id = await call(pool, "a", 2)
    role = f"no_keeper_{call_id[-6:]}"
    async with pool.acquire() as connection:
        await connection.execute(
            f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        )
    other = await connect_pool(database_url.replace("postgres@", f"{role}@"))

    with caplog.at_level(logging.ERROR):
        await sweep(other, NOW)
    await other.close()

    assert "GRANT cordboard_keeper TO it" in caplog.text
    assert call_id in await there(database_url)
