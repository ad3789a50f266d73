"""How long calls are kept: each agent's document says so in days, counted from the call's beginning.

What is deleted, and what stays: see `forgetting`. Calls of an agent that says nothing are kept for good, and so are
those of an agent that nobody knows any more and that said nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from storage.call_ids import lowest_call_id
from storage.postgres.partitions import drop_before
from storage.postgres.pool import Connection, Database

_SAY = """
INSERT INTO agent_retention AS old (tenant, agent, days)
SELECT $1, agent, days FROM unnest($2::text[], $3::integer[]) AS new (agent, days) ORDER BY agent
ON CONFLICT (tenant, agent) DO UPDATE SET days = excluded.days, set_at = now()
WHERE old.days IS DISTINCT FROM excluded.days
"""
_SAID = "SELECT tenant, agent, days FROM agent_retention WHERE days IS NOT NULL ORDER BY tenant, agent"
_EXPIRED = """
SELECT call_id::text FROM call_sessions
WHERE tenant = $1 AND agent = $2 AND call_id < $3 ORDER BY call_id LIMIT $4
"""
_ANY_BEFORE = "SELECT EXISTS (SELECT FROM call_sessions WHERE call_id < $1)"
# Months that have begun before this one and are still there.
_MONTHS_BEFORE = """
SELECT count(*) FROM pg_inherits
     JOIN pg_class AS child ON child.oid = inhrelid
     JOIN pg_class AS parent ON parent.oid = inhparent
WHERE parent.relnamespace = current_schema()::regnamespace AND parent.relname = 'events'
  AND child.relname ~ '_\\d{4}_\\d{2}$'
  AND to_date(right(child.relname, 7), 'YYYY_MM') < $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What one agent's document says."""

    tenant: str
    agent: str
    days: int

    def border(self, now: datetime) -> str:
        """Calls with a lower id have been kept long enough."""
        return lowest_call_id(now - timedelta(days=self.days))


async def retentions(connection: Connection) -> list[Retention]:
    """Of every agent that does not keep its calls for good."""
    return [Retention(**row) for row in await connection.fetch(_SAID)]


async def expired(connection: Connection, kept: Retention, now: datetime, limit: int) -> list[str]:
    """Calls that have been kept long enough, the oldest first."""
    rows = await connection.fetch(_EXPIRED, kept.tenant, kept.agent, kept.border(now), limit)
    return [row[0] for row in rows]


async def drop_empty_months(connection: Connection, said: list[Retention], now: datetime) -> list[str]:
    """Drop the months that nobody has calls in any more and that lie behind the longest retention: at once, with
    what is left in them. Returns what was dropped.

    A month in which anybody's call is kept stays. Raises asyncpg.LockNotAvailableError where a table is in use.
    """
    if not said:
        return []
    # Yesterday's figures are computed again every night from what stands beside the calls.
    longest = max(2, max(each.days for each in said))
    first_kept: date = (now - timedelta(days=longest)).date().replace(day=1)
    lowest = lowest_call_id(now.replace(year=first_kept.year, month=first_kept.month, day=1,
                                        hour=0, minute=0, second=0, microsecond=0))  # fmt: skip
    if not await connection.fetchval(_MONTHS_BEFORE, first_kept):
        return []
    if await connection.fetchval(_ANY_BEFORE, lowest):
        return []
    return await drop_before(connection, first_kept)


class RetentionBook:
    """Where the media servers of one tenant put down what their agents say."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def say(self, days: Mapping[str, int | None]) -> None:
        """Agent → days, None for good. Raises RecordUnavailableError."""
        async with self._database.connection() as connection:
            await connection.execute(_SAY, self._tenant, list(days), list(days.values()))
