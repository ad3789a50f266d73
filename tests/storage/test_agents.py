"""Drafts and versions of agents on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from storage.agent_versions import (
    AgentExists,
    AgentUnknown,
    DraftChanged,
    NothingToPublish,
    VersionUnknown,
    number_of,
)
from storage.postgres.agents import DRAFTS_KEPT, AgentStore, TablesMissing
from storage.postgres.pool import Database
from tests.fakes.record_dump import rows


def document(**changes: Any) -> dict[str, Any]:
    return {"id": "front", "name": "Front desk", "speed": 1.0, "tools": ["end_call"], **changes}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
async def store(database: Database) -> AgentStore:
    made = AgentStore(database)
    await made.create("front", document(), by="ann")
    return made


async def test_a_new_agent_has_a_draft_and_takes_no_calls(store: AgentStore) -> None:
    draft = await store.draft("front")

    assert (draft.revision, draft.document, draft.saved_by) == (1, document(), "ann")
    assert (draft.published_version, draft.changed) == (None, True)
    assert await store.published() == {}
    assert await store.versions("front") == []


async def test_an_id_is_given_once(store: AgentStore) -> None:
    with pytest.raises(AgentExists):
        await store.create("front", document(name="Another"), by="ben")

    assert (await store.draft("front")).document == document()


async def test_who_has_seen_the_draft_may_save_the_next_one(store: AgentStore) -> None:
    saved = await store.save_draft("front", document(voice="cedar"), seen=[1], by="ben")

    assert (saved.revision, saved.document["voice"], saved.saved_by) == (2, "cedar", "ben")
    assert [draft.revision for draft in await store.drafts()] == [2]


async def test_who_has_not_seen_it_is_told_who_saved_and_what_they_had_seen_themselves(
    store: AgentStore,
) -> None:
    await store.save_draft("front", document(voice="cedar"), seen=[1], by="ben")
    await store.save_draft("front", document(voice="ash"), seen=[2], by="cy")

    with pytest.raises(DraftChanged) as refused:
        await store.save_draft("front", document(name="Mine"), seen=[1], by="ann")

    assert refused.value.seen == document()
    assert refused.value.current.document == document(voice="ash")
    assert [(save.revision, save.saved_by) for save in refused.value.since] == [(2, "ben"), (3, "cy")]
    assert (await store.draft("front")).revision == 3


async def test_of_eight_who_save_at_once_one_wins(store: AgentStore) -> None:
    results = await asyncio.gather(
        *(store.save_draft("front", document(name=f"N{n}"), seen=[1], by=f"p{n}") for n in range(8)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, DraftChanged) for result in results) == 7
    assert (await store.draft("front")).revision == 2


async def test_saving_what_is_there_already_changes_nothing(store: AgentStore) -> None:
    assert (await store.save_draft("front", document(), seen=[1], by="ben")).revision == 1


async def test_a_draft_can_be_overwritten_unseen(store: AgentStore) -> None:
    await store.save_draft("front", document(voice="cedar"), seen=[1], by="ben")

    assert (await store.save_draft("front", document(voice="ash"), seen=None, by="ann")).revision == 3


async def test_old_drafts_go_and_the_newest_stays(store: AgentStore, database_url: str) -> None:
    for n in range(DRAFTS_KEPT + 5):
        await store.save_draft("front", document(name=f"N{n}"), seen=None, by="ann")

    assert await rows(database_url, "SELECT count(*), max(revision) FROM agent_drafts") == [
        (DRAFTS_KEPT, DRAFTS_KEPT + 6)
    ]
    with pytest.raises(DraftChanged) as refused:
        await store.save_draft("front", document(), seen=[1], by="ben")
    assert refused.value.seen is None


async def test_versions_are_numbered_from_one_and_the_newest_takes_calls(store: AgentStore) -> None:
    first = await store.publish("front", seen=[1], note="opening", by="ann")
    await store.save_draft("front", document(voice="cedar"), seen=[1], by="ben")
    second = await store.publish("front", seen=None, note="", by="ben")

    assert (first.label, first.document, first.note) == ("v1", document(), "opening")
    assert (second.label, second.document["voice"]) == ("v2", "cedar")
    assert await store.published() == {"front": 2}
    assert [version.number for version in await store.versions("front")] == [2, 1]
    assert [version.number for version in await store.versions("front", before=2)] == [1]
    assert (await store.draft("front")).changed is False


async def test_a_draft_that_somebody_changed_is_not_published_unseen(store: AgentStore) -> None:
    await store.save_draft("front", document(voice="cedar"), seen=[1], by="ben")

    with pytest.raises(DraftChanged):
        await store.publish("front", seen=[1], note="", by="ann")

    assert await store.published() == {}


async def test_publishing_the_same_twice_makes_one_version(store: AgentStore) -> None:
    await store.publish("front", seen=None, note="", by="ann")

    with pytest.raises(NothingToPublish):
        await store.publish("front", seen=None, note="", by="ann")
    with pytest.raises(NothingToPublish):
        await store.roll_back("front", 1, note="", by="ann")


async def test_of_four_who_publish_at_once_one_makes_the_version(store: AgentStore) -> None:
    results = await asyncio.gather(
        *(store.publish("front", seen=[1], note="", by=f"p{n}") for n in range(4)), return_exceptions=True
    )

    assert sum(isinstance(result, NothingToPublish) for result in results) == 3
    assert await store.published() == {"front": 1}


async def test_a_rollback_is_a_new_version_of_the_old_document_and_leaves_the_draft(
    store: AgentStore,
) -> None:
    await store.publish("front", seen=None, note="", by="ann")
    await store.save_draft("front", document(voice="cedar"), seen=[1], by="ann")
    await store.publish("front", seen=None, note="", by="ann")

    back = await store.roll_back("front", 1, note="cedar is too deep", by="ben")

    assert (back.number, back.restores, back.document) == (3, 1, document())
    assert await store.published() == {"front": 3}
    draft = await store.draft("front")
    assert (draft.document["voice"], draft.changed) == ("cedar", True)


async def test_who_published_and_who_rolled_back_is_on_the_audit_log(
    store: AgentStore, database_url: str
) -> None:
    await store.publish("front", seen=None, note="opening", by="ann")
    await store.save_draft("front", document(voice="cedar"), seen=None, by="ann")
    await store.publish("front", seen=None, note="", by="ann")
    await store.roll_back("front", 1, note="no", by="ben")

    logged = await rows(
        database_url,
        "SELECT actor, action, subject, data->>'version', data->>'note', data->>'restores' "
        "FROM audit_log ORDER BY id",
    )
    assert logged == [
        ("ann", "agent.created", "front", None, None, None),
        ("ann", "agent.published", "front", "v1", "opening", None),
        ("ann", "agent.published", "front", "v2", "", None),
        ("ben", "agent.rolled_back", "front", "v3", "no", "v1"),
    ]


@pytest.mark.parametrize("statement", ["UPDATE agent_versions SET note = 'x'", "DELETE FROM agent_versions"])
async def test_nobody_changes_a_published_version(
    store: AgentStore, database_url: str, statement: str
) -> None:
    await store.publish("front", seen=None, note="", by="ann")

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="publish a new one"):
        await rows(database_url, statement)


async def test_what_is_not_there_is_said_to_be_missing(store: AgentStore) -> None:
    for asked in (
        store.draft("back"),
        store.versions("back"),
        store.save_draft("back", {}, seen=None, by="x"),
        store.publish("back", seen=None, note="", by="x"),
        store.roll_back("back", 1, note="", by="x"),
        store.version("back", 1),
    ):
        with pytest.raises(AgentUnknown):
            await asked
    with pytest.raises(VersionUnknown, match="v7"):
        await store.roll_back("front", 7, note="", by="x")


async def test_tenants_have_agents_of_their_own(store: AgentStore, database: Database) -> None:
    other = AgentStore(database, "other")
    await other.create("front", document(name="Theirs"), by="zoe")
    await other.publish("front", seen=None, note="", by="zoe")

    assert (await store.draft("front")).document["name"] == "Front desk"
    assert await store.published() == {}


async def test_text_that_postgres_cannot_hold_is_cleaned(store: AgentStore) -> None:
    saved = await store.save_draft("front", document(name="a\x00b"), seen=None, by="ann")

    assert "\x00" not in saved.document["name"]


async def test_a_database_without_the_tables_says_how_to_make_them(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    try:
        with pytest.raises(TablesMissing, match="cordboard db migrate"):
            await AgentStore(database).published()
    finally:
        await database.close()


def test_a_version_is_written_with_or_without_its_letter() -> None:
    assert [number_of(text) for text in ("v3", "12", "v0", "", "draft", "3v", "-1", "v03")] == [
        3, 12, None, None, None, None, None, None,
    ]  # fmt: skip
