"""After deleting: have PostgreSQL let go of the rows, too.

A deleted row lies in its table, invisible, until VACUUM; afterwards its space is free and is written over in time.
Nothing here reaches the write-ahead log, which is kept until it is recycled or for as long as it is archived, nor
backups and replicas' archives: they age out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import asyncpg

from storage.postgres.forgetting import TABLES
from storage.postgres.pool import Connection

# Not by months. customers and appointments too: the person's rows may be among what was deleted.
_WHOLE = ("dead_letters", "audit_log", "customers", "appointments")
_PATIENCE_S = 600.0

_WITH_ROWS_OF = """
SELECT c.relname::text AS name, pg_has_role(c.relowner, 'USAGE') AS ours
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname = ANY ($1::text[])
ORDER BY c.relname
"""
_MONTH = (
    "SELECT DISTINCT to_char(uuid7_time(id) AT TIME ZONE 'UTC', '_YYYY_MM') FROM unnest($1::uuid[]) AS id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """Which tables were vacuumed, and which this login may not."""

    done: Sequence[str]
    not_ours: Sequence[str]


async def vacuum(connection: Connection, call_ids: Collection[str]) -> Scrubbed:
    """VACUUM the months of these calls, and the small tables. Not inside a transaction."""
    months = [row[0] for row in await connection.fetch(_MONTH, sorted(call_ids))]
    names = [f"{table}{month}" for table in (*TABLES, "call_metrics") for month in (*months, "_default")]
    rows = await connection.fetch(_WITH_ROWS_OF, [*names, *_WHOLE])
    done, not_ours = [], []
    for row in rows:
        if not row["ours"]:
            not_ours.append(row["name"])
            continue
        try:
            await connection.execute(f'VACUUM "{row["name"]}"', timeout=_PATIENCE_S)
        except asyncpg.InsufficientPrivilegeError:
            not_ours.append(row["name"])
        else:
            done.append(row["name"])
    return Scrubbed(done=done, not_ours=not_ours)
