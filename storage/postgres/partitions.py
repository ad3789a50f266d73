"""The months of the record: made ahead, looked at, dropped.

A table about calls has one partition a month (`events_2026_11`) and a DEFAULT one for ids that no month claims;
005_partitions.sql says how and why. Making and dropping run with the rights of the tables' owner, so a login
needs only EXECUTE on these functions, not the tables.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from storage.postgres.pool import Connection

MONTHS_AHEAD = 3  # a worker may be away for a whole quarter, and calls still find their month

_MAKE = "SELECT make_months($1, $2)"

_STRAYS = "SELECT table_name, strays FROM stray_rows() WHERE strays > 0 ORDER BY table_name"

_DROP = "SELECT drop_months_before($1, $2)"

_LIST = r"""
SELECT parent.relname::text AS table_name,
       CASE WHEN child.relname ~ '_\d{4}_\d{2}$' THEN replace(right(child.relname, 7), '_', '-') END AS month,
       greatest(child.reltuples, 0)::bigint AS about_rows,
       pg_total_relation_size(child.oid) AS size_bytes
FROM pg_inherits
     JOIN pg_class AS child ON child.oid = inhrelid
     JOIN pg_class AS parent ON parent.oid = inhparent
WHERE parent.relnamespace = current_schema()::regnamespace AND parent.relkind = 'p'
ORDER BY parent.relname, month NULLS LAST
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One month of one table, or what belongs to no month."""

    table_name: str
    month: str | None  # "2026-11"; None: the DEFAULT partition
    about_rows: int  # as of the server's last look (autovacuum), 0 before it
    size_bytes: int  # with indices


async def make_ahead(connection: Connection, today: date, months: int = MONTHS_AHEAD) -> list[str]:
    """See that `today`'s month and the next `months` are there; returns the partitions made now.

    Safe at any time, by several at once. Raises asyncpg.LockNotAvailableError after half a second where a
    long-running query holds a table: try again later.
    """
    return [row[0] for row in await connection.fetch(_MAKE, today.replace(day=1), months + 1)]


async def stray_rows(connection: Connection) -> dict[str, int]:
    """Tables whose DEFAULT partition is not empty, with the number of rows there (at most 1,000 are counted).

    Such rows are found by every query, but retention by months passes them over.
    """
    return {row["table_name"]: row["strays"] for row in await connection.fetch(_STRAYS)}


async def drop_before(connection: Connection, month: date, *, keep: Collection[str] = ()) -> list[str]:
    """Drop every month before `month`'s, in all monthly tables but those named in `keep`; returns what went.

    There is no way back. Raises asyncpg.RaiseError for a month that has not begun yet, LockNotAvailableError
    as `make_ahead`.
    """
    return [row[0] for row in await connection.fetch(_DROP, month.replace(day=1), list(keep))]


async def list_partitions(connection: Connection) -> list[Partition]:
    """What there is, by table and month."""
    return [Partition(**row) for row in await connection.fetch(_LIST)]
