"""Sums of calls, and of which calls: what figures are read from, and what a reader asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Literal

Grain = Literal["hour", "day"]  # days are UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Contributions added up: `counters` by position, `histograms` by name (contribution.py)."""

    counters: Sequence[int]
    histograms: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Calls that began in [`since`, `until`), full hours both, UTC; of one agent, or of one of its versions."""

    since: datetime
    until: datetime
    agent: str | None = None
    agent_version: str | None = None

    @property
    def before(self) -> Window:
        """The window of the same length that ends where this one begins."""
        return Window(
            since=self.since - (self.until - self.since),
            until=self.since,
            agent=self.agent,
            agent_version=self.agent_version,
        )

    def pieces(self) -> list[tuple[Grain, datetime, datetime]]:
        """Whole days, and the hours that stick out of them at both ends, in order; empty pieces are left out."""
        into_day = timedelta(hours=self.since.hour)
        first_day = self.since if not into_day else self.since - into_day + timedelta(days=1)
        last_day = self.until - timedelta(hours=self.until.hour)
        if first_day >= last_day:
            return [("hour", self.since, self.until)]
        cut: list[tuple[Grain, datetime, datetime]] = [
            ("hour", self.since, first_day),
            ("day", first_day, last_day),
            ("hour", last_day, self.until),
        ]
        return [piece for piece in cut if piece[1] < piece[2]]


def added_up(parts: Sequence[Sums]) -> Sums:
    """One from many, whatever the lengths of their rows."""
    names = {name for part in parts for name in part.histograms}
    return Sums(
        counters=_by_position([part.counters for part in parts]),
        histograms={name: _by_position([part.histograms.get(name, ()) for part in parts]) for name in names},
    )


def _by_position(rows: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip_longest(*rows, fillvalue=0)]
