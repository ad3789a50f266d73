import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.simulator.mind.aloud import date_aloud
from realtime.simulator.mind.dates import find_date
from realtime.simulator.mind.plain_text import plain

SUNDAY = datetime.date(2026, 11, 22)


def date(words: str) -> str | None:
    found = find_date(plain(words), SUNDAY)
    return found.value if found else None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("today", "2026-11-22"),
        ("Tomorrow.", "2026-11-23"),
        ("To-morrow.", "2026-11-23"),
        ("the day after tomorrow", "2026-11-24"),
        ("on Monday", "2026-11-23"),
        ("next Tuesday, please", "2026-11-24"),
        ("this Sunday", "2026-11-29"),
        ("Friday the 27th", "2026-11-27"),
        ("a week from now", None),
        ("Monday in two weeks", "2026-12-07"),
        ("in three days", "2026-11-25"),
        ("in a week", "2026-11-29"),
        ("November twenty fifth", "2026-11-25"),
        ("November 25th", "2026-11-25"),
        ("the twenty-fifth of November", "2026-11-25"),
        ("the second of December", "2026-12-02"),
        ("January 3rd", "2027-01-03"),
        ("December 1st, 2027", "2027-12-01"),
        ("the 30th", "2026-11-30"),
        ("the 3rd", "2026-12-03"),
        ("11/25", "2026-11-25"),
        ("25/11/2027", "2027-11-25"),
        ("2026-12-24", "2026-12-24"),
        ("February thirtieth", None),
        ("I may come by", None),
        ("at three", None),
    ],
)
def test_a_day_is_understood(words: str, expected: str | None) -> None:
    assert date(words) == expected


def test_a_negated_day_does_not_count() -> None:
    assert date("not Monday, Tuesday please") == "2026-11-24"


def test_the_last_day_counts_when_the_caller_corrects_himself() -> None:
    assert date("On Friday. No, sorry, on Thursday") == "2026-11-26"


def test_the_first_day_counts_when_two_would_do() -> None:
    assert date("Friday or Thursday") == "2026-11-27"


@given(st.dates(min_value=SUNDAY, max_value=SUNDAY + datetime.timedelta(days=360)))
def test_every_day_of_the_coming_year_survives_being_said_aloud(day: datetime.date) -> None:
    assert date(f"I can come on {date_aloud(day.isoformat())}") == day.isoformat()
