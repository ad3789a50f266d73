"""When a business is open, in its own wall-clock time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import ValidationError

from realtime.opening_hours import WEEKDAYS, Hours, in_words, is_open

WEDNESDAY = datetime.fromisoformat("2026-11-25")
SATURDAY = datetime.fromisoformat("2026-11-28")


def hours(days: str, opens: str, closes: str) -> Hours:
    return Hours.model_validate({"days": days.split(), "opens": opens, "closes": closes})


OFFICE = [hours("mon tue wed thu fri", "08:00", "12:00"), hours("mon tue wed thu fri", "13:00", "18:00")]


@pytest.mark.parametrize(
    ("start", "minutes", "open_"),
    [
        ("08:00", 30, True),
        ("07:59", 30, False),
        ("11:30", 30, True),
        ("11:31", 30, False),
        ("12:15", 30, False),
        ("11:45", 90, False),
        ("17:30", 30, True),
        ("17:30", 31, False),
        ("18:00", 30, False),
    ],
)
def test_an_appointment_fits_from_its_beginning_to_its_end(start: str, minutes: int, open_: bool) -> None:
    starts_at = datetime.combine(WEDNESDAY, time.fromisoformat(start))

    assert is_open(OFFICE, starts_at, starts_at + timedelta(minutes=minutes)) is open_


def test_a_day_that_is_not_named_is_closed_and_without_hours_every_time_will_do() -> None:
    noon = SATURDAY + timedelta(hours=10)

    assert not is_open(OFFICE, noon, noon + timedelta(minutes=30))
    assert is_open([], noon, noon + timedelta(minutes=30))


def test_hours_that_touch_are_one_stretch_even_over_midnight() -> None:
    bar = [hours("fri", "18:00", "00:00"), hours("sat", "00:00", "02:00")]
    late = SATURDAY - timedelta(minutes=15)

    assert is_open(bar, late, late + timedelta(minutes=30))
    assert not is_open(bar, late, late + timedelta(hours=3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": [], "opens": "08:00", "closes": "18:00"},
        {"days": ["mon"], "opens": "18:00", "closes": "08:00"},
        {"days": ["mon"], "opens": "08:00", "closes": "08:00"},
        {"days": ["monday"], "opens": "08:00", "closes": "18:00"},
        {"days": ["mon"], "opens": "08:00+01:00", "closes": "18:00"},
        {"days": ["mon"], "opens": "08:00", "closes": "18:00", "from": "x"},
    ],
)
def test_hours_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hours.model_validate(wrong)


def test_hours_are_told_in_one_sentence() -> None:
    assert in_words([hours("mon tue wed thu fri", "08:00", "18:00")]) == (
        "Monday to Friday 08:00 to 18:00, closed on Saturday and Sunday."
    )
    assert in_words([*OFFICE, hours("sat", "09:00", "00:00")]) == (
        "Monday to Friday 08:00 to 12:00 and 13:00 to 18:00, Saturday 09:00 to 24:00, closed on Sunday."
    )
    assert in_words([hours(" ".join(WEEKDAYS), "00:00", "00:00")]) == "Monday to Sunday 00:00 to 24:00."


DAYS = st.sets(st.sampled_from(WEEKDAYS), min_size=1)
TIMES = st.tuples(st.integers(0, 47), st.integers(1, 48)).filter(lambda pair: pair[0] < pair[1])


@given(st.lists(st.tuples(DAYS, TIMES), min_size=1, max_size=4), st.integers(0, 335), st.integers(1, 6))
def test_open_is_what_a_timetable_of_half_hours_says(
    entries: list[tuple[set[Any], tuple[int, int]]], start: int, length: int
) -> None:
    timetable = [False] * 336 * 2
    documents = []
    for days, (opens, closes) in entries:
        for day in days:
            begin = WEEKDAYS.index(day) * 48
            for week in (0, 336):
                timetable[week + begin + opens : week + begin + closes] = [True] * (closes - opens)
        documents.append(Hours(days=sorted(days), opens=_half(opens), closes=_half(closes % 48)))
    monday = datetime.fromisoformat("2026-11-23")
    starts_at = monday + timedelta(minutes=30 * start)

    opened = is_open(documents, starts_at, starts_at + timedelta(minutes=30 * length))

    assert opened is all(timetable[start : start + length])


def _half(count: int) -> time:
    return time(count // 2, count % 2 * 30)
