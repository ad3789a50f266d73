"""Drafts and published versions of agents, with optimistic locking: who has not seen the newest draft is refused.

Every change is one transaction with its row in audit_log, under a lock on the agent's row; readers wait for
nobody. Any method raises RecordUnavailableError while PostgreSQL is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from storage.agent_versions import (
    AgentExists,
    AgentUnknown,
    Document,
    Draft,
    DraftChanged,
    NothingToPublish,
    Save,
    Version,
    VersionUnknown,
    label,
)
from storage.clean_text import clean
from storage.postgres.pool import Connection, Database, RecordUnavailableError

# Old drafts serve the message "who changed what" only; a writer who is further behind is told who, not what.
DRAFTS_KEPT = 200

_DRAFT = """
SELECT d.agent_id AS agent, d.revision, d.document, d.saved_by, d.saved_at, a.published_version,
       d.document IS DISTINCT FROM v.document AS changed
FROM agents AS a
JOIN agent_drafts AS d ON (d.tenant, d.agent_id, d.revision) = (a.tenant, a.id, a.draft_revision)
LEFT JOIN agent_versions AS v ON (v.tenant, v.agent_id, v.version) = (a.tenant, a.id, a.published_version)
WHERE a.tenant = $1
"""

_VERSION = """
SELECT agent_id AS agent, version AS number, document, note, published_by, published_at, restores
FROM agent_versions WHERE tenant = $1 AND agent_id = $2
"""

_SAVES = """
SELECT revision, saved_by, saved_at FROM agent_drafts
WHERE tenant = $1 AND agent_id = $2 AND revision > $3 ORDER BY revision
"""


class AgentStore:
    """The agents of one tenant."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def create(self, agent_id: str, document: Document, *, by: str) -> Draft:
        """A new agent with its first draft. Raises AgentExists."""
        async with self._changing() as connection:
            made = await connection.fetchval(
                "INSERT INTO agents (tenant, id, draft_revision, created_by) VALUES ($1, $2, 1, $3) "
                "ON CONFLICT DO NOTHING RETURNING id",
                self._tenant, agent_id, by,
            )  # fmt: skip
            if made is None:
                raise AgentExists(f"there is an agent {agent_id} already")
            await self._add_draft(connection, agent_id, 1, document, by)
            await self._audit(connection, by, "agent.created", agent_id, {})
            return await self._draft(connection, agent_id)

    async def drafts(self) -> list[Draft]:
        """Every agent's draft, by id."""
        async with self._reading() as connection:
            return [_draft(row) for row in await connection.fetch(_DRAFT + "ORDER BY a.id", self._tenant)]

    async def draft(self, agent_id: str) -> Draft:
        """Raises AgentUnknown."""
        async with self._reading() as connection:
            return await self._draft(connection, agent_id)

    async def save_draft(
        self, agent_id: str, document: Document, *, seen: Sequence[int] | None, by: str
    ) -> Draft:
        """Replace the draft by a new revision.

        `seen`: revisions of which one must be the current one; None overwrites whatever is there.
        Raises AgentUnknown, DraftChanged. Saving what is there already makes no new revision.
        """
        async with self._changing() as connection:
            current = await self._locked(connection, agent_id, seen)
            document = _storable(document)
            if document == current.document:
                return current
            revision = current.revision + 1
            await self._add_draft(connection, agent_id, revision, document, by)
            await connection.execute(
                "UPDATE agents SET draft_revision = $3 WHERE tenant = $1 AND id = $2",
                self._tenant, agent_id, revision,
            )  # fmt: skip
            await connection.execute(
                "DELETE FROM agent_drafts WHERE tenant = $1 AND agent_id = $2 AND revision <= $3",
                self._tenant, agent_id, revision - DRAFTS_KEPT,
            )  # fmt: skip
            return await self._draft(connection, agent_id)

    async def publish(self, agent_id: str, *, seen: Sequence[int] | None, note: str, by: str) -> Version:
        """Make the draft the version that takes new calls.

        Raises AgentUnknown, DraftChanged (see `save_draft`), NothingToPublish.
        """
        async with self._changing() as connection:
            draft = await self._locked(connection, agent_id, seen)
            return await self._publish(connection, draft, draft.document, note=note, by=by, restores=None)

    async def roll_back(self, agent_id: str, number: int, *, note: str, by: str) -> Version:
        """Publish an older version's document again, as a new version; the draft stays as it is.

        Raises AgentUnknown, VersionUnknown, NothingToPublish.
        """
        async with self._changing() as connection:
            draft = await self._locked(connection, agent_id, None)
            old = await self._version(connection, agent_id, number)
            return await self._publish(connection, draft, old.document, note=note, by=by, restores=number)

    async def version(self, agent_id: str, number: int) -> Version:
        """Raises AgentUnknown, VersionUnknown."""
        async with self._reading() as connection:
            await self._draft(connection, agent_id)
            return await self._version(connection, agent_id, number)

    async def versions(self, agent_id: str, *, before: int | None = None, limit: int = 100) -> list[Version]:
        """Newest first, those with a number < `before`. Raises AgentUnknown."""
        async with self._reading() as connection:
            await self._draft(connection, agent_id)
            rows = await connection.fetch(
                _VERSION + "AND ($3::integer IS NULL OR version < $3) ORDER BY version DESC LIMIT $4",
                self._tenant, agent_id, before, limit,
            )  # fmt: skip
            return [_version(row) for row in rows]

    async def published(self) -> dict[str, int]:
        """The version of each agent that takes calls, by the agent's id: cheap enough to ask often."""
        async with self._reading() as connection:
            rows = await connection.fetch(
                "SELECT id, published_version FROM agents WHERE tenant = $1 AND published_version IS NOT NULL",
                self._tenant,
            )
            return {row["id"]: row["published_version"] for row in rows}

    async def _publish(
        self,
        connection: Connection,
        draft: Draft,
        document: Document,
        *,
        note: str,
        by: str,
        restores: int | None,
    ) -> Version:
        if draft.published_version is not None:
            current = await self._version(connection, draft.agent, draft.published_version)
            if current.document == document:
                raise NothingToPublish(draft.agent, current.number)
        number = (draft.published_version or 0) + 1
        await connection.execute(
            "INSERT INTO agent_versions (tenant, agent_id, version, document, note, published_by, restores) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            self._tenant, draft.agent, number, document, clean(note), by, restores,
        )  # fmt: skip
        await connection.execute(
            "UPDATE agents SET published_version = $3 WHERE tenant = $1 AND id = $2",
            self._tenant, draft.agent, number,
        )  # fmt: skip
        details = {"version": label(number), "note": clean(note)}
        if restores is None:
            await self._audit(connection, by, "agent.published", draft.agent, details)
        else:
            details["restores"] = label(restores)
            await self._audit(connection, by, "agent.rolled_back", draft.agent, details)
        return await self._version(connection, draft.agent, number)

    async def _locked(self, connection: Connection, agent_id: str, seen: Sequence[int] | None) -> Draft:
        """The draft, held until the transaction ends. A statement sees what was committed when it began, so the
        lock is taken first and the draft is read by a statement of its own."""
        await connection.fetchval(
            "SELECT id FROM agents WHERE tenant = $1 AND id = $2 FOR UPDATE", self._tenant, agent_id
        )
        current = await self._draft(connection, agent_id)
        if seen is None or current.revision in seen:
            return current
        newest = max((revision for revision in seen if revision < current.revision), default=0)
        known = await connection.fetchval(
            "SELECT document FROM agent_drafts WHERE tenant = $1 AND agent_id = $2 AND revision = $3",
            self._tenant, agent_id, newest,
        )  # fmt: skip
        since = await connection.fetch(_SAVES, self._tenant, agent_id, newest)
        raise DraftChanged(current, seen=known, since=[Save(**row) for row in since])

    async def _draft(self, connection: Connection, agent_id: str) -> Draft:
        row = await connection.fetchrow(_DRAFT + "AND a.id = $2", self._tenant, agent_id)
        if row is None:
            raise AgentUnknown(f"the database has no agent {agent_id}")
        return _draft(row)

    async def _version(self, connection: Connection, agent_id: str, number: int) -> Version:
        row = await connection.fetchrow(_VERSION + "AND version = $3", self._tenant, agent_id, number)
        if row is None:
            raise VersionUnknown(agent_id, number)
        return _version(row)

    async def _add_draft(
        self, connection: Connection, agent_id: str, revision: int, document: Document, by: str
    ) -> None:
        await connection.execute(
            "INSERT INTO agent_drafts (tenant, agent_id, revision, document, saved_by) VALUES ($1, $2, $3, $4, $5)",
            self._tenant, agent_id, revision, _storable(document), by,
        )  # fmt: skip

    async def _audit(
        self, connection: Connection, actor: str, action: str, subject: str, data: dict[str, Any]
    ) -> None:
        await connection.execute(
            "INSERT INTO audit_log (tenant, actor, action, subject, data) VALUES ($1, $2, $3, $4, $5)",
            self._tenant, actor, action, subject, data,
        )  # fmt: skip

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.connection() as connection:
                yield connection
        except asyncpg.UndefinedTableError as error:
            raise TablesMissing(error) from error

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Connection]:
        async with self._reading() as connection, connection.transaction():
            yield connection


class TablesMissing(RecordUnavailableError):
    """The database has not been brought up to date."""

    def __str__(self) -> str:
        return "the database has no tables for agents; run: cordboard db migrate"


def _draft(row: asyncpg.Record) -> Draft:
    return Draft(**row)


def _version(row: asyncpg.Record) -> Version:
    return Version(**row)


def _storable(document: Document) -> dict[str, Any]:
    """What JSON in PostgreSQL cannot hold (NUL, lone surrogates) goes."""
    cleaned: dict[str, Any] = clean(dict(document))
    return cleaned
