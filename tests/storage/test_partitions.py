"""Months of the record: made ahead, alarmed about, dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest

from storage.batch import rows_of
from storage.call_ids import lowest_call_id, new_call_id
from storage.postgres.partitions import drop_before, list_partitions, make_ahead, stray_rows
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.record import save_batch
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.record_dump import TABLES, dump

FAR = date(2031, 5, 20)
IN_MAY_2031 = lowest_call_id(datetime(2031, 5, 31, 23, 59, 59, tzinfo=UTC))
IN_JUNE_2031 = lowest_call_id(datetime(2031, 6, 1, tzinfo=UTC))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


async def save_call(pool: Pool, call_id: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, rows_of(stamped(whole_call(), call_id)))


async def months_of(pool: Pool, table: str) -> list[str | None]:
    async with pool.acquire() as connection:
        return [part.month for part in await list_partitions(connection) if part.table_name == table]


def months_from(year: int, month: int, count: int) -> list[str]:
    firsts = [divmod(year * 12 + month - 1 + later, 12) for later in range(count)]
    return [f"{y}-{m + 1:02}" for y, m in firsts]


@pytest.mark.parametrize("table", sorted(TABLES))
async def test_a_fresh_database_has_this_month_and_three_more(pool: Pool, table: str) -> None:
    today = datetime.now(UTC)

    assert await months_of(pool, table) == [*months_from(today.year, today.month, 4), None]


async def test_months_are_made_once_also_when_two_ask_at_the_same_time(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        made = await asyncio.gather(make_ahead(one, FAR), make_ahead(other, FAR))

    assert sorted(len(names) for names in made) == [0, 4 * len(TABLES)]
    assert (await months_of(pool, "events"))[-5:] == ["2031-05", "2031-06", "2031-07", "2031-08", None]


async def test_calls_that_were_there_before_their_month_move_into_it(pool: Pool, database_url: str) -> None:
    await save_call(pool, IN_MAY_2031)
    await save_call(pool, IN_JUNE_2031)
    before = await dump(database_url)
    async with pool.acquire() as connection:
        assert set(await stray_rows(connection)) == set(TABLES)

        await make_ahead(connection, FAR, months=0)
        assert (await stray_rows(connection))["call_sessions"] == 1
        await make_ahead(connection, FAR, months=1)
        assert await stray_rows(connection) == {}

    assert await dump(database_url) == before


async def test_new_months_have_the_keys_of_the_others(pool: Pool, database_url: str) -> None:
    async with pool.acquire() as connection:
        await make_ahead(connection, FAR)
    await save_call(pool, IN_MAY_2031)
    before = await dump(database_url)

    await save_call(pool, IN_MAY_2031)

    assert await dump(database_url) == before
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                "INSERT INTO call_metrics (call_id, data) VALUES ($1, '{}')", IN_MAY_2031
            )


async def test_dropping_takes_the_months_before_and_leaves_the_rest(pool: Pool) -> None:
    old = lowest_call_id(datetime(2025, 3, 9, tzinfo=UTC))
    newer = lowest_call_id(datetime(2025, 4, 1, tzinfo=UTC))
    now = new_call_id()
    async with pool.acquire() as connection:
        await make_ahead(connection, date(2025, 3, 1), months=1)
        for call_id in (old, newer, now):
            await save_call(pool, call_id)

        dropped = await drop_before(connection, date(2025, 4, 17), keep=["call_metrics"])

        left = {str(row[0]) for row in await connection.fetch("SELECT call_id FROM call_sessions")}
        figures = {str(row[0]) for row in await connection.fetch("SELECT call_id FROM call_metrics")}
    assert sorted(dropped) == sorted(f"{table}_2025_03" for table in TABLES if table != "call_metrics")
    assert left == {newer, now}
    assert figures == {old, newer, now}


async def test_the_month_that_is_running_cannot_be_dropped(pool: Pool) -> None:
    today = datetime.now(UTC).date()
    next_month = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError, match="running"):
            await drop_before(connection, next_month)

        assert await drop_before(connection, today) == []


async def test_a_table_that_somebody_reads_for_long_makes_the_months_wait_not_the_reader(pool: Pool) -> None:
    async with pool.acquire() as reader, reader.transaction(), pool.acquire() as maker:
        await reader.fetch("SELECT * FROM events")

        with pytest.raises(asyncpg.LockNotAvailableError):
            await make_ahead(maker, FAR)

        assert await reader.fetchval("SELECT count(*) FROM call_sessions") == 0
