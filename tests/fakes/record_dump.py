"""The whole record of a database, for "nothing changed" and "these are the same"."""

from __future__ import annotations

import asyncpg

TABLES = {
    "call_sessions": "call_id",
    "events": "call_id, seq",
    "transcripts": "call_id, item_id",
    "tool_calls": "call_id, call_item_id",
    "slots": "call_id, goal, slot",
    "handoffs": "call_id, handoff_id",
    "call_metrics": "call_id",
}

# The contract's standing check: a call whose events do not add up.
INCOMPLETE = """
SELECT c.call_id
FROM call_sessions AS c LEFT JOIN events AS e USING (call_id)
GROUP BY c.call_id
HAVING count(*) <> max(e.seq) + 1
    OR max(e.seq) < coalesce(max((e.data->>'last_seq')::bigint) FILTER (WHERE e.type = 'call.ended'), 0)
"""


async def dump(database_url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table about calls, in the order of its key, without when it was stored."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {}
        for table, key in TABLES.items():
            rows = await connection.fetch(f"SELECT * FROM {table} ORDER BY {key}")
            found[table] = [tuple(v for n, v in row.items() if n != "stored_at") for row in rows]
        return found
    finally:
        await connection.close()


async def rows(database_url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database_url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def count_events(database_url: str) -> int:
    (count,) = (await rows(database_url, "SELECT count(*) FROM events"))[0]
    assert isinstance(count, int)
    return count
