"""One row a call, and the lists made of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from storage.call_filter import CallFilter
from storage.envelope import rfc3339
from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.projection import CallView, HandoffView, SlotView
from storage.records import CallRow

_UPSERT = """
INSERT INTO call_sessions AS old
       (call_id, tenant, last_seq, state, owner, state_seq, direction, agent, agent_version, caller, called,
        media, node, started_at, answered_at, ended_at, end_reason, duration_ms, outcome, outcome_seq)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[],
            $15::timestamptz[], $16::timestamptz[], $17::text[], $18::bigint[], $19::text[], $20::bigint[])
     AS new (call_id, tenant, last_seq, state, owner, state_seq, direction, agent, agent_version, caller,
             called, media, node, started_at, answered_at, ended_at, end_reason, duration_ms, outcome,
             outcome_seq)
ORDER BY call_id
ON CONFLICT (call_id) DO UPDATE
SET last_seq = greatest(excluded.last_seq, old.last_seq),
    state = CASE WHEN excluded.state_seq > old.state_seq THEN excluded.state ELSE old.state END,
    owner = CASE WHEN excluded.state_seq > old.state_seq THEN excluded.owner ELSE old.owner END,
    state_seq = greatest(excluded.state_seq, old.state_seq),
    direction = coalesce(excluded.direction, old.direction),
    agent = coalesce(excluded.agent, old.agent),
    agent_version = coalesce(excluded.agent_version, old.agent_version),
    caller = coalesce(excluded.caller, old.caller),
    called = coalesce(excluded.called, old.called),
    media = coalesce(excluded.media, old.media),
    node = coalesce(excluded.node, old.node),
    started_at = coalesce(excluded.started_at, old.started_at),
    answered_at = coalesce(excluded.answered_at, old.answered_at),
    ended_at = coalesce(excluded.ended_at, old.ended_at),
    end_reason = coalesce(excluded.end_reason, old.end_reason),
    duration_ms = coalesce(excluded.duration_ms, old.duration_ms),
    outcome = CASE WHEN excluded.outcome_seq > old.outcome_seq THEN excluded.outcome ELSE old.outcome END,
    outcome_seq = greatest(excluded.outcome_seq, old.outcome_seq)
"""

_NAMES = (
    "call_id",
    "tenant",
    "last_seq",
    "state",
    "owner",
    "state_seq",
    "direction",
    "agent",
    "agent_version",
    "caller",
    "called",
    "media",
    "node",
    "started_at",
    "answered_at",
    "ended_at",
    "end_reason",
    "duration_ms",
    "outcome",
    "outcome_seq",
)

# A call with everything that CallView shows; slots and the latest hand-over come along as JSON.
_SELECT = """
SELECT call_id::text AS id, state, direction, agent, agent_version, caller, started_at, answered_at, ended_at,
       end_reason, outcome, owner,
       (SELECT jsonb_agg(jsonb_build_object('goal', goal, 'slot', slot, 'value', value, 'confirmed', confirmed)
                         ORDER BY goal COLLATE "C", slot COLLATE "C")
        FROM slots WHERE slots.call_id = calls.call_id) AS slots,
       (SELECT jsonb_build_object('handoff_id', handoff_id, 'state', handoffs.state, 'reason', reason,
                                  'summary', summary, 'method', method, 'queue', queue, 'operator', operator,
                                  'attempt', coalesce(attempts, 0), 'requested_at',
                                  to_char(requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        FROM handoffs WHERE handoffs.call_id = calls.call_id ORDER BY seq DESC LIMIT 1) AS handoff
FROM call_sessions AS calls
"""

_ONE = _SELECT + "WHERE tenant = $1 AND call_id = $2"

_PAGE = (
    _SELECT
    + """
WHERE tenant = $1
  AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR agent = $3)
  AND ($4::text IS NULL OR outcome = $4)
  AND ($5::text IS NULL OR caller = $5)
  AND ($6::timestamptz IS NULL OR (started_at >= $6 AND call_id >= uuid7_floor($6 - interval '1 day')))
  AND ($7::timestamptz IS NULL OR (started_at < $7 AND call_id < uuid7_floor($7 + interval '1 day')))
  AND ($8::uuid IS NULL OR call_id < $8)
ORDER BY call_id DESC
LIMIT $9
"""
)

_RUNNING = (
    _SELECT.replace("SELECT call_id", "SELECT last_seq, call_id", 1)
    + """
WHERE tenant = $1 AND state <> 'ended' AND call_id >= uuid7_floor($2)
ORDER BY call_id DESC
LIMIT $3
"""
)


async def save_calls(connection: Connection, rows: Iterable[CallRow]) -> None:
    """Add, or bring up to what the latest events say; the order in which they come does not matter."""
    await connection.execute(_UPSERT, *columns(rows, _NAMES))


async def get_call(connection: Connection, tenant: str, call_id: str) -> CallView | None:
    """One call, or None."""
    row = await connection.fetchrow(_ONE, tenant, call_id)
    return None if row is None else _view(dict(row))


async def list_calls(
    connection: Connection,
    tenant: str,
    which: CallFilter,
    *,
    before: str | None,
    limit: int,
) -> list[CallView]:
    """Newest first, those that started before call `before`, at most `limit`.

    The id's own time only says which partitions to read, a day of doubt on each side.
    """
    asked = (which.state, which.agent, which.outcome, which.caller, which.since, which.until)
    return [_view(dict(row)) for row in await connection.fetch(_PAGE, tenant, *asked, before, limit)]


async def running_calls(
    connection: Connection, tenant: str, *, since: datetime, limit: int
) -> list[tuple[CallView, int]]:
    """Calls without an end on record that began after `since`, newest first, each with its last seq."""
    return [
        (_view({name: value for name, value in row.items() if name != "last_seq"}), row["last_seq"])
        for row in await connection.fetch(_RUNNING, tenant, since, limit)
    ]


def _view(row: dict[str, Any]) -> CallView:
    fields = {name: _text(value) for name, value in row.items() if name not in ("slots", "handoff")}
    slots = msgspec.convert(row["slots"] or [], list[SlotView])
    return CallView(**fields, slots=slots, handoff=msgspec.convert(row["handoff"], HandoffView | None))


def _text(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value
