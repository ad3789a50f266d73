"""Figures as the API gives them."""

from __future__ import annotations

import msgspec

from storage.metric_definitions import Figure, Interval


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Period(_Shape, frozen=True, kw_only=True):
    """Calls that began in [from, to): full hours, UTC."""

    from_: str = msgspec.field(name="from")
    to: str


class ComparedFigure(Figure, frozen=True, kw_only=True):
    """A figure beside itself in the period before."""

    previous: Figure | None  # None: nothing was measured then
    change: float | None  # this value less the one before; None where one of them is missing


class MetricsSummary(_Shape, frozen=True, kw_only=True):
    """Every figure of a period, each with its n; definitions are at /v1/metrics/definitions."""

    period: Period
    previous_period: Period
    agent: str | None
    agent_version: str | None
    figures: list[ComparedFigure]


class MetricPoint(_Shape, frozen=True, kw_only=True):
    """One hour or day of a series."""

    at: str  # its beginning
    value: float | None
    n: int
    few: bool
    interval: Interval | None


class MetricsSeries(_Shape, frozen=True, kw_only=True):
    """One figure over time, oldest first; times without a call are left out."""

    period: Period
    agent: str | None
    agent_version: str | None
    metric: str
    definition: str
    unit: str
    bucket: str
    points: list[MetricPoint]


class MetricDefinition(_Shape, frozen=True, kw_only=True):
    """What a figure means."""

    id: str
    unit: str
    text: str


class MetricDefinitions(_Shape, frozen=True, kw_only=True):
    """Every figure there is."""

    items: list[MetricDefinition]
    next: str | None = None
