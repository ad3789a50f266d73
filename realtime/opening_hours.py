"""When a business is open: weekly hours as a document gives them, asked about in the business's own time.

Times are wall-clock times of the agent's zone, without a zone themselves: "open until 18:00" means 18:00 in
summer and in winter. It does not know holidays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)  # in the order of date.weekday()
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MIDNIGHT = time(0, 0)


class Hours(BaseModel):
    """Open on these days from `opens` to `closes`; several entries may name the same day (a lunch break)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[list[Weekday], Field(min_length=1)]
    opens: time
    closes: time  # 00:00 is the end of the day

    @field_validator("opens", "closes")
    @classmethod
    def _wall_clock(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("write the time without a zone, e.g. 08:00; it is meant in the agent's timezone")
        return value

    @field_serializer("opens", "closes", when_used="json")
    def _as_written(self, value: time) -> str:
        """A document that is read and written back says 08:00 again, not 08:00:00."""
        return value.isoformat("auto" if value.second or value.microsecond else "minutes")

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Hours:
        if self.closes != _MIDNIGHT and self.closes <= self.opens:
            raise ValueError("`closes` must be after `opens`; hours past midnight are two entries")
        return self


def is_open(hours: Sequence[Hours], starts_at: datetime, ends_at: datetime) -> bool:
    """Open from `starts_at` all the way to `ends_at` (naive local times). No hours at all: always open."""
    if not hours:
        return True
    reached = starts_at
    for opens, closes in _spans(hours, starts_at.date(), ends_at.date()):
        if opens <= reached < closes:
            reached = closes  # where it closes another span may begin: 08-12 and 12-18 is one day
    return reached >= ends_at and reached > starts_at


def in_words(hours: Sequence[Hours]) -> str:
    """One sentence for the model, e.g. "Monday to Friday 08:00 to 18:00, closed on Saturday and Sunday."."""
    by_day = [_of_day(hours, weekday) for weekday in WEEKDAYS]
    runs: list[tuple[int, int]] = []  # first and last of consecutive days that are alike
    for day, times in enumerate(by_day):
        if runs and by_day[runs[-1][0]] == times:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    parts = [f"{_days(first, last)} {by_day[first]}" for first, last in runs if by_day[first]]
    closed = [_NAMES[day] for day, times in enumerate(by_day) if not times]
    if closed:
        parts.append(f"closed on {_listed(closed)}")
    return ", ".join(parts) + "."


def _spans(hours: Sequence[Hours], first: date, last: date) -> list[tuple[datetime, datetime]]:
    spans = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        for each in hours:
            if WEEKDAYS[day.weekday()] in each.days:
                closing_day = day + timedelta(days=1) if each.closes == _MIDNIGHT else day
                spans.append((datetime.combine(day, each.opens), datetime.combine(closing_day, each.closes)))
    return sorted(spans)


def _of_day(hours: Sequence[Hours], weekday: Weekday) -> str:
    spans = sorted((each.opens, each.closes) for each in hours if weekday in each.days)
    return _listed(
        [
            f"{opens:%H:%M} to {'24:00' if closes == _MIDNIGHT else f'{closes:%H:%M}'}"
            for opens, closes in spans
        ]
    )


def _days(first: int, last: int) -> str:
    if first == last:
        return _NAMES[first]
    return f"{_NAMES[first]} {'and' if last == first + 1 else 'to'} {_NAMES[last]}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
