"""The record as it is in Postgres, and as an undisturbed worker would have made it out of the same events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio

from storage.channels import FIELD, STREAMS, stream_of
from storage.codec import encode
from storage.contribution import COUNTERS
from storage.envelope import VERSION, Envelope, rfc3339
from storage.postgres.pool import connect_pool
from storage.worker.run import run_worker
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, dump, rows

Tables = dict[str, list[tuple[object, ...]]]

UNENDED = "SELECT call_id FROM call_sessions WHERE state <> 'ended'"
SUMS = ("metrics_hourly", "metrics_daily")
ROLLED_UP = f"SELECT coalesce(sum(counters[{COUNTERS.index('calls') + 1}]), 0)::int FROM metrics_hourly"
ENDED = "SELECT count(*)::int FROM call_sessions WHERE state = 'ended'"
LETTERS = "SELECT raw FROM dead_letters"


async def read_events(database_url: str) -> list[Envelope]:
    """The whole log, as it would be served."""
    pool = await connect_pool(database_url)
    try:
        found = await pool.fetch("SELECT call_id::text, seq, tenant, type, at, data FROM events")
    finally:
        await pool.close()
    return [
        Envelope(
            v=VERSION,
            id=f"{row['call_id']}:{row['seq']}",
            tenant=row["tenant"],
            call_id=row["call_id"],
            seq=row["seq"],
            at=rfc3339(row["at"]),
            type=row["type"],
            data=row["data"],
        )
        for row in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingChecks:
    """What anybody may ask of the tables at any time."""

    incomplete: int  # calls for which count(*) = max(seq) + 1 and max(seq) >= last_seq does not hold
    unended: int
    ended: int
    rolled_up: int  # calls in metrics_hourly
    dead_letters: list[bytes]  # as they came


async def standing_checks(database_url: str) -> StandingChecks:
    return StandingChecks(
        incomplete=len(await rows(database_url, INCOMPLETE)),
        unended=len(await rows(database_url, UNENDED)),
        ended=await _number(database_url, ENDED),
        rolled_up=await _number(database_url, ROLLED_UP),
        dead_letters=[raw for (raw,) in await rows(database_url, LETTERS) if isinstance(raw, bytes)],
    )


async def tables(database_url: str) -> Tables:
    """Every table about calls, and the sums over them."""
    found = await dump(database_url)
    for table in SUMS:
        sums = [tuple(map(_shortened, row)) for row in await rows(database_url, f"SELECT * FROM {table}")]
        # Sums that went up and down again are as good as none.
        found[table] = [row for row in sums if any(isinstance(value, list) and value for value in row)]
    return found


def _shortened(value: object) -> object:
    """A histogram means the same with noughts at its end."""
    if isinstance(value, list):
        while value and value[-1] == 0:
            value = value[:-1]
    return value


async def undisturbed(events: Sequence[Envelope], redis_url: str, database_url: str) -> Tables:
    """The tables that one worker makes of `events`, each delivered once and in order. Redis must be empty."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(redis_url, database_url, stop=stop, consumer="undisturbed"))
    try:
        async with redis.asyncio.from_url(redis_url) as client:
            async with client.pipeline(transaction=False) as pipeline:
                for envelope in sorted(events, key=lambda each: (each.call_id, each.seq)):
                    pipeline.xadd(stream_of(envelope.call_id), {FIELD: encode(envelope)})
                await pipeline.execute()

            async def nothing_waits() -> bool:
                return sum([await client.xlen(stream) for stream in STREAMS]) == 0

            await eventually(nothing_waits, within=60)
    finally:
        stop.set()
        await worker
    return await tables(database_url)


async def _number(database_url: str, query: str) -> int:
    ((number,),) = await rows(database_url, query)
    assert isinstance(number, int)
    return number
