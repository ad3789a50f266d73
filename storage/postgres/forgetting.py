"""Calls taken out of every table: by retention, and when a person wants to be forgotten.

events, call_sessions, transcripts (with its search columns), tool_calls, slots, handoffs   the rows go
dead_letters     what came of these calls and could not be stored goes
call_metrics     the row keeps what the call has added to its hour, so that sums stay right and can still be
                 compared; it says nothing about anybody. What else stood in it goes
metrics_hourly   untouched: sums over calls
recordings       marked, and removed by whoever has the file; the row stays and says why
audit_log        a refusal stays, what was asked for goes
appointments     untouched: they belong to the business; see `erasure.forget_customer`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from storage.postgres.pool import Connection
from storage.postgres.recordings import Because, delete_recordings

# The log first: what is stored of a call at the same time waits for it there (storage/postgres/record.py).
TABLES = ("events", "call_sessions", "transcripts", "tool_calls", "slots", "handoffs")

# A letter that could be read names its call; of one that could not, the bytes are searched.
_LETTERS = """
FROM dead_letters WHERE split_part(entry_id, ':', 1) = ANY ($1::text[])
   OR substring(encode(raw, 'escape') FROM '"call_id" *: *"([0-9a-f-]{36})"') = ANY ($1::text[])
   OR substring(encode(raw, 'escape') FROM '"id" *: *"([0-9a-f-]{36}):') = ANY ($1::text[])
"""

_FIGURES = """
UPDATE call_metrics
SET data = '{}', turns = NULL, interruptions = NULL, latency_p50_ms = NULL, latency_p95_ms = NULL
WHERE call_id = ANY ($1::uuid[]) AND data <> '{}'
"""

_RECORDED = """
SELECT call_id::text FROM recordings
WHERE call_id = ANY ($1::uuid[]) AND (deleted_at IS NULL OR removed_at IS NULL)
"""


async def count_calls(connection: Connection, call_ids: Sequence[str]) -> Counter[str]:
    """Rows of these calls by table; `recordings` counts files."""
    counts: Counter[str] = Counter()
    for table in (*TABLES, "call_metrics"):
        condition = " AND data <> '{}'" if table == "call_metrics" else ""
        counts[table] = await connection.fetchval(
            f"SELECT count(*) FROM {table} WHERE call_id = ANY ($1::uuid[]){condition}",  # noqa: S608 - ours
            call_ids,
        )
    counts["dead_letters"] = await connection.fetchval(f"SELECT count(*) {_LETTERS}", call_ids)
    counts["recordings"] = len(await connection.fetch(_RECORDED, call_ids))
    return counts


async def forget_calls(
    connection: Connection, tenant: str, call_ids: Sequence[str], *, because: Because
) -> Counter[str]:
    """Take these calls out of every table; returns how many rows went, by table. The transaction is the caller's.

    Erased calls are marked in `recordings` whether they have one or not, so that a file which turns up later goes,
    too. Calls that are stored at the same time: see `tombstones`.
    """
    counts: Counter[str] = Counter()
    for table in TABLES:
        status = await connection.execute(
            f"DELETE FROM {table} WHERE call_id = ANY ($1::uuid[])",  # noqa: S608 - ours
            call_ids,
        )
        counts[table] = _rows(status)
    counts["dead_letters"] = _rows(await connection.execute(f"DELETE {_LETTERS}", call_ids))
    counts["call_metrics"] = _rows(await connection.execute(_FIGURES, call_ids))
    counts["audit_log"] = await connection.fetchval("SELECT forget_in_audit($1::uuid[])", call_ids)
    recorded = [row[0] for row in await connection.fetch(_RECORDED, call_ids)]
    await delete_recordings(
        connection, tenant, call_ids if because == "erased" else recorded, because=because
    )
    counts["recordings"] = len(recorded)
    return counts


def _rows(status: str) -> int:
    """`DELETE 12` → 12."""
    return int(status.rpartition(" ")[2])
