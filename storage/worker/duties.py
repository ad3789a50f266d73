"""What the worker does beside the intake, from time to time: look ahead, check, tidy.

Of several workers one has the duties: the one that holds an advisory lock in Postgres. When it goes, another
has them within a minute. Duties run one at a time; an error is one line in the log, and the next time is the
next try. Nothing here may hold up the intake, so there is no queue: a duty that is late is simply late.

To add a duty, put it into DUTIES; it gets the pool and takes a connection when it needs one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from storage.postgres.partitions import make_ahead, stray_rows
from storage.postgres.pool import UNREACHABLE, Connection, Pool
from storage.postgres.search import make_searchable
from storage.postgres.standing_check import check_ended_calls
from storage.worker.recomputation import recompute_yesterday
from storage.worker.retention import retention

log = logging.getLogger(__name__)

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

# How soon another worker takes over from a lost one; asking costs one tiny query.
_ASK_EVERY_S = 60.0

# After a failure of the server or a table that is busy; a duty of once a day must not be left out for that.
_AGAIN_AFTER_S = 600.0

# "cordduty" in ASCII; any number will do that nobody else on this database uses.
_LOCK = int.from_bytes(b"cordduty", "big")

_SERVER_FAILURES = (*UNREACHABLE, asyncpg.PostgresError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something to do again and again: at once when the worker starts, then every `every_s` seconds."""

    name: str
    every_s: float
    work: Callable[[Pool], Awaitable[None]]


async def months_ahead(pool: Pool) -> None:
    """The next months have their partitions; rows that no month has claimed are an alarm."""
    async with pool.acquire() as connection:
        made = await make_ahead(connection, datetime.now(UTC).date())
        strays = await stray_rows(connection)
    if made:
        log.info("worker.months_made partitions=%d", len(made))
    if strays:
        log.error(
            "worker.stray_rows tables=%s: rows whose call id belongs to no month lie in the DEFAULT partitions "
            "and are not reached by retention; call ids must be UUIDv7",
            strays,
        )


async def standing_check(pool: Pool) -> None:
    """Every call that ended in the last hour has all of its events."""
    async with pool.acquire() as connection:
        found = await check_ended_calls(connection, datetime.now(UTC))
    if found.incomplete:
        log.error(
            "worker.standing_check calls=%d incomplete=%d call_ids=%s: events are missing; look whether a media "
            "server still has them in its outbox, and at dead_letters",
            found.calls,
            len(found.incomplete),
            list(found.incomplete[:10]),
        )
    else:
        log.info("worker.standing_check calls=%d incomplete=0", found.calls)


async def searchable(pool: Pool) -> None:
    """Utterances from before there was search, or from a worker of that time, get their search columns.

    At most 50,000 rows a time (about five seconds, in transactions of 500), so that other duties get their turn.
    """
    filled = 0
    for _ in range(100):
        async with pool.acquire() as connection:
            filled += (count := await make_searchable(connection, 500))
        if count < 500:
            break
    if filled:
        log.info("worker.made_searchable utterances=%d", filled)


DUTIES: tuple[Duty, ...] = (
    Duty(name="months_ahead", every_s=DAY_S, work=months_ahead),
    Duty(name="searchable", every_s=60.0, work=searchable),
    Duty(name="standing_check", every_s=HOUR_S, work=standing_check),
    Duty(name="recompute_yesterday", every_s=DAY_S, work=recompute_yesterday),
    Duty(name="retention", every_s=DAY_S, work=retention),
)


async def run_duties(
    pool: Pool, duties: Sequence[Duty] = DUTIES, *, ask_every_s: float = _ASK_EVERY_S
) -> None:
    """Do them when they are due, as long as this worker is the one that has them. Until cancelled.

    Cancelling is safe at any time: the query at hand is cancelled and its transaction rolled back.
    """
    due: dict[str, float] = {}
    while True:
        try:
            async with pool.acquire() as connection:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    await _on_duty(connection, pool, duties, due, ask_every_s)
        except _SERVER_FAILURES as error:
            # The intake says so in the log when Postgres is away.
            log.debug("worker.duties_wait error=%s", str(error) or type(error).__name__)
        await asyncio.sleep(ask_every_s)


async def _on_duty(
    connection: Connection, pool: Pool, duties: Sequence[Duty], due: dict[str, float], ask_every_s: float
) -> None:
    """Returns never; raises when the connection that holds the lock is lost."""
    loop = asyncio.get_running_loop()
    while True:
        for duty in duties:
            if due.setdefault(duty.name, loop.time()) > loop.time():
                continue
            await connection.execute("SELECT 1")  # still ours?
            again_in_s = await _do(duty, pool)
            due[duty.name] = loop.time() + again_in_s
        await asyncio.sleep(max(0.0, min(min(due.values()) - loop.time(), ask_every_s)))
        await connection.execute("SELECT 1")


async def _do(duty: Duty, pool: Pool) -> float:
    """Do it; returns in how many seconds it is due again."""
    try:
        await duty.work(pool)
    except _SERVER_FAILURES as error:
        again_in_s = min(duty.every_s, _AGAIN_AFTER_S)
        log.warning(
            "worker.duty_failed duty=%s again_in_s=%.0f error=%s",
            duty.name,
            again_in_s,
            str(error) or type(error).__name__,
        )
        return again_in_s
    except Exception:
        log.exception("worker.duty_failed duty=%s again_in_s=%.0f", duty.name, duty.every_s)
    return duty.every_s
