"""The roll-up of all calls: a row for every agent's version and hour, and the same by the day.

Writing is adding, in the transaction that stores the calls; readers sum rows. Rows are always touched in the same
order, hours before days and each by its key, so that two writers cannot wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from storage.contribution import COUNTERS, HISTOGRAMS, Key, Sum
from storage.postgres.pool import Connection

Grain = Literal["hour", "day"]
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
_ADDED = ", ".join(f"{name} = added_up(old.{name}, excluded.{name})" for name in FIGURES)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in FIGURES)

# Positions summed over all rows; the rows of a window and whom they are of are asked for alike everywhere.
_WINDOW = """
FROM {table}
WHERE tenant = $1 AND hour >= $2 AND hour < $3
  AND ($4::text IS NULL OR agent = $4) AND ($5::text IS NULL OR agent_version = $5)
"""

_OF_DAY = """
SELECT {columns} FROM {table}
WHERE hour >= $1 AND hour < $2
ORDER BY tenant COLLATE "C", agent COLLATE "C", agent_version COLLATE "C", hour
FOR UPDATE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Rows summed up: what figures are read from."""

    counters: list[int]
    histograms: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Calls that began in [`since`, `until`), both full hours; of one agent, or of one of its versions."""

    tenant: str
    since: datetime
    until: datetime
    agent: str | None = None
    agent_version: str | None = None


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


async def totals(connection: Connection, selection: Selection) -> Totals:
    """The selection summed up: whole days from the table of days, what sticks out at both ends from the hours."""
    summed = [
        await _sum(connection, grain, selection, since, until)
        for grain, since, until in pieces(selection.since, selection.until)
    ]
    return _joined(summed)


async def series(connection: Connection, selection: Selection, grain: Grain) -> list[tuple[datetime, Totals]]:
    """The selection by the hour or by the (UTC) day, oldest first; times without a call are left out."""
    rows = await connection.fetch(
        f"SELECT hour, {', '.join(FIGURES)} {_WINDOW.format(table=_TABLES[grain])} ORDER BY hour",
        *_arguments(selection, selection.since, selection.until),
    )
    by_time: dict[datetime, list[Totals]] = {}
    for row in rows:
        by_time.setdefault(row["hour"], []).append(_totals(row))
    return [(at, _joined(parts)) for at, parts in by_time.items()]


async def rows_of_day(connection: Connection, grain: Grain, day: datetime) -> dict[Key, Totals]:
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
        ): _totals(row)
        for row in rows
    }


def pieces(since: datetime, until: datetime) -> list[tuple[Grain, datetime, datetime]]:
    """A window cut into whole days and the hours that stick out of them, in order; empty pieces are left out."""
    midnight = timedelta(hours=since.hour)
    first_day = since if not midnight else since - midnight + timedelta(days=1)
    last_day = until - timedelta(hours=until.hour)
    if first_day >= last_day:
        return [("hour", since, until)]
    cut: list[tuple[Grain, datetime, datetime]] = [
        ("hour", since, first_day),
        ("day", first_day, last_day),
        ("hour", last_day, until),
    ]
    return [piece for piece in cut if piece[1] < piece[2]]


async def _sum(
    connection: Connection, grain: Grain, selection: Selection, since: datetime, until: datetime
) -> Totals:
    rows = await connection.fetch(
        f"SELECT {', '.join(FIGURES)} {_WINDOW.format(table=_TABLES[grain])}",
        *_arguments(selection, since, until),
    )
    return _joined(_totals(row) for row in rows)


def _arguments(selection: Selection, since: datetime, until: datetime) -> tuple[Any, ...]:
    return selection.tenant, since, until, selection.agent, selection.agent_version


def _totals(row: Any) -> Totals:
    return Totals(counters=row["counters"], histograms={name: row[name] for name in HISTOGRAMS})


def _joined(parts: Iterable[Totals]) -> Totals:
    parts = list(parts)
    return Totals(
        counters=_position_by_position([part.counters for part in parts], len(COUNTERS)),
        histograms={
            name: _position_by_position([part.histograms[name] for part in parts], 0) for name in HISTOGRAMS
        },
    )


def _position_by_position(rows: Sequence[Sequence[int]], length: int) -> list[int]:
    summed = [0] * max([length, *(len(row) for row in rows)])
    for row in rows:
        for position, count in enumerate(row):
            if count:
                summed[position] += count
    return summed
