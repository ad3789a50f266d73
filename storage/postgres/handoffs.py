"""Hand-overs to people, one row each."""

from __future__ import annotations

from collections.abc import Iterable

from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import HandoffRow

_UPSERT = """
INSERT INTO handoffs AS old
       (call_id, handoff_id, state, reason, summary, method, requested_at, changed_at, seq,
        queue, attempts, operator, operator_seq, waited_ms)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::bigint[], $10::text[], $11::integer[], $12::text[], $13::bigint[],
            $14::bigint[])
     AS new (call_id, handoff_id, state, reason, summary, method, requested_at, changed_at, seq,
             queue, attempts, operator, operator_seq, waited_ms)
ORDER BY call_id, handoff_id
ON CONFLICT (call_id, handoff_id) DO UPDATE
SET reason = coalesce(excluded.reason, old.reason),
    summary = coalesce(excluded.summary, old.summary),
    method = coalesce(excluded.method, old.method),
    requested_at = least(excluded.requested_at, old.requested_at),
    state = CASE WHEN excluded.seq > old.seq THEN excluded.state ELSE old.state END,
    changed_at = CASE WHEN excluded.seq > old.seq THEN excluded.changed_at ELSE old.changed_at END,
    seq = greatest(excluded.seq, old.seq),
    queue = coalesce(excluded.queue, old.queue),
    attempts = greatest(excluded.attempts, old.attempts),
    operator = CASE WHEN excluded.operator_seq > coalesce(old.operator_seq, -1)
                    THEN excluded.operator ELSE old.operator END,
    operator_seq = greatest(excluded.operator_seq, old.operator_seq),
    waited_ms = least(excluded.waited_ms, old.waited_ms)
"""

_NAMES = (
    "call_id",
    "handoff_id",
    "state",
    "reason",
    "summary",
    "method",
    "requested_at",
    "changed_at",
    "seq",
    "queue",
    "attempts",
    "operator",
    "operator_seq",
    "waited_ms",
)


async def save_handoffs(connection: Connection, rows: Iterable[HandoffRow]) -> None:
    """Add, or bring to the state of the latest event."""
    await connection.execute(_UPSERT, *columns(rows, _NAMES))
