"""The list of calls out of a real Postgres: the same filters as in memory, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.batch import Batch
from storage.call_filter import CallFilter
from storage.call_ids import new_call_id
from storage.postgres.archive import Archive
from storage.postgres.pool import Database, connect_pool
from storage.postgres.record import save_batch
from storage.records import CallRow

NOW = datetime.now(UTC).replace(microsecond=0)


async def filed(database_url: str, **facts: Any) -> str:
    row = CallRow(call_id=new_call_id(), tenant="default", last_seq=3, state_seq=3, outcome_seq=3, **facts)
    pool = await connect_pool(database_url)
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, Batch(calls={row.call_id: row}))
    await pool.close()
    return row.call_id


@pytest.mark.parametrize(
    ("which", "takes"),
    [
        (CallFilter(), True),
        (CallFilter(outcome="booked"), True),
        (CallFilter(outcome="declined"), False),
        (CallFilter(caller="+819012345678"), True),
        (CallFilter(caller="+8190%"), False),
        (CallFilter(since=NOW), True),
        (CallFilter(since=NOW + timedelta(seconds=1)), False),
        (CallFilter(until=NOW), False),
        (CallFilter(until=NOW + timedelta(seconds=1)), True),
        (CallFilter(state="ended", agent="dental", since=NOW - timedelta(days=400)), True),
    ],
)
async def test_a_filter_takes_on_record_what_it_takes_in_memory(
    database_url: str, which: CallFilter, takes: bool
) -> None:
    call_id = await filed(
        database_url, state="ended", agent="dental", outcome="booked", caller="+819012345678", started_at=NOW
    )
    archive = Archive(database := Database(database_url))

    listed = (await archive.list_calls(which)).items
    view = await archive.get_call(call_id)
    await database.close()

    assert [call.id for call in listed] == [call_id] * takes
    assert view is not None
    assert which.takes(view) is takes


async def test_the_calls_that_run_are_told_with_how_far_they_have_come(database_url: str) -> None:
    running = await filed(database_url, state="ai", started_at=NOW)
    await filed(database_url, state="ended", started_at=NOW)
    archive = Archive(database := Database(database_url))

    found = await archive.running_calls(since=NOW - timedelta(days=1), limit=10)
    too_old = await archive.running_calls(since=NOW + timedelta(days=1), limit=10)
    await database.close()

    assert [(view.id, view.state, last_seq) for view, last_seq in found] == [(running, "ai", 3)]
    assert too_old == []
