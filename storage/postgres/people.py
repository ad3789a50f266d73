"""The table of who may sign in."""

from __future__ import annotations

from typing import Any

import asyncpg

from storage.people import Person, PersonExists, PersonUnknown
from storage.postgres.pool import Database

_COLUMNS = "id, name, role, queues, language"


class PeopleBook:
    """The people of one tenant. Every method raises RecordUnavailableError when Postgres is away."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def add(self, person: Person, password_hash: str) -> None:
        """Raises PersonExists."""
        async with self._database.connection() as connection:
            try:
                await connection.execute(
                    "INSERT INTO people (tenant, id, name, role, queues, language, password_hash) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    self._tenant,
                    person.id,
                    person.name,
                    person.role,
                    list(person.queues),
                    person.language,
                    password_hash,
                )
            except asyncpg.UniqueViolationError:
                raise PersonExists(person.id) from None

    async def everybody(self) -> list[Person]:
        """By id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM people WHERE tenant = $1 ORDER BY id",  # noqa: S608 - our own names
                self._tenant,
            )
        return [_person(row) for row in rows]

    async def find(self, id: str) -> tuple[Person, str] | None:
        """The person and the password's hash; None where nobody is called that."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS}, password_hash FROM people WHERE tenant = $1 AND id = $2",  # noqa: S608
                self._tenant,
                id,
            )
        return None if row is None else (_person(row), row["password_hash"])

    async def set_password(self, id: str, password_hash: str) -> None:
        """Raises PersonUnknown."""
        await self._change(
            "UPDATE people SET password_hash = $3, changed_at = now() WHERE tenant = $1 AND id = $2",
            id,
            password_hash,
        )

    async def remove(self, id: str) -> None:
        """Raises PersonUnknown. A session that is open goes on until it expires."""
        await self._change("DELETE FROM people WHERE tenant = $1 AND id = $2", id)

    async def _change(self, sql: str, id: str, *values: Any) -> None:
        async with self._database.connection() as connection:
            done = await connection.execute(sql, self._tenant, id, *values)
        if done.endswith(" 0"):
            raise PersonUnknown(id)


def _person(row: asyncpg.Record) -> Person:
    return Person(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        queues=tuple(row["queues"]),
        language=row["language"],
    )
