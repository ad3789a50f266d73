"""The immutable log."""

from __future__ import annotations

from collections.abc import Iterable

from storage.call_ids import is_call_id
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

_STORED = "SELECT EXISTS (SELECT FROM events WHERE call_id = $1 AND seq = $2)"
_DIGITS = 18  # that fit any bigint

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


async def are_stored(connection: Connection, event_ids: Iterable[str]) -> bool:
    """True when each of these ("<call_id>:<seq>") is in the log; False for one that is no event id."""
    for event_id in event_ids:
        call_id, _, seq = event_id.rpartition(":")
        if not is_call_id(call_id) or not seq.isdecimal() or len(seq) > _DIGITS:
            return False
        if not await connection.fetchval(_STORED, call_id, int(seq)):
            return False
    return True


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
