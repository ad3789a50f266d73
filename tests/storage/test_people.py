"""Who may sign in, in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.people import Person, PersonExists, PersonUnknown
from storage.postgres.migrate import migrate
from storage.postgres.people import PeopleBook
from storage.postgres.pool import Database

SATO = Person(id="sato", name="佐藤", role="operator", queues=("default", "billing"), language="ja")


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[PeopleBook]:
    await migrate(database_url)
    database = Database(database_url)
    yield PeopleBook(database)
    await database.close()


async def test_who_was_added_is_found_with_the_hash(people: PeopleBook) -> None:
    await people.add(SATO, "$argon2id$…")
    assert await people.find("sato") == (SATO, "$argon2id$…")
    assert await people.everybody() == [SATO]
    assert await people.find("mori") is None


async def test_a_name_is_given_once(people: PeopleBook) -> None:
    await people.add(SATO, "one")
    with pytest.raises(PersonExists):
        await people.add(SATO, "two")
    assert await people.find("sato") == (SATO, "one")


async def test_a_new_password_replaces_the_old_one(people: PeopleBook) -> None:
    await people.add(SATO, "one")
    await people.set_password("sato", "two")
    assert await people.find("sato") == (SATO, "two")


async def test_who_is_not_there_cannot_be_changed_or_removed(people: PeopleBook) -> None:
    with pytest.raises(PersonUnknown):
        await people.set_password("sato", "x")
    with pytest.raises(PersonUnknown):
        await people.remove("sato")


async def test_who_was_removed_is_gone(people: PeopleBook) -> None:
    await people.add(SATO, "one")
    await people.remove("sato")
    assert await people.everybody() == []
