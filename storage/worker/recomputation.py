"""The night's test of the figures: a day computed anew from its events, held against what was rolled up.

Rolling up is exact by construction; this looks whether construction holds. What differs is said loudly, counted, and
put right. Calls whose log has gaps to this day are measured with what there is, so that every call has figures.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from storage.contribution import COUNTERS, HISTOGRAMS, Key, Sum
from storage.metric_sums import Grain, Sums
from storage.postgres import metrics_hourly
from storage.postgres.call_metrics import (
    contributed,
    contributed_on,
    ended_on,
    hold_calls,
    keys_of_day,
)
from storage.postgres.pool import Connection, Pool
from storage.worker.rollups import CALLS_AT_ONCE, measure_calls

log = logging.getLogger(__name__)

# Between two handfuls of calls: the intake, and whoever else uses this machine, goes first.
_BREATH_S = 0.05


@dataclass(slots=True, kw_only=True)
class Differences:
    """What a day's recomputation found; all of it is put right by the time this is returned."""

    day: str  # YYYY-MM-DD, UTC
    calls: int = 0
    unmeasured: int = 0  # ended, and without figures until now
    changed: int = 0  # calls whose figures were not what their events say
    hours: int = 0  # rows by the hour that were not the sum of their calls
    days: int = 0  # rows by the day that were not the sum of their hours
    figures: list[str] = field(default_factory=list)  # names of what differed, each once

    @property
    def none(self) -> bool:
        return not (self.unmeasured or self.changed or self.hours or self.days)


async def recompute(pool: Pool, day: datetime) -> Differences:
    """Compute the calls that began on this UTC day again, compare, and repair.

    Each handful of calls and the sums are transactions of their own: cancelling or failing leaves the figures as
    good as they were, and doing it again finds the rest. Raises what Postgres raises.
    """
    day = day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = Differences(day=f"{day:%Y-%m-%d}")
    async with pool.acquire() as connection:
        call_ids = await ended_on(connection, day)
    found.calls = len(call_ids)
    for start in range(0, len(call_ids), CALLS_AT_ONCE):
        async with pool.acquire() as connection, connection.transaction():
            await _calls(connection, call_ids[start : start + CALLS_AT_ONCE], found)
        await asyncio.sleep(_BREATH_S)
    async with pool.acquire() as connection, connection.transaction():
        await _sums(connection, day, found)
    return found


async def recompute_yesterday(pool: Pool) -> None:
    """The duty: yesterday by UTC, when its calls are over."""
    found = await recompute(pool, datetime.now(UTC) - timedelta(days=1))
    if found.none:
        log.info("worker.metrics_recomputed day=%s calls=%d differences=0", found.day, found.calls)
        return
    log.error(
        "worker.metrics_differ day=%s calls=%d unmeasured=%d changed=%d hours=%d days=%d figures=%s: repaired; "
        "look for worker.rollup_failed, and for a program that writes metrics_hourly besides the worker",
        found.day,
        found.calls,
        found.unmeasured,
        found.changed,
        found.hours,
        found.days,
        ",".join(found.figures),
    )


async def _calls(connection: Connection, call_ids: list[str], found: Differences) -> None:
    await hold_calls(connection, call_ids)
    before = await contributed(connection, call_ids)
    await measure_calls(connection, call_ids, incomplete_too=True)
    after = await contributed(connection, call_ids)
    for call_id, (key, contribution) in after.items():
        if call_id not in before:
            found.unmeasured += 1
        elif before[call_id] != (key, contribution):
            found.changed += 1
            old = before[call_id][1]
            _name(
                found,
                [name for name in COUNTERS if old.counters.get(name) != contribution.counters.get(name)],
            )
            _name(
                found,
                [n for n in HISTOGRAMS if old.histograms.get(n) != contribution.histograms.get(n)],
            )


async def _sums(connection: Connection, day: datetime, found: Differences) -> None:
    # First the rows, locked: whoever adds to them meanwhile waits, and adds to what we leave. Then the calls.
    await metrics_hourly.hold(connection, await keys_of_day(connection, day))
    hours = await metrics_hourly.rows_of_day(connection, "hour", day)
    days = await metrics_hourly.rows_of_day(connection, "day", day)
    expected: dict[Key, Sum] = {}
    async for key, contribution in contributed_on(connection, day):
        expected.setdefault(key, Sum()).add(contribution)
    expected_days: dict[Key, Sum] = {}
    for key, total in expected.items():
        of_day = msgspec.structs.replace(key, hour=metrics_hourly.day_of(key.hour))
        expected_days.setdefault(of_day, Sum()).join(total)
    found.hours = await _repair(connection, "hour", hours, expected, found)
    found.days = await _repair(connection, "day", days, expected_days, found)


async def _repair(
    connection: Connection,
    grain: Grain,
    stored: Mapping[Key, Sums],
    expected: Mapping[Key, Sum],
    found: Differences,
) -> int:
    wrong: dict[Key, Sum] = {}
    for key in {*stored, *expected}:
        right = expected.get(key, Sum())
        names = _differing(stored.get(key), right)
        if names:
            wrong[key] = right
            _name(found, names)
    await metrics_hourly.replace(connection, grain, wrong)
    return len(wrong)


def _differing(stored: Sums | None, right: Sum) -> list[str]:
    if stored is None:
        return [] if right.empty else ["calls"]
    counters = [*stored.counters, *[0] * (len(COUNTERS) - len(stored.counters))]
    names = [name for name, old, new in zip(COUNTERS, counters, right.counters, strict=False) if old != new]
    for name, counts in right.dense_histograms().items():
        if _trimmed(stored.histograms[name]) != _trimmed(counts):
            names.append(name)
    return names


def _trimmed(counts: Sequence[int]) -> list[int]:
    length = len(counts)
    while length and not counts[length - 1]:
        length -= 1
    return list(counts[:length])


def _name(found: Differences, names: list[str]) -> None:
    found.figures += [name for name in names if name not in found.figures]
