"""The duty that deletes calls which have been kept long enough, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime

import asyncpg

from storage.postgres.forgetting import forget_calls
from storage.postgres.pool import Pool
from storage.postgres.retention import Retention, drop_empty_months, expired, retentions

log = logging.getLogger(__name__)

# Calls in one transaction: some 20,000 rows, a second at most, so that nobody waits long for what it holds.
AT_ONCE = 200
# Between two of them: what stores new calls comes first.
_BREATH_S = 0.05

_AUDIT = """
INSERT INTO audit_log (tenant, actor, action, subject, data) VALUES ($1, 'retention', 'calls.expired', $2, $3)
"""


async def retention(pool: Pool) -> None:
    """Delete what every agent's retention is over for, then drop months that are empty of calls.

    Each handful is a transaction of its own: cancelled at any moment, the next time goes on from there. Every
    agent's counts go into the audit log.
    """
    await sweep(pool, datetime.now(UTC))


async def sweep(pool: Pool, now: datetime, *, at_once: int = AT_ONCE) -> Counter[str]:
    """See `retention`. Returns the rows that went, by table; `calls` for the calls."""
    total: Counter[str] = Counter()
    try:
        async with pool.acquire() as connection:
            said = await retentions(connection)
        for each in said:
            total += await _of_agent(pool, each, now, at_once)
        async with pool.acquire() as connection:
            dropped = await drop_empty_months(connection, said, now)
    except asyncpg.InsufficientPrivilegeError as error:
        log.error(
            "worker.retention_not_allowed error=%s: agents ask for their calls to be deleted, and this worker's "
            "login may not; GRANT cordboard_keeper TO it",
            error,
        )
        return total
    if dropped:
        log.info("worker.months_dropped partitions=%d", len(dropped))
    return total


async def _of_agent(pool: Pool, kept: Retention, now: datetime, at_once: int) -> Counter[str]:
    total: Counter[str] = Counter()
    try:
        while True:
            async with pool.acquire() as connection, connection.transaction():
                call_ids = await expired(connection, kept, now, at_once)
                if call_ids:
                    total += await forget_calls(connection, kept.tenant, call_ids, because="expired")
                    total["calls"] += len(call_ids)
            if len(call_ids) < at_once:
                return total
            await asyncio.sleep(_BREATH_S)
    finally:
        if total:  # what is committed is on record, also when this ends here
            await asyncio.shield(_audit(pool, kept, total))


async def _audit(pool: Pool, kept: Retention, total: Counter[str]) -> None:
    log.info("worker.calls_expired agent=%s days=%d calls=%d", kept.agent, kept.days, total["calls"])
    async with pool.acquire() as connection:
        await connection.execute(
            _AUDIT,
            kept.tenant,
            f"agent:{kept.agent}",
            {"days": kept.days, **{k: v for k, v in total.items() if v}},
        )
