"""The contract's standing check: `count(*) = max(seq)+1 and max(seq) >= last_seq` for every ended call.

Numbers are given without gaps by the one process that owns the call, and `call.ended` says which was the last.
So a missing row is provable, and this proves that none is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.call_ids import lowest_call_id
from storage.postgres.pool import Connection

# Longer than any call lasts, so that a call that ended within the span is found by its id.
_LONGEST_CALL = timedelta(days=2)

# Events of a call reach the table in any order; those still on their way are not missing yet.
_SETTLING = timedelta(minutes=5)

_CHECK = """
WITH ended AS (
    SELECT call_id FROM call_sessions
    WHERE call_id >= $1 AND state = 'ended' AND ended_at >= $2 AND ended_at < $3
), counted AS (
    SELECT ended.call_id, count(e.seq) AS found, coalesce(max(e.seq), -1) AS highest,
           max(CASE WHEN jsonb_typeof(e.data->'last_seq') = 'number' THEN (e.data->>'last_seq')::numeric END)
               FILTER (WHERE e.type = 'call.ended') AS last_seq
    FROM ended LEFT JOIN events AS e ON e.call_id = ended.call_id AND e.call_id >= $1
    GROUP BY ended.call_id
)
SELECT count(*) AS calls,
       coalesce(array_agg(call_id::text ORDER BY call_id)
                FILTER (WHERE found <> highest + 1 OR last_seq IS NULL OR highest < last_seq), '{}') AS incomplete
FROM counted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How many ended calls were looked at, and the ids of those whose events do not add up."""

    calls: int
    incomplete: tuple[str, ...]


async def check_ended_calls(
    connection: Connection, now: datetime, *, within: timedelta = timedelta(hours=1)
) -> Finding:
    """Look at the calls that ended `within` this time until five minutes ago: asked every `within`, each call is
    looked at once."""
    row = await connection.fetchrow(
        _CHECK, lowest_call_id(now - within - _LONGEST_CALL), now - within - _SETTLING, now - _SETTLING
    )
    assert row is not None
    return Finding(calls=row["calls"], incomplete=tuple(row["incomplete"]))
