"""Which tools ran, with what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import ToolCallRow

# Each half fills its own columns, so it does not matter which comes first or how often.
_UPSERT = """
INSERT INTO tool_calls AS old
       (call_id, call_item_id, name, arguments, called_at, finished_at, ok, duration_ms, output, error)
SELECT call_id, call_item_id, name, arguments::jsonb, called_at, finished_at, ok, duration_ms, output::jsonb,
       error
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
            $7::boolean[], $8::bigint[], $9::text[], $10::text[])
     AS new (call_id, call_item_id, name, arguments, called_at, finished_at, ok, duration_ms, output, error)
ORDER BY call_id, call_item_id
ON CONFLICT (call_id, call_item_id) DO UPDATE
SET arguments = coalesce(excluded.arguments, old.arguments),
    called_at = coalesce(excluded.called_at, old.called_at),
    finished_at = coalesce(excluded.finished_at, old.finished_at),
    ok = coalesce(excluded.ok, old.ok),
    duration_ms = coalesce(excluded.duration_ms, old.duration_ms),
    output = coalesce(excluded.output, old.output),
    error = coalesce(excluded.error, old.error)
"""

_NAMES = (
    "call_id",
    "call_item_id",
    "name",
    "arguments",
    "called_at",
    "finished_at",
    "ok",
    "duration_ms",
    "output",
    "error",
)


async def save_tool_calls(connection: Connection, rows: Iterable[ToolCallRow]) -> None:
    """Add, or complete with the other half."""
    await connection.execute(_UPSERT, *columns(rows, _NAMES, json=("arguments", "output")))
