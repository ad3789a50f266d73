"""A call that was erased stays erased, whoever stores something of it at the same time or later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from storage.call_ids import new_call_id
from storage.channels import stream_of
from storage.codec import encode
from storage.envelope import Envelope
from storage.postgres.forgetting import forget_calls
from storage.postgres.pool import Connection, Database, Pool, connect_pool
from storage.postgres.tombstones import TombstoneBook, entomb, erased_among, older_are_through
from storage.worker.intake import Entry
from storage.worker.store import store
from tests.fakes.call_story import numbered, stamped, whole_call
from tests.fakes.record_dump import count_events, rows

START = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


def entries_of(*calls: Sequence[Envelope]) -> list[Entry]:
    """The calls' entries, mixed."""
    events = sorted(
        (event for call in calls for event in numbered(list(call))), key=lambda event: event.seq or 0
    )
    return [
        Entry(stream_of(event.call_id), f"1-{number}", encode(event)) for number, event in enumerate(events)
    ]


async def test_what_comes_of_an_erased_call_is_dropped_and_acknowledged(
    pool: Pool, database_url: str
) -> None:
    erased, kept = stamped(whole_call()), stamped(whole_call())
    async with pool.acquire() as connection:
        await entomb(connection, "default", [erased[0].call_id])

    told = await store(pool, entries_of(erased, kept))

    assert sorted(told) == sorted(str(event.id) for event in numbered([*erased, *kept]))
    assert await rows(database_url, "SELECT DISTINCT call_id::text FROM events") == [(kept[0].call_id,)]
    assert await rows(database_url, "SELECT count(*) FROM call_sessions") == [(1,)]


async def test_what_cannot_be_read_of_it_is_not_put_aside_either(pool: Pool, database_url: str) -> None:
    call_id = new_call_id()
    async with pool.acquire() as connection:
        await entomb(connection, "default", [call_id])
    body = f'{{"v":99,"id":"{call_id}:3","call_id":"{call_id}"}}'.encode()

    told = await store(pool, [Entry(stream_of(call_id), "1-0", body)])

    assert told == [f"{call_id}:3"]
    assert await rows(database_url, "SELECT count(*) FROM dead_letters") == [(0,)]


async def test_whoever_is_storing_it_in_that_moment_is_waited_for(pool: Pool, database_url: str) -> None:
    """The worker has written and looked for tombstones, and commits after one was made."""
    call = stamped(whole_call())
    written, commit = asyncio.Event(), asyncio.Event()

    async def slowly(connection: Connection, new_events: Sequence[Envelope]) -> None:
        written.set()
        await commit.wait()

    storing = asyncio.create_task(store(pool, entries_of(call), count=slowly))
    await written.wait()
    async with pool.acquire() as connection:
        await entomb(connection, "default", [call[0].call_id])
        assert not await older_are_through(connection, 0.2)  # it would find nothing to delete yet
        waiting = asyncio.create_task(older_are_through(connection, 10))
        commit.set()
        await storing
        assert await waiting
        assert await count_events(database_url) > 0
        await forget_calls(connection, "default", [call[0].call_id], because="erased")

    assert await count_events(database_url) == 0


async def test_a_worker_that_looks_after_the_tombstone_was_made_stores_nothing(
    pool: Pool, database_url: str
) -> None:
    call = stamped(whole_call())
    async with pool.acquire() as connection:
        storing = asyncio.create_task(store(pool, entries_of(call)))
        await entomb(connection, "default", [call[0].call_id])
        await storing
        assert await older_are_through(connection, 10)
        await forget_calls(connection, "default", [call[0].call_id], because="erased")
        assert await erased_among(connection, [call[0].call_id, new_call_id()]) == {call[0].call_id}

    assert await count_events(database_url) == 0


async def test_a_server_that_was_down_reads_all_of_them_page_by_page(pool: Pool, database_url: str) -> None:
    wanted = sorted(new_call_id() for _ in range(7))
    async with pool.acquire() as connection:
        await entomb(connection, "default", wanted[:5])  # all at one moment
        await entomb(connection, "default", wanted[5:])
        await entomb(connection, "default", wanted)  # again: nothing changes
        await entomb(connection, "other", [new_call_id()])
    database = Database(database_url)
    book = TombstoneBook(database, "default")

    found: list[str] = []
    page = await book.since(START, limit=3)
    while page:
        found += [call_id for call_id, _ in page]
        page = await book.since(page[-1][1], page[-1][0], limit=3)
    await database.close()

    assert found == wanted
