"""The roll-up of all calls: a row for every agent's version and hour, and the same by the day.

Writing is adding, in the transaction that stores the calls; readers sum rows. Rows are always touched in the same
order, hours before days and each by its key, so that two writers cannot wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from storage.contribution import HISTOGRAMS, Key, Sum
from storage.metric_sums import Grain, Sums, Window, added_up
from storage.postgres.pool import Connection

_TABLES: Mapping[Grain, str] = {"hour": "metrics_hourly", "day": "metrics_daily"}
FIGURES = ("counters", *HISTOGRAMS)
_COLUMNS = ("tenant", "agent", "agent_version", "hour", *FIGURES)

# One JSON text for all rows: an array of arrays would have to be rectangular.
_ADD = """
INSERT INTO {table} AS old ({columns})
SELECT {columns}
FROM jsonb_to_recordset($1::text::jsonb)
     AS new (tenant text, agent text, agent_version text, hour timestamptz, {typed})
ORDER BY tenant COLLATE "C", agent COLLATE "C", agent_version COLLATE "C", hour
ON CONFLICT (tenant, agent, agent_version, hour) DO UPDATE SET {set}
"""
# Most calls add to few histograms; the others are not touched.
_ADDED = ", ".join(
    f"{name} = CASE excluded.{name} WHEN '{{}}' THEN old.{name} ELSE added_up(old.{name}, excluded.{name}) END"
    for name in FIGURES
)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in FIGURES)

_WINDOW = """
SELECT hour, {figures} FROM {table}
WHERE tenant = $1 AND hour >= $2 AND hour < $3
  AND ($4::text IS NULL OR agent = $4) AND ($5::text IS NULL OR agent_version = $5)
"""
_OF_DAY = """
SELECT {columns} FROM {table}
WHERE hour >= $1 AND hour < $2
ORDER BY tenant COLLATE "C", agent COLLATE "C", agent_version COLLATE "C", hour
FOR UPDATE
"""


def day_of(hour: str) -> str:
    """The key of the day that an hour belongs to."""
    return f"{hour[:10]}T00:00:00Z"


async def add(connection: Connection, sums: Mapping[Key, Sum]) -> None:
    """Add these to their hours and days. What adds nothing is left out. The transaction is the caller's."""
    await _add(connection, {key: each for key, each in sums.items() if not each.empty})


async def hold(connection: Connection, keys: Iterable[Key]) -> None:
    """See that these rows are there; until the transaction ends nobody else changes them or their days."""
    await _add(connection, {key: Sum() for key in keys})


async def replace(connection: Connection, grain: Grain, rows: Mapping[Key, Sum]) -> None:
    """Put these in the place of what stands there."""
    if rows:
        await _write(connection, grain, {key: [each] for key, each in rows.items()}, _REPLACED)


async def _add(connection: Connection, hours: Mapping[Key, Sum]) -> None:
    if not hours:
        return
    days: dict[Key, list[Sum]] = {}
    for key, each in hours.items():
        days.setdefault(msgspec.structs.replace(key, hour=day_of(key.hour)), []).append(each)
    await _write(connection, "hour", {key: [each] for key, each in hours.items()}, _ADDED)
    await _write(connection, "day", days, _ADDED)


async def _write(
    connection: Connection, grain: Grain, rows: Mapping[Key, Sequence[Sum]], change: str
) -> None:
    statement = _ADD.format(
        table=_TABLES[grain],
        columns=", ".join(_COLUMNS),
        typed=", ".join(f"{name} bigint[]" for name in FIGURES),
        set=change,
    )
    plain = [_row(key, sums) for key, sums in rows.items()]
    await connection.execute(statement, msgspec.json.encode(plain).decode())


def _row(key: Key, sums: Sequence[Sum]) -> dict[str, Any]:
    if len(sums) == 1:
        whole = sums[0]
    else:
        whole = Sum()
        for each in sums:
            whole.join(each)
    return {**msgspec.structs.asdict(key), "counters": whole.counters, **whole.dense_histograms()}


async def totals(connection: Connection, tenant: str, window: Window) -> Sums:
    """The window summed up: whole days from the table of days, what sticks out at both ends from the hours."""
    return added_up(
        [
            _sums(row)
            for grain, since, until in window.pieces()
            for row in await _rows(connection, grain, tenant, window, since, until)
        ]
    )


async def series(
    connection: Connection, tenant: str, window: Window, grain: Grain, histograms: Sequence[str] = HISTOGRAMS
) -> list[tuple[datetime, Sums]]:
    """The window by the hour or by the day, oldest first; times without a call are left out.

    `histograms`: those that are wanted; reading them is most of the work.
    """
    by_time: dict[datetime, list[Sums]] = {}
    rows = await _rows(connection, grain, tenant, window, window.since, window.until, histograms)
    for row in rows:
        by_time.setdefault(row["hour"], []).append(_sums(row, histograms))
    return [(at, added_up(by_time[at])) for at in sorted(by_time)]


async def rows_of_day(connection: Connection, grain: Grain, day: datetime) -> dict[Key, Sums]:
    """Every row of one UTC day, locked until the transaction ends."""
    rows = await connection.fetch(
        _OF_DAY.format(table=_TABLES[grain], columns=", ".join(_COLUMNS)),
        day,
        day + timedelta(days=1),
    )
    return {
        Key(
            tenant=row["tenant"],
            agent=row["agent"],
            agent_version=row["agent_version"],
            hour=row["hour"].strftime("%Y-%m-%dT%H:00:00Z"),
        ): _sums(row)
        for row in rows
    }


async def _rows(
    connection: Connection,
    grain: Grain,
    tenant: str,
    window: Window,
    since: datetime,
    until: datetime,
    histograms: Sequence[str] = HISTOGRAMS,
) -> list[Any]:
    wanted = [name for name in HISTOGRAMS if name in histograms]
    statement = _WINDOW.format(table=_TABLES[grain], figures=", ".join(("counters", *wanted)))
    return list(await connection.fetch(statement, tenant, since, until, window.agent, window.agent_version))


def _sums(row: Any, histograms: Sequence[str] = HISTOGRAMS) -> Sums:
    return Sums(counters=row["counters"], histograms={name: row[name] for name in histograms})
