"""The immutable log."""

from __future__ import annotations

from collections.abc import Iterable

from storage.envelope import VERSION, Envelope, rfc3339
from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import EventRow

_INSERT = """
INSERT INTO events (call_id, seq, tenant, type, at, data)
SELECT call_id, seq, tenant, type, at, data::jsonb
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
     AS new (call_id, seq, tenant, type, at, data)
ON CONFLICT (call_id, seq) DO NOTHING
RETURNING call_id::text, seq
"""

_AFTER = """
SELECT seq, tenant, type, at, data
FROM events WHERE call_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""

_NAMES = ("call_id", "seq", "tenant", "type", "at", "data")


async def save_events(connection: Connection, rows: Iterable[EventRow]) -> set[tuple[str, int]]:
    """Add what is not there yet; a number that is there already is left as it is.

    Returns (call_id, seq) of those that were new: what may be counted once, and only now.
    """
    added = await connection.fetch(_INSERT, *columns(rows, _NAMES, json=("data",)))
    return {(row["call_id"], row["seq"]) for row in added}


async def events_after(connection: Connection, call_id: str, after: int, limit: int) -> list[Envelope]:
    """A call's events with seq > `after`, in order, at most `limit`."""
    return [
        Envelope(
            v=VERSION,
            id=f"{call_id}:{row['seq']}",
            tenant=row["tenant"],
            call_id=call_id,
            seq=row["seq"],
            at=rfc3339(row["at"]),
            type=row["type"],
            data=row["data"],
        )
        for row in await connection.fetch(_AFTER, call_id, after, limit)
    ]
