"""From every version that somebody may have, with calls in it, to the newest: nothing is lost on the way, and a
worker that has not been replaced yet goes on writing."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from storage.batch import rows_of
from storage.call_ids import lowest_call_id, new_call_id
from storage.embedded.postgres import start_postgres, stop_postgres, url
from storage.envelope import Envelope
from storage.postgres.columns import columns
from storage.postgres.migrate import migrate, read_migrations
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, rows
from tests.fakes.released_statements import SAVE_DEAD_LETTERS, TABLES, names_in
from tests.fakes.servers import free_port

RELEASED = [1, 2, 3, 4]  # where somebody's tables may stand
TIMELESS = "f47ac10b-58cc-4372-a567-0e02b2c3d479"  # a UUID of version 4
PASSWORD = "only-for-this-test-0123456789"


@pytest.fixture
async def embedded_url(tmp_path: Path) -> AsyncIterator[str]:
    """An empty database on the newest PostgreSQL that we run on."""
    port = free_port()
    child = await start_postgres(tmp_path / "data", port=port, password=PASSWORD, log_path=tmp_path / "log")
    yield url(port, PASSWORD)
    await stop_postgres(child)


def call_id_of(at: datetime) -> str:
    """As one that began then."""
    return str(uuid.UUID(int=uuid.UUID(lowest_call_id(at)).int | 7 << 76 | 2 << 62 | random.getrandbits(62)))


def calls_of_a_year() -> list[list[Envelope]]:
    """Calls of many months, on both sides of a border, and one whose id tells no time."""
    begun = [datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)]
    begun += [datetime(2026, month, 17, 8, tzinfo=UTC) for month in (3, 9)]
    ids = [*map(call_id_of, begun), lowest_call_id(datetime(2026, 3, 1, tzinfo=UTC)), TIMELESS, new_call_id()]
    return [stamped(whole_call(), call_id) for call_id in ids]


async def save_as_released(database_url: str, events: Sequence[Envelope]) -> None:
    """What the first release's worker does with some events."""
    connection = await asyncpg.connect(database_url)
    try:
        await save_on(connection, events)
    finally:
        await connection.close()


async def save_on(connection: asyncpg.Connection, events: Sequence[Envelope]) -> None:
    batch = rows_of(events)
    figures = [
        SimpleNamespace(call_id=event.call_id, data=event.data["metrics"], **event.data["metrics"])
        for event in events
        if event.type == "call.ended"
    ]
    found: dict[str, Sequence[Any]] = {
        "events": [*batch.events.values()],
        "call_sessions": [*batch.calls.values()],
        "transcripts": [*batch.transcripts.values()],
        "tool_calls": [*batch.tool_calls.values()],
        "slots": [*batch.slots.values()],
        "handoffs": [*batch.handoffs.values()],
        "call_metrics": figures,
    }
    async with connection.transaction():
        for table, (statement, json) in TABLES.items():
            await connection.execute(statement, *columns(found[table], names_in(statement), json=json))
        await connection.execute(SAVE_DEAD_LETTERS, "stream", events[0].call_id, "reason", b"raw")


async def record(database_url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row, in the columns that the first release knew."""
    return {
        table: await rows(
            database_url,
            f"SELECT {', '.join(names_in(statement))} FROM {table} ORDER BY 1, 2, 3",
        )
        for table, (statement, _) in TABLES.items()
    }


async def upgrade(database_url: str, version: int) -> None:
    """Fill the tables of `version`, bring them up to date, and see that every row is there and can be told."""
    await migrate(database_url, [file for file in read_migrations() if file.version <= version])
    calls = calls_of_a_year()
    for events in calls:
        await save_as_released(database_url, events)
    before = await record(database_url)
    assert len(before["call_sessions"]) == len(calls)

    applied = await migrate(database_url)

    assert applied == [file.name for file in read_migrations() if file.version > version]
    assert await record(database_url) == before
    assert await rows(database_url, INCOMPLETE) == []
    assert await rows(database_url, "SELECT count(*) FROM dead_letters") == [(len(calls),)]


@pytest.mark.parametrize("version", RELEASED)
async def test_an_upgrade_keeps_every_row(empty_database_url: str, version: int) -> None:
    await upgrade(empty_database_url, version)


async def test_an_upgrade_keeps_every_row_on_the_embedded_server_too(embedded_url: str) -> None:
    await upgrade(embedded_url, RELEASED[-1])


async def test_rows_lie_in_the_month_in_which_their_call_began(empty_database_url: str) -> None:
    await upgrade(empty_database_url, RELEASED[-1])

    found = await rows(
        empty_database_url,
        "SELECT tableoid::regclass::text, count(*) FROM call_sessions GROUP BY 1 ORDER BY 1",
    )

    this_month = datetime.now(UTC).strftime("call_sessions_%Y_%m")
    assert dict(found) == {  # type: ignore[comparison-overlap]
        "call_sessions_2026_01": 1,
        "call_sessions_2026_02": 1,
        "call_sessions_2026_03": 2,
        "call_sessions_2026_09": 1,
        this_month: 1,
        "call_sessions_default": 1,  # the id that tells no time
    }


async def test_a_worker_that_has_not_been_replaced_yet_goes_on_writing(database_url: str) -> None:
    for events in calls_of_a_year():
        await save_as_released(database_url, events[:5])
        before = await record(database_url)
        await save_as_released(database_url, events[:5])
        assert await record(database_url) == before

        await save_as_released(database_url, events)

    assert await rows(database_url, INCOMPLETE) == []
    assert await rows(database_url, "SELECT count(*) FROM call_sessions WHERE state <> 'ended'") == [(0,)]


async def test_a_worker_that_writes_all_the_time_loses_nothing_while_the_tables_change(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url, [file for file in read_migrations() if file.version <= RELEASED[-1]])
    connection = await asyncpg.connect(empty_database_url)
    stop = asyncio.Event()
    saved = 0

    async def write() -> None:
        nonlocal saved
        while not stop.is_set():
            events = stamped(whole_call())
            while True:  # as the worker does it: what Postgres will not take now is tried again
                try:
                    await save_on(connection, events)
                except asyncpg.PostgresError:
                    continue
                break
            saved += 1

    writing = asyncio.create_task(write())
    await eventually(lambda: saved > 20)
    await migrate(empty_database_url)
    before = saved
    await eventually(lambda: saved > before + 20)
    stop.set()
    await writing
    await connection.close()

    assert await rows(empty_database_url, "SELECT count(*) FROM call_sessions WHERE state = 'ended'") == [
        (saved,)
    ]
    assert await rows(empty_database_url, INCOMPLETE) == []
    whole = {table: 1 if table != "transcripts" else 2 for table in TABLES} | {"events": 11}
    for table, each in whole.items():
        assert await rows(empty_database_url, f"SELECT count(*) FROM {table}") == [(each * saved,)], table


async def test_keys_and_indices_are_called_what_they_were_called(empty_database_url: str) -> None:
    names = (
        "SELECT indexname FROM pg_indexes WHERE tablename IN "
        "('call_sessions', 'events', 'transcripts', 'tool_calls', 'slots', 'handoffs', 'call_metrics')"
    )
    await migrate(empty_database_url, [file for file in read_migrations() if file.version <= 4])
    before = set(await rows(empty_database_url, names))

    await migrate(empty_database_url)

    assert before <= set(await rows(empty_database_url, names))
