"""Calls of another server, with a real Redis between the two and a real record behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from signaling.server.neighbours import Neighbours
from signaling.web.feed import Feed, Renewal
from signaling.web.topics import parse_topics
from storage.batch import rows_of
from storage.bus.cancellation import cancel_for_sure
from storage.bus.publisher import Publisher
from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.postgres.archive import Archive
from storage.postgres.pool import Database, Pool, connect_pool
from storage.postgres.record import save_batch
from storage.projection import fold_call
from tests.fakes.call_story import ended, numbered, said, stamped, started
from tests.fakes.eventually import eventually


@dataclass
class Here:
    """This server: its feed with one listener to everything, and what that one got."""

    neighbours: Neighbours
    feed: Feed
    ours: set[str]
    got: list[str | Renewal] = field(default_factory=list)

    def renewals(self) -> int:
        return sum(isinstance(each, Renewal) for each in self.got)

    def events(self) -> int:
        return len(self.got) - self.renewals()


class NoRecord:
    """A record that is down."""

    async def running_calls(self, **_):
        raise TimeoutError

    async def events_after(self, *_):
        raise TimeoutError


@asynccontextmanager
async def here(redis_url: str, record) -> AsyncIterator[Here]:
    feed, ours = Feed(), set()
    neighbours = Neighbours(redis_url, "default", record=record, feed=feed, ours=ours.__contains__)
    server = Here(neighbours, feed, ours)
    subscription = feed.subscribe(parse_topics("calls"))

    async def listen() -> None:
        while (taken := await subscription.take()) is not None:
            server.got.append(taken)

    tasks = [asyncio.create_task(neighbours.run()), asyncio.create_task(listen())]
    try:
        await eventually(server.renewals)  # the subscription stands
        yield server
    finally:
        for task in tasks:
            await cancel_for_sure(task)


@pytest.fixture
async def archive(database_url: str) -> AsyncIterator[Archive]:
    database = Database(database_url)
    yield Archive(database)
    await database.close()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


async def store(pool: Pool, events: list[Envelope]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, rows_of(events))


def a_call(lines: int = 3) -> list[Envelope]:
    return numbered(stamped([started(), *[said(n, f"line {n}") for n in range(lines)], ended()]))


async def test_calls_of_other_servers_are_known_from_what_is_heard(redis_url: str) -> None:
    theirs, ours = a_call(), a_call()
    async with here(redis_url, NoRecord()) as server, Publisher(redis_url) as other:
        server.ours.add(ours[0].call_id)
        for event in [*ours, *theirs[:-1]]:
            other.emit(event)
        await eventually(lambda: server.events() == len(theirs) - 1)

        (view,) = server.neighbours.live_calls()
        other.emit(theirs[-1])
        await eventually(lambda: not server.neighbours.live_calls())

    assert view == fold_call(theirs[0].call_id, theirs[:-1])
    assert server.events() == len(theirs), "our own came back from Redis and are not told again"
    assert server.neighbours.events_after(theirs[0].call_id, 1) == theirs[2:]


async def test_calls_that_ran_before_this_server_started_come_from_the_record(
    redis_url: str, archive: Archive, pool: Pool
) -> None:
    theirs = a_call()
    await store(pool, theirs[:3])

    async with here(redis_url, archive) as server, Publisher(redis_url) as other:
        (view,) = server.neighbours.live_calls()
        other.emit(theirs[3])
        await eventually(lambda: server.neighbours.last_seq(theirs[0].call_id) == 3)

    assert view == fold_call(theirs[0].call_id, theirs[:3])


async def test_what_was_missed_is_read_from_the_record_as_soon_as_it_is_there(
    redis_url: str, archive: Archive, pool: Pool
) -> None:
    theirs = a_call(6)
    call_id = theirs[0].call_id
    async with here(redis_url, archive) as server, Publisher(redis_url) as other:
        other.emit(theirs[0])
        other.emit(theirs[4])
        await eventually(lambda: server.events() == 2)
        assert server.neighbours.last_seq(call_id) == 0

        await store(pool, theirs[:4])

        await eventually(lambda: server.neighbours.last_seq(call_id) == 4)
        assert server.neighbours.events_after(call_id, -1) == theirs[:5]


async def test_when_redis_is_back_every_client_gets_a_new_snapshot_and_missed_ends_are_told(
    redis_server, archive: Archive, pool: Pool
) -> None:
    running, over, new = a_call(), a_call(), a_call()
    async with here(redis_server.url, archive) as server, Publisher(redis_server.url) as other:
        for event in [*running[:2], *over[:2]]:
            other.emit(event)
        await eventually(lambda: len(server.neighbours.live_calls()) == 2)
        before = server.renewals()

        redis_server.kill()
        await store(pool, [*running[:3], *over, *new[:2]])
        redis_server.start()
        back_at = asyncio.get_running_loop().time()
        await eventually(lambda: server.renewals() > before)
        print(f"snapshot {asyncio.get_running_loop().time() - back_at:.2f} s after Redis' return")

        await eventually(
            lambda: (
                {view.id for view in server.neighbours.live_calls()} == {running[0].call_id, new[0].call_id}
            )
        )
        await eventually(lambda: server.neighbours.last_seq(running[0].call_id) == 2)
        assert any('"call.ended"' in each for each in server.got if isinstance(each, str))


async def test_without_a_record_clients_still_get_their_snapshot_when_redis_is_back(redis_server) -> None:
    async with here(redis_server.url, NoRecord()) as server:
        before = server.renewals()

        redis_server.kill()
        redis_server.start()

        await eventually(lambda: server.renewals() > before)


async def test_live_only_events_of_other_servers_are_passed_on(redis_url: str) -> None:
    partial = Envelope(
        v=1,
        tenant="default",
        call_id=new_call_id(),
        at="2026-11-22T12:00:00.000Z",
        type="transcript.partial",
        data={},
    )
    async with here(redis_url, NoRecord()) as server, Publisher(redis_url) as other:
        other.emit(partial)
        await eventually(lambda: server.events() == 1)

    assert server.neighbours.live_calls() == []
