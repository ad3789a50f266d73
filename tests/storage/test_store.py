"""One batch into Postgres: what is new is counted once, and a fault in the figures costs no event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from storage.channels import stream_of
from storage.codec import encode
from storage.envelope import Envelope
from storage.postgres.pool import Connection, Pool, connect_pool
from storage.worker.intake import Entry
from storage.worker.store import store
from tests.fakes.call_story import numbered, stamped, whole_call
from tests.fakes.record_dump import INCOMPLETE, count_events, rows


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    async with made.acquire() as connection:
        await connection.execute("CREATE TABLE figures (call_id uuid, seq bigint)")
    yield made
    await made.close()


def entries_of(events: Sequence[Envelope]) -> list[Entry]:
    return [
        Entry(stream_of(event.call_id), f"1-{number}", encode(event)) for number, event in enumerate(events)
    ]


async def count(connection: Connection, new_events: Sequence[Envelope]) -> None:
    """Figures as simple as can be: a row an event."""
    await connection.executemany(
        "INSERT INTO figures VALUES ($1, $2)", [(event.call_id, event.seq) for event in new_events]
    )


async def counted(database_url: str) -> object:
    return (await rows(database_url, "SELECT count(*) FROM figures"))[0][0]


async def test_an_event_is_counted_once_however_often_it_comes(pool: Pool, database_url: str) -> None:
    events = numbered(stamped(whole_call()))

    await store(pool, entries_of(events[:4]), count=count)
    await store(pool, entries_of([*events[2:], *events, *events]), count=count)
    await store(pool, entries_of(events), count=count)

    assert await counted(database_url) == len(events)
    assert await rows(
        database_url, "SELECT max(n) FROM (SELECT count(*) AS n FROM figures GROUP BY seq) x"
    ) == [(1,)]


async def test_an_event_that_is_put_aside_is_not_counted(pool: Pool, database_url: str) -> None:
    events = numbered(stamped(whole_call()))
    entries = entries_of(events)
    poison = entries[3]._replace(body=entries[3].body.replace(b"book", b"bo\\u0000k"))
    assert poison.body != entries[3].body

    told = await store(pool, [*entries[:3], poison, *entries[4:]], count=count)

    assert sorted(told) == sorted(str(event.id) for event in events)  # put aside is taken care of
    assert await count_events(database_url) == await counted(database_url) == len(events) - 1


@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "INSERT INTO figures VALUES ('no uuid', 1)", None])
async def test_a_fault_in_the_figures_costs_no_event(
    pool: Pool, database_url: str, caplog: pytest.LogCaptureFixture, statement: str | None
) -> None:
    async def wrong(connection: Connection, new_events: Sequence[Envelope]) -> None:
        await count(connection, new_events)
        if statement is None:
            raise KeyError("a mistake of ours")
        await connection.execute(statement)

    events = numbered(stamped(whole_call()))
    await store(pool, entries_of(events), count=wrong)

    assert await count_events(database_url) == len(events)
    assert await rows(database_url, INCOMPLETE) == []
    assert await rows(database_url, "SELECT count(*) FROM dead_letters") == [(0,)]
    assert await counted(database_url) == 0
    assert caplog.text.count("worker.rollup_failed") == 1


async def test_a_server_that_fails_in_the_figures_is_tried_again_with_the_whole_batch(
    pool: Pool, database_url: str
) -> None:
    async def deadlocked(connection: Connection, new_events: Sequence[Envelope]) -> None:
        await count(connection, new_events)
        await connection.execute(
            "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'deadlock_detected'; END $$"
        )

    events = numbered(stamped(whole_call()))
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await store(pool, entries_of(events), count=deadlocked)
    assert (await count_events(database_url), await counted(database_url)) == (0, 0)

    await store(pool, entries_of(events), count=count)
    assert await count_events(database_url) == await counted(database_url) == len(events)
