"""The latest value of every slot of a call."""

from __future__ import annotations

from collections.abc import Iterable

from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import SlotRow

_UPSERT = """
INSERT INTO slots AS old (call_id, goal, slot, value, confirmed, set_at, seq)
SELECT call_id, goal, slot, value::jsonb, confirmed, set_at, seq
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::bigint[])
     AS new (call_id, goal, slot, value, confirmed, set_at, seq)
ORDER BY call_id, goal, slot
ON CONFLICT (call_id, goal, slot) DO UPDATE
SET value = excluded.value, confirmed = excluded.confirmed, set_at = excluded.set_at, seq = excluded.seq
WHERE old.seq < excluded.seq
"""

_NAMES = ("call_id", "goal", "slot", "value", "confirmed", "set_at", "seq")


async def save_slots(connection: Connection, rows: Iterable[SlotRow]) -> None:
    """Add, or replace an earlier value."""
    await connection.execute(_UPSERT, *columns(rows, _NAMES, json=("value",)))
