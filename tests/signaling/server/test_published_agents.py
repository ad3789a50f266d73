"""Two nodes and a database: who publishes on one is served on both, with Redis and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from realtime.tools.registry import discover
from signaling.server.agent_office import AgentOffice
from signaling.server.agent_shelf import AgentShelf
from signaling.server.published_agents import PublishedAgents
from storage.bus.publisher import Publisher
from storage.postgres.agents import AgentStore
from storage.postgres.pool import Database
from tests.conftest import TEMPLATE
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import rows
from tests.fakes.servers import PostgresServer, RedisServer

DOCUMENT = {"id": "front", "name": "Front desk"}
NEVER_S = 3600.0


@dataclass
class Node:
    """What one media server has of agents."""

    office: AgentOffice
    shelf: AgentShelf
    published: PublishedAgents

    def answering(self) -> str | None:
        return self.shelf["front"].version if "front" in self.shelf else None


@asynccontextmanager
async def running_node(redis_url: str, database_url: str, *, ask_every_s: float) -> AsyncIterator[Node]:
    database = Database(database_url)
    store = AgentStore(database)
    shelf = AgentShelf({}, discover())
    published = PublishedAgents(store, shelf, ask_every_s=ask_every_s)
    try:
        async with Publisher(redis_url) as publisher, asyncio.TaskGroup() as group:
            office = AgentOffice(store, shelf, published, tenant="default", announce=publisher.announce)
            watch = group.create_task(published.watch(redis_url, "default"))
            yield Node(office=office, shelf=shelf, published=published)
            watch.cancel()
    finally:
        await database.close()


async def test_what_one_node_publishes_the_other_hears_of(redis_url: str, database_url: str) -> None:
    async with (
        running_node(redis_url, database_url, ask_every_s=NEVER_S) as here,
        running_node(redis_url, database_url, ask_every_s=NEVER_S) as there,
    ):
        await here.office.create(DOCUMENT, by="ann")
        assert here.answering() is None
        await here.office.publish("front", seen=[1], note="", by="ann")

        assert here.answering() == "v1"  # at once: the publisher may call and hear it
        await eventually(lambda: there.answering() == "v1")

        await there.office.save_draft("front", {**DOCUMENT, "voice": "cedar"}, seen=[1], by="ben")
        await there.office.publish("front", seen=[2], note="", by="ben")
        await eventually(lambda: here.answering() == "v2")
        await here.office.roll_back("front", 1, note="", by="ann")
        await eventually(lambda: there.answering() == "v3")
        assert there.shelf["front"].voice == "marin"


async def test_without_redis_a_node_finds_out_by_asking(redis_server: RedisServer, database_url: str) -> None:
    redis_server.kill()
    async with (
        running_node(redis_server.url, database_url, ask_every_s=0.05) as here,
        running_node(redis_server.url, database_url, ask_every_s=0.05) as there,
    ):
        await here.office.create(DOCUMENT, by="ann")
        await here.office.publish("front", seen=None, note="", by="ann")

        await eventually(lambda: there.answering() == "v1")


async def test_news_missed_while_redis_was_away_are_made_up_for_when_it_is_back(
    redis_server: RedisServer, database_url: str
) -> None:
    async with running_node(redis_server.url, database_url, ask_every_s=NEVER_S) as there:
        database = Database(database_url)
        store = AgentStore(database)
        await store.create("front", DOCUMENT, by="ann")
        redis_server.kill()
        await store.publish("front", seen=None, note="", by="ann")
        redis_server.start()

        await eventually(lambda: there.answering() == "v1")
        await database.close()


async def test_while_the_database_is_away_agents_answer_as_before(postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.fresh_database(TEMPLATE))
    store = AgentStore(database)
    shelf = AgentShelf({}, discover())
    published = PublishedAgents(store, shelf)
    await store.create("front", DOCUMENT, by="ann")
    await store.publish("front", seen=None, note="", by="ann")
    assert await published.refresh()

    postgres_server.stop()
    assert not await published.refresh()
    assert shelf["front"].version == "v1"

    postgres_server.start()
    await store.save_draft("front", {**DOCUMENT, "voice": "ash"}, seen=None, by="ann")
    await store.publish("front", seen=None, note="", by="ann")
    assert await published.refresh()
    assert shelf["front"].version == "v2"
    await database.close()


async def test_what_nobody_expected_of_the_database_does_not_end_the_watch(
    redis_url: str, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(database_url)
    store = AgentStore(database)
    await store.create("front", DOCUMENT, by="ann")
    await store.publish("front", seen=None, note="", by="ann")
    await rows(database_url, "ALTER TABLE agents RENAME COLUMN published_version TO hidden")

    async with running_node(redis_url, database_url, ask_every_s=0.05) as node:
        await eventually(lambda: "agents.refresh_failed" in caplog.text)
        assert node.answering() is None
        await rows(database_url, "ALTER TABLE agents RENAME COLUMN hidden TO published_version")
        await eventually(lambda: node.answering() == "v1")
    await database.close()


@pytest.mark.parametrize("version", ["v1", "published"])
async def test_the_document_comes_back_in_the_order_of_the_format(
    redis_url: str, database_url: str, version: str
) -> None:
    async with running_node(redis_url, database_url, ask_every_s=NEVER_S) as node:
        written = {"voice": "cedar", "tone": "Calm.", "name": "Front desk", "id": "front", "language": "ja"}
        await node.office.create(written, by="ann")
        await node.office.publish("front", seen=None, note="", by="ann")

        assert list(await node.office.document("front", version)) == [
            "id", "name", "language", "tone", "voice",
        ]  # fmt: skip
