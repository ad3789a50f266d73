"""Calls taken out of every table, with nobody else's rows, and the figures of the whole as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from storage.call_ids import new_call_id
from storage.channels import stream_of
from storage.codec import encode
from storage.envelope import Envelope, Sequencer
from storage.postgres.forgetting import TABLES, count_calls, forget_calls
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.recordings import outstanding
from storage.worker.intake import Entry
from storage.worker.recomputation import recompute
from storage.worker.store import store
from tests.fakes.call_story import numbered, stamped, whole_call
from tests.fakes.record_dump import dump, rows

FIGURES = "SELECT * FROM metrics_hourly ORDER BY 1, 2, 3, 4"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


async def keep(pool: Pool, events: list[Envelope]) -> str:
    entries = [Entry(stream_of(each.call_id), f"1-{each.seq}", encode(each)) for each in numbered(events)]
    await store(pool, entries)
    return events[0].call_id


async def forget(pool: Pool, *call_ids: str, because: str = "erased") -> dict[str, int]:
    async with pool.acquire() as connection, connection.transaction():
        return await forget_calls(connection, "default", call_ids, because=because)


async def test_no_table_about_calls_is_left_out(database_url: str) -> None:
    """A table that a later file adds has to be thought of here."""
    ours = {name for (name,) in await rows(database_url, "SELECT monthly_tables()::text")}

    assert ours == {*TABLES, "call_metrics"}


async def test_their_rows_go_and_everybody_elses_stay(pool: Pool, database_url: str) -> None:
    other = await keep(pool, stamped(whole_call()))
    alone = await dump(database_url)
    gone = await keep(pool, stamped(whole_call()))
    async with pool.acquire() as connection:
        there = await count_calls(connection, [gone])

    counts = await forget(pool, gone)

    after = await dump(database_url)
    assert all(there[table] > 0 for table in (*TABLES, "call_metrics"))
    assert {table: counts[table] for table in TABLES} == {table: there[table] for table in TABLES}
    assert {table: after[table] for table in TABLES} == {table: alone[table] for table in TABLES}
    assert await rows(
        database_url, f"SELECT data = '{{}}', turns FROM call_metrics WHERE call_id = '{gone}'"
    ) == [(True, None)]
    assert [row for row in after["call_metrics"] if str(row[0]) == other] == alone["call_metrics"]
    async with pool.acquire() as connection:
        assert +(await count_calls(connection, [gone])) == {}


async def test_the_figures_of_the_whole_stay_and_still_add_up(pool: Pool, database_url: str) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    sequencer = Sequencer(new_call_id())
    yesterday = await keep(pool, [sequencer.stamp(event, at) for event in whole_call()])
    before = await rows(database_url, FIGURES)

    await forget(pool, yesterday)
    found = await recompute(pool, at)

    assert before
    assert await rows(database_url, FIGURES) == before
    assert found.none


async def test_what_could_not_be_stored_of_them_goes_too(pool: Pool, database_url: str) -> None:
    gone, other = new_call_id(), new_call_id()
    letters = [
        ("s", "1-0", f'{{"v":99,"call_id":"{gone}","x":"é"}}'.encode()),
        ("s", "2-0", f'{{"v":1,"id":"{gone}:3","call_id" : 7}}'.encode()),
        ("projection", f"{gone}:4", b"\xff\xfe"),
        ("s", "3-0", f'{{"v":99,"call_id":"{other}"}}'.encode()),
        ("s", "4-0", b"\xff not even text"),
    ]
    async with pool.acquire() as connection:
        await connection.executemany(
            "INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ($1, $2, 'bad', $3)", letters
        )

    counts = await forget(pool, gone)

    assert counts["dead_letters"] == 3
    assert await rows(database_url, "SELECT entry_id FROM dead_letters ORDER BY 1") == [("3-0",), ("4-0",)]


async def test_a_refusal_stays_on_record_without_what_was_asked_for(pool: Pool, database_url: str) -> None:
    gone, other = new_call_id(), new_call_id()
    async with pool.acquire() as connection:
        for call_id in (gone, other):
            await connection.execute(
                "INSERT INTO audit_log (tenant, actor, action, subject, data)"
                " VALUES ('default', $1, 'tool.refused', '+12065550123', $2)",
                f"call:{call_id}",
                {"tool": "x", "code": "not_verified"},
            )

    counts = await forget(pool, gone)

    assert counts["audit_log"] == 1
    assert await rows(
        database_url, "SELECT subject, data->>'tool', data->>'code' FROM audit_log ORDER BY id"
    ) == [
        (None, None, "not_verified"),
        ("+12065550123", "x", "not_verified"),
    ]


@pytest.mark.parametrize("because", ["erased", "expired"])
async def test_a_recording_is_marked_for_whoever_has_it(pool: Pool, because: str) -> None:
    recorded, unrecorded = new_call_id(), new_call_id()
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO recordings (call_id, tenant, node, bytes, finished_at)"
            " VALUES ($1, 'default', 'n1', 9, now())",
            recorded,
        )

    counts = await forget(pool, recorded, unrecorded, because=because)

    async with pool.acquire() as connection:
        assert await outstanding(connection, [recorded, unrecorded]) == {"n1": 1}
        marked = await connection.fetchval(
            "SELECT deleted_because FROM recordings WHERE call_id = $1", unrecorded
        )
    assert counts["recordings"] == 1
    # One that turns up later goes as well; after retention it would go by its own age.
    assert marked == ("erased" if because == "erased" else None)
