"""Whose calls they are: found by a number, in every place where it can stand. And the person's own rows.

A number is found as caller or called, and in anything that was said, recorded, asked of a tool or booked, written
with spaces, dashes or full-width digits. Not found: a number that is on record in words only ("oh nine oh …").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.call_ids import lowest_call_id
from storage.erasure import number_pattern
from storage.postgres.pool import Connection

# A call that has no end after this long has none: its server never came back.
LONGEST_CALL = timedelta(days=1)

# A month of events is read from end to end, which may take minutes where there are many.
_LONG_QUERY_S = 3600.0

_MONTHS = """
SELECT DISTINCT right(child.relname, 7) AS month
FROM pg_inherits
     JOIN pg_class AS child ON child.oid = inhrelid
     JOIN pg_class AS parent ON parent.oid = inhparent
WHERE parent.relnamespace = current_schema()::regnamespace AND parent.relname = 'events'
  AND child.relname ~ '_\\d{4}_\\d{2}$'
ORDER BY month DESC
"""
_PARTIES = "SELECT call_id::text FROM call_sessions WHERE tenant = $1 AND (caller = $2 OR called = $2)"
_SAID = """
SELECT DISTINCT call_id::text FROM events
WHERE tenant = $1 AND call_id >= $2 AND call_id < $3 AND data::text ~ $4
"""
_BOOKED = """
SELECT a.call_id::text FROM appointments AS a JOIN customers AS c ON c.id = a.customer_id
WHERE c.tenant = $1 AND c.phone = $2 AND a.call_id IS NOT NULL
"""
_LETTERS = """
SELECT DISTINCT substring(encode(raw, 'escape') FROM '"call_id" *: *"([0-9a-f-]{36})"')
FROM dead_letters WHERE encode(raw, 'escape') ~ $1
"""
_FORGET_LETTERS = "DELETE FROM dead_letters WHERE encode(raw, 'escape') ~ $1"
_RUNNING = """
SELECT call_id::text FROM call_sessions
WHERE call_id = ANY ($1::uuid[]) AND state <> 'ended' AND call_id >= $2 ORDER BY call_id
"""

_THEIRS = """
FROM appointments
WHERE tenant = $1 AND (customer_id IN (SELECT id FROM customers WHERE tenant = $1 AND phone = $2)
                       OR call_id = ANY ($3::uuid[]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One place has been looked through."""

    place: str  # "callers", "2026-11", …
    call_ids: frozenset[str]


async def find_calls(connection: Connection, tenant: str, number: str) -> AsyncIterator[Looked]:
    """Look for an E.164 number, place by place. Reads the whole log: some five seconds for a million events."""
    pattern = number_pattern(number)

    async def among(place: str, query: str, *values: object) -> Looked:
        rows = await connection.fetch(query, *values, timeout=_LONG_QUERY_S)
        return Looked(place=place, call_ids=frozenset(row[0] for row in rows if row[0] is not None))

    yield await among("callers", _PARTIES, tenant, number)
    yield await among("appointments", _BOOKED, tenant, number)
    yield await among("dead letters", _LETTERS, pattern)
    for name, lower, upper in await _spans(connection):
        yield await among(name, _SAID, tenant, lower, upper, pattern)


async def still_running(connection: Connection, call_ids: Collection[str], now: datetime) -> list[str]:
    """Those of these calls that have no end on record and are young enough to run."""
    rows = await connection.fetch(_RUNNING, sorted(call_ids), lowest_call_id(now - LONGEST_CALL))
    return [row[0] for row in rows]


async def count_customer(
    connection: Connection, tenant: str, number: str | None, call_ids: Collection[str]
) -> Counter[str]:
    """The customer with this number, and appointments that are theirs or were made in these calls."""
    ids = sorted(call_ids)
    return Counter(
        customers=await connection.fetchval(
            "SELECT count(*) FROM customers WHERE tenant = $1 AND phone = $2", tenant, number
        ),
        appointments=await connection.fetchval(f"SELECT count(*) {_THEIRS}", tenant, number, ids),
    )


async def forget_customer(
    connection: Connection, tenant: str, number: str | None, call_ids: Collection[str]
) -> Counter[str]:
    """Delete what `count_customer` counts; returns how many rows went. The transaction is the caller's."""
    gone = await connection.execute(f"DELETE {_THEIRS}", tenant, number, sorted(call_ids))
    who = await connection.execute("DELETE FROM customers WHERE tenant = $1 AND phone = $2", tenant, number)
    return Counter(appointments=int(gone.split()[-1]), customers=int(who.split()[-1]))


async def forget_letters(connection: Connection, number: str) -> int:
    """Delete dead letters that hold this number, whether it can be told of which call they are or not."""
    status = await connection.execute(_FORGET_LETTERS, number_pattern(number))
    return int(status.split()[-1])


async def _spans(connection: Connection) -> list[tuple[str, str, str]]:
    """(name, lowest id, id above) of each month of the log, the newest first, and of what is in no month."""
    spans = []
    border = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    for (month,) in await connection.fetch(_MONTHS):
        first = datetime.strptime(month, "%Y_%m").replace(tzinfo=UTC)
        lower = lowest_call_id(first)
        spans.append((f"{first:%Y-%m}", lower, border))
        border = lower
    return [*spans, ("before", "00000000-0000-0000-0000-000000000000", border)]
