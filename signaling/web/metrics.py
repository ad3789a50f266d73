"""Quality as numbers: a period's summary, a figure over time, what each figure means. As JSON, or CSV for a sheet.

Everything is read from the roll-up, never from calls: the answer takes the same time whatever their number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import get_args

from aiohttp import web

from signaling.errors import BadRequest, NotAcceptable
from signaling.web.auth import STAFF, Access
from signaling.web.bodies import accepts
from signaling.web.metric_shapes import (
    ComparedFigure,
    MetricDefinition,
    MetricDefinitions,
    MetricPoint,
    MetricsSeries,
    MetricsSummary,
    Period,
)
from signaling.web.parameters import moment, one_of
from signaling.web.record import from_archive
from signaling.web.routing import Answer, Query, Route, Visit, json_answer
from storage.envelope import rfc3339
from storage.metric_definitions import BY_ID, DEFINITIONS, Figure, Interval, figure, histograms_of
from storage.metric_sums import Grain, Window

DEFAULT_WINDOW = timedelta(days=7)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONGEST = timedelta(days=2 * 366)
"""Two years by the day: what is left of it after that is no use without what happened then."""
LONGEST_BY_HOUR = timedelta(days=62)
"""Two months are 1,488 points; a chart has no more pixels."""
_MEDIA_TYPES = ("application/json", "text/csv")
_FORMATS = frozenset({"json", "csv"})
_GRAINS: frozenset[str] = frozenset(get_args(Grain))


async def get_summary(visit: Visit) -> web.Response:
    window, form = _window(visit), _form(visit.request)
    now = await from_archive(visit.doors.archive.metric_sums(window))
    before = await from_archive(visit.doors.archive.metric_sums(window.before))
    summary = MetricsSummary(
        period=_period(window),
        previous_period=_period(window.before),
        agent=window.agent,
        agent_version=window.agent_version,
        figures=[_compared(figure(each, now), figure(each, before)) for each in DEFINITIONS],
    )
    return _summary_csv(summary) if form == "text/csv" else json_answer(summary)


async def get_series(visit: Visit) -> web.Response:
    request, form = visit.request, _form(visit.request)
    asked = one_of(request, "metric", frozenset(BY_ID))
    if asked is None:
        raise BadRequest("metric= is missing.", fix="GET /v1/metrics/definitions lists them.")
    window = _window(visit)
    grain: Grain = "hour" if one_of(request, "bucket", _GRAINS) == "hour" else "day"
    if grain == "hour" and window.until - window.since > LONGEST_BY_HOUR:
        raise BadRequest(f"By the hour a series has at most {LONGEST_BY_HOUR.days} days.", fix="bucket=day")
    if grain == "day":
        window = _whole_days(window)
    definition = BY_ID[asked]
    points = await from_archive(visit.doors.archive.metric_series(window, grain, histograms_of(definition)))
    series = MetricsSeries(
        period=_period(window),
        agent=window.agent,
        agent_version=window.agent_version,
        metric=asked,
        definition=asked,
        unit=definition.unit,
        bucket=grain,
        points=[_point(at, figure(definition, sums)) for at, sums in points],
    )
    return _series_csv(series) if form == "text/csv" else json_answer(series)


async def get_definitions(visit: Visit) -> web.Response:
    items = [MetricDefinition(id=each.id, unit=each.unit, text=each.text) for each in DEFINITIONS]
    return json_answer(MetricDefinitions(items=items))


# What is asked.


def _window(visit: Visit) -> Window:
    """Whole hours: those that `from` and `to` lie in are in it."""
    request = visit.request
    to = moment(request, "to") or datetime.fromtimestamp(visit.doors.keeper.now(), UTC)
    until = _hour(to) if _hour(to) == to else _hour(to) + HOUR
    since = _hour(moment(request, "from") or until - DEFAULT_WINDOW)
    if since >= until:
        raise BadRequest("from= must be before to=.")
    if until - since > LONGEST:
        raise BadRequest(f"A period has at most {LONGEST.days} days.")
    return Window(
        since=since,
        until=until,
        agent=request.query.get("agent"),
        agent_version=request.query.get("agent_version"),
    )


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _whole_days(window: Window) -> Window:
    """Days are kept whole: those that the window begins and ends in are in it."""
    since = window.since.replace(hour=0)
    until = window.until.replace(hour=0)
    return Window(
        since=since,
        until=until if until == window.until else until + DAY,
        agent=window.agent,
        agent_version=window.agent_version,
    )


def _form(request: web.Request) -> str:
    named = one_of(request, "format", _FORMATS)
    if named is not None:
        return "text/csv" if named == "csv" else "application/json"
    form = accepts(request, *_MEDIA_TYPES)
    if form is None:
        raise NotAcceptable("Figures are application/json or text/csv.")
    return form


# What is answered.


def _period(window: Window) -> Period:
    return Period(from_=rfc3339(window.since), to=rfc3339(window.until))


def _compared(now: Figure, before: Figure) -> ComparedFigure:
    measured = now.value is not None and before.value is not None
    return ComparedFigure(
        id=now.id,
        definition=now.definition,
        unit=now.unit,
        value=now.value,
        n=now.n,
        few=now.few,
        interval=now.interval,
        previous=before if before.value is not None else None,
        change=round((now.value or 0) - (before.value or 0), 4) if measured else None,
    )


def _point(at: datetime, each: Figure) -> MetricPoint:
    return MetricPoint(at=rfc3339(at), value=each.value, n=each.n, few=each.few, interval=each.interval)


def _summary_csv(summary: MetricsSummary) -> web.Response:
    header = ("id", "unit", "value", "n", "few", "low", "high", "previous_value", "previous_n", "definition")
    rows = (
        (
            each.id,
            each.unit,
            each.value,
            each.n,
            each.few,
            *_borders(each.interval),
            each.previous.value if each.previous else None,
            each.previous.n if each.previous else None,
            BY_ID[each.definition].text,
        )
        for each in summary.figures
    )
    return _csv(header, rows, f"metrics_{summary.period.from_[:10]}_{summary.period.to[:10]}.csv")


def _series_csv(series: MetricsSeries) -> web.Response:
    rows = ((each.at, each.value, each.n, each.few, *_borders(each.interval)) for each in series.points)
    return _csv(("at", series.metric, "n", "few", "low", "high"), rows, f"{series.metric}.csv")


def _borders(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _csv(header: Iterable[object], rows: Iterable[Iterable[object]], name: str) -> web.Response:
    """RFC 4180; what was not measured is an empty field. Nothing in it was ever typed by a caller."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return web.Response(
        text=text.getvalue(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


_WINDOW = (
    Query(name="from", description="A date or an RFC 3339 time; default: seven days before `to`."),
    Query(name="to", description="The same; default: now. Both are taken to full hours."),
    Query(name="agent", description="Only this agent."),
    Query(name="agent_version", description="Only this version, e.g. `v3`."),
)
_FORMAT = Query(
    name="format",
    description="`csv`, for where no Accept header can be sent.",
    schema={"type": "string", "enum": sorted(_FORMATS)},
)
_STAFF = Access(roles=STAFF)

ROUTES = (
    Route(
        method="GET",
        path="/v1/metrics/summary",
        handler=get_summary,
        access=_STAFF,
        summary="Every figure of a period, and of the one before",
        tag="quality",
        query=(*_WINDOW, _FORMAT),
        answers={200: Answer(description="The figures.", shape=MetricsSummary, media_types=_MEDIA_TYPES)},
        problems=(400, 401, 403, 406, 503),
    ),
    Route(
        method="GET",
        path="/v1/metrics/series",
        handler=get_series,
        access=_STAFF,
        summary="One figure by the hour or by the (UTC) day",
        tag="quality",
        query=(
            Query(name="metric", description="Id of the figure, as in the summary.", required=True),
            Query(
                name="bucket",
                description="Default `day`; `hour` for at most 62 days.",
                schema={"type": "string", "enum": sorted(_GRAINS)},
            ),
            *_WINDOW,
            _FORMAT,
        ),
        answers={200: Answer(description="The figure.", shape=MetricsSeries, media_types=_MEDIA_TYPES)},
        problems=(400, 401, 403, 406, 503),
    ),
    Route(
        method="GET",
        path="/v1/metrics/definitions",
        handler=get_definitions,
        access=_STAFF,
        summary="What each figure means, word for word",
        tag="quality",
        answers={200: Answer(description="The definitions.", shape=MetricDefinitions)},
        problems=(401, 403),
    ),
)
