"""Calls that were erased: nothing of them is stored again, and nobody keeps them who was away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime

from storage.postgres.pool import Connection, Database

_ENTOMB = """
INSERT INTO erasures (call_id, tenant) SELECT call_id, $2 FROM unnest($1::uuid[]) AS new (call_id)
ON CONFLICT (call_id) DO NOTHING
"""
_AMONG = "SELECT call_id::text FROM erasures WHERE call_id = ANY ($1::uuid[])"
_SINCE = """
SELECT call_id::text, erased_at FROM erasures
WHERE tenant = $1 AND (erased_at, call_id) > ($2, $3) ORDER BY erased_at, call_id LIMIT $4
"""
_LOOK_AGAIN_S = 0.05

FIRST = "00000000-0000-0000-0000-000000000000"


async def entomb(connection: Connection, tenant: str, call_ids: Iterable[str]) -> None:
    """From the commit on nothing of these calls is stored any more. Doing it again changes nothing."""
    await connection.execute(_ENTOMB, sorted(set(call_ids)), tenant)


async def erased_among(connection: Connection, call_ids: Collection[str]) -> set[str]:
    """Those of these calls that were erased.

    Whoever stores events asks this after writing them and before the commit: then either the tombstone is seen,
    or whoever made it waits for the commit (`older_are_through`) and deletes what was written.
    """
    return {row[0] for row in await connection.fetch(_AMONG, list(call_ids))}


async def older_are_through(connection: Connection, within_s: float) -> bool:
    """Wait until every transaction that was writing when this was called has ended. False: not within `within_s`."""
    mark = await connection.fetchval("SELECT pg_current_xact_id()::text")
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while not await connection.fetchval(
        "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8", mark
    ):
        if loop.time() > until:
            return False
        await asyncio.sleep(_LOOK_AGAIN_S)
    return True


class TombstoneBook:
    """The erased calls of one tenant, for one media server."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def since(
        self, at: datetime, after: str = FIRST, *, limit: int = 500
    ) -> list[tuple[str, datetime]]:
        """(call id, when) of calls erased from `at` on, the oldest first; `after`: of those of that very moment,
        behind this id. Raises RecordUnavailableError."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SINCE, self._tenant, at, after, limit)
        return [(row["call_id"], row["erased_at"]) for row in rows]
