"""A media server forgets what was erased: told at once, or when it can be told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg

from signaling.server.forgetting import Forgetting
from storage.bus.cancellation import cancel_for_sure
from storage.bus.erase_orders import Answers, give_order
from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.erasure import EraseOrder
from storage.postgres.pool import Database
from storage.postgres.tombstones import FIRST, TombstoneBook
from tests.fakes import every_store
from tests.fakes.call_story import numbered, said, stamped, started
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer

PHRASE = "a purple walrus"


def story() -> list[Envelope]:
    return stamped([started(), said(1, PHRASE)])


class Memory:
    """Remembers calls; those in `running` are not over."""

    def __init__(self) -> None:
        self.forgotten: set[str] = set()
        self.running: set[str] = set()

    def erase(self, call_ids: Collection[str]) -> set[str]:
        self.forgotten |= set(call_ids) - self.running
        return set(call_ids) & self.running


class NoTombstones:
    """The record is away until `back`."""

    def __init__(self) -> None:
        self.back = False
        self.asked = 0

    async def since(self, at: datetime, after: str = FIRST, *, limit: int) -> list[tuple[str, datetime]]:
        self.asked += 1
        if not self.back:
            raise asyncpg.UndefinedTableError('relation "erasures" does not exist')
        return []


class BrokenOutbox:
    """Its disk refuses."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        return []

    async def erase(self, call_ids: Collection[str]) -> int:
        raise sqlite3.OperationalError("disk I/O error")


@asynccontextmanager
async def running(forgetting: Forgetting) -> AsyncIterator[None]:
    task = asyncio.create_task(forgetting.run())
    try:
        yield
    finally:
        await cancel_for_sure(task)


async def order(redis_url: str, *call_ids: str, count_only: bool = False) -> Answers:
    """Given again until somebody listens."""

    async def heard() -> Answers | None:
        wanted = EraseOrder(order=new_call_id(), call_ids=list(call_ids), count_only=count_only)
        answers = await give_order(redis_url, "default", wanted, within_s=5)
        return answers if answers.listening else None

    found: Answers = await eventually(heard)
    return found


async def test_an_order_empties_memory_and_outbox_down_to_the_bytes(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.sqlite"
    call, other, memory = story(), story(), Memory()
    async with Publisher(redis_server.url, outbox=SqliteOutbox(path)) as publisher:
        for envelope in [*call, *other[:1]]:
            publisher.emit(envelope)
        await publisher.drain(5)
        forgetting = Forgetting(
            redis_server.url, "default", "n1", outbox=publisher, memories=[memory], tombstones=NoTombstones()
        )
        async with running(forgetting):
            counted = await order(redis_server.url, call[0].call_id, count_only=True)
            assert memory.forgotten == set()
            assert [answer.events for answer in counted.answers] == [len(numbered(call))]

            done = await order(redis_server.url, call[0].call_id)

        assert [(answer.node, answer.events) for answer in done.answers] == [("n1", len(numbered(call)))]
        assert memory.forgotten == {call[0].call_id}
        bytes_on_disk = b"".join(every_store.files(tmp_path, "outbox.sqlite*").values())
        assert PHRASE.encode() not in bytes_on_disk
        assert other[0].call_id.encode() in bytes_on_disk


async def test_a_call_that_is_not_over_is_forgotten_when_it_is(redis_url: str) -> None:
    call_id, memory = new_call_id(), Memory()
    memory.running = {call_id}
    tombstones = NoTombstones()
    tombstones.back = True
    publisher = Publisher(redis_url)
    forgetting = Forgetting(
        redis_url, "default", "n1", outbox=publisher, memories=[memory], tombstones=tombstones
    )

    async with running(forgetting):
        (told,) = (await order(redis_url, call_id)).answers
        assert told.running == [call_id]
        assert memory.forgotten == set()

        memory.running = set()
        await order(redis_url, new_call_id())  # the next round comes in seconds, or with the next order
        forgetting.look_again()
        await eventually(lambda: call_id in memory.forgotten)


async def test_what_was_erased_while_it_was_down_is_found_at_the_start(
    redis_url: str, database_url: str
) -> None:
    erased, memory = [new_call_id() for _ in range(3)], Memory()
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO erasures (call_id, tenant) SELECT unnest($1::uuid[]), 'default'", erased
    )
    database = Database(database_url)
    forgetting = Forgetting(
        redis_url,
        "default",
        "n1",
        outbox=Publisher(redis_url),
        memories=[memory],
        tombstones=TombstoneBook(database, "default"),
    )

    async with running(forgetting):
        await eventually(lambda: memory.forgotten == set(erased))
        late = new_call_id()
        await connection.execute("INSERT INTO erasures (call_id, tenant) VALUES ($1, 'default')", late)
        forgetting.look_again()  # the subscription stands anew
        await eventually(lambda: late in memory.forgotten)
    await database.close()
    await connection.close()


async def test_a_record_that_is_away_or_older_is_asked_again_and_ends_nothing(redis_url: str) -> None:
    tombstones, memory = NoTombstones(), Memory()
    forgetting = Forgetting(
        redis_url, "default", "n1", outbox=Publisher(redis_url), memories=[memory], tombstones=tombstones
    )

    async with running(forgetting):
        await eventually(lambda: tombstones.asked)
        call_id = new_call_id()
        await order(redis_url, call_id)  # orders are obeyed meanwhile
        assert memory.forgotten == {call_id}
        tombstones.back = True
        asked = tombstones.asked
        forgetting.look_again()
        await eventually(lambda: tombstones.asked > asked)


async def test_an_outbox_that_refuses_is_named(redis_url: str) -> None:
    forgetting = Forgetting(
        redis_url, "default", "n1", outbox=BrokenOutbox(), memories=[Memory()], tombstones=NoTombstones()
    )

    async with running(forgetting):
        (told,) = (await order(redis_url, new_call_id())).answers

    assert told.problem == "its outbox: disk I/O error"


async def test_orders_of_other_tenants_and_noise_are_nothing(redis_url: str) -> None:
    memory = Memory()
    forgetting = Forgetting(
        redis_url, "other", "n1", outbox=Publisher(redis_url), memories=[memory], tombstones=NoTombstones()
    )

    async with running(forgetting):
        wanted = EraseOrder(order="o", call_ids=[new_call_id()])
        assert (await give_order(redis_url, "default", wanted, within_s=0.1)).listening == 0

    assert memory.forgotten == set()
