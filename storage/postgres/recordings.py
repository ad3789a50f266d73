"""The recordings there are, and those that are to go.

A file is deleted in two steps: its row says so, and from then on nobody is given it; then whoever has the file takes
it away and says so too. A call without a row gets one when it is deleted, so that a file which turns up later, from
a server that was down, goes as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from storage.postgres.pool import Connection, Database

Because = Literal["refused", "erased", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """One call's recording; `bytes` and `duration_ms` are None where it was deleted before it was finished."""

    call_id: str
    node: str
    in_store: bool
    bytes: int | None
    duration_ms: int | None
    deleted_because: Because | None


_FIND = """
SELECT call_id::text, node, in_store, bytes, duration_ms, deleted_because
FROM recordings WHERE tenant = $1 AND call_id = $2
"""
# The file of a row that is deleted already stays deleted: it is removed again.
_FINISHED = """
INSERT INTO recordings AS old (call_id, tenant, node, bytes, duration_ms, lost_ms, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, now())
ON CONFLICT (call_id) DO UPDATE
SET node = excluded.node, removed_at = NULL,
    bytes = excluded.bytes, duration_ms = excluded.duration_ms, lost_ms = excluded.lost_ms,
    finished_at = coalesce(old.finished_at, excluded.finished_at)
WHERE NOT old.in_store
RETURNING deleted_at IS NULL AND NOT in_store
"""
_IN_STORE = """
UPDATE recordings SET in_store = true WHERE call_id = $1 AND deleted_at IS NULL RETURNING true
"""
_KNOWN = """
SELECT call_id::text FROM recordings
WHERE call_id = ANY($1::uuid[]) AND finished_at IS NOT NULL AND deleted_at IS NULL AND (in_store OR $2)
"""
_DELETE = """
INSERT INTO recordings AS old (call_id, tenant, node, deleted_at, deleted_because, removed_at)
SELECT call_id, $2, '', now(), $3, now() FROM unnest($1::uuid[]) AS wanted (call_id)
ON CONFLICT (call_id) DO UPDATE SET deleted_at = now(), deleted_because = excluded.deleted_because
WHERE old.deleted_at IS NULL
RETURNING removed_at IS NULL
"""
_TO_REMOVE = """
SELECT call_id::text FROM recordings
WHERE deleted_at IS NOT NULL AND removed_at IS NULL AND (node = $1 OR (in_store AND $2))
ORDER BY call_id LIMIT $3
"""
_REMOVED = (
    "UPDATE recordings SET removed_at = now() WHERE call_id = ANY($1::uuid[]) AND deleted_at IS NOT NULL"
)
_OUTSTANDING = """
SELECT node, count(*) FROM recordings
WHERE call_id = ANY($1::uuid[]) AND deleted_at IS NOT NULL AND removed_at IS NULL GROUP BY node ORDER BY node
"""
_OLDER = """
SELECT call_id::text FROM recordings
WHERE tenant = $1 AND deleted_at IS NULL AND finished_at < $2 ORDER BY call_id LIMIT $3
"""


async def delete_recordings(
    connection: Connection, tenant: str, call_ids: Iterable[str], *, because: Because
) -> int:
    """Nobody is given these recordings any more; returns how many files are to be removed by those who have them.

    Calls without a recording are remembered too. Doing it again changes nothing.
    """
    rows = await connection.fetch(_DELETE, sorted(set(call_ids)), tenant, because)
    return sum(1 for row in rows if row[0])


async def outstanding(connection: Connection, call_ids: Iterable[str]) -> dict[str, int]:
    """Of these deleted recordings, the files that are still there, by the node that has them."""
    rows = await connection.fetch(_OUTSTANDING, sorted(set(call_ids)))
    return {row[0]: row[1] for row in rows}


async def older_than(
    connection: Connection, tenant: str, before: datetime, *, limit: int = 1000
) -> list[str]:
    """Calls, oldest first, whose recordings were finished before `before` and are still kept."""
    return [row[0] for row in await connection.fetch(_OLDER, tenant, before, limit)]


class RecordingBook:
    """The recordings of one tenant, for one media server. Every method raises RecordUnavailableError."""

    def __init__(self, database: Database, *, tenant: str, node: str) -> None:
        self._database = database
        self._tenant = tenant
        self._node = node

    async def find(self, call_id: str) -> RecordingRow | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, self._tenant, call_id)
        return None if row is None else RecordingRow(**row)

    async def finished(self, call_id: str, *, size: int, duration_ms: int, lost_ms: int) -> bool:
        """A file of ours is complete. False: it is not wanted here (deleted, or already in the object store)."""
        async with self._database.connection() as connection:
            wanted = await connection.fetchval(
                _FINISHED, call_id, self._tenant, self._node, size, duration_ms, lost_ms
            )
        return wanted is True

    async def known(self, call_ids: Sequence[str], *, only_in_store: bool) -> set[str]:
        """Which of these are registered and wanted; `only_in_store`: and are in the object store."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_KNOWN, call_ids, not only_in_store)
        return {row[0] for row in rows}

    async def stored(self, call_id: str) -> bool:
        """The object store has confirmed it. False: it was deleted meanwhile."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_IN_STORE, call_id) is True

    async def delete(self, call_ids: Iterable[str], *, because: Because) -> int:
        """See `delete_recordings`."""
        async with self._database.connection() as connection:
            return await delete_recordings(connection, self._tenant, call_ids, because=because)

    async def to_remove(self, *, with_store: bool, limit: int = 100) -> list[str]:
        """Deleted recordings whose files this node can take away; with an object store, those of any node in it."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_TO_REMOVE, self._node, with_store, limit)
        return [cast(str, row[0]) for row in rows]

    async def removed(self, call_ids: Sequence[str]) -> None:
        """Their files are gone."""
        async with self._database.connection() as connection:
            await connection.execute(_REMOVED, call_ids)
