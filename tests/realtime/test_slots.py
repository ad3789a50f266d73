"""A slot's value: canonical, or refused in words that tell the model what to do next."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime.agent import Slot
from realtime.slots import Problem, normalise

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=ZONE)  # a Wednesday


def slot(type_: str, **fields: Any) -> Slot:
    return Slot.model_validate({"name": "thing", "type": type_, "description": "a thing", **fields})


def value(type_: str, given_: Any, *, region: str = "US", **fields: Any) -> Any:
    return normalise(slot(type_, **fields), given_, now=NOW, region=region)


def refusal(type_: str, given_: Any, **fields: Any) -> str:
    found = value(type_, given_, **fields)
    assert isinstance(found, Problem), found
    return found.message


@pytest.mark.parametrize(
    ("type_", "said", "canonical"),
    [
        ("text", "  a  tooth\nhurts ", "a tooth hurts"),
        ("text", "none", "none"),
        ("name", "Ann  Lee", "Ann Lee"),
        ("name", "田中 花子", "田中 花子"),
        ("name", "D'Arcy-Müller", "D'Arcy-Müller"),
        ("date", "2026-11-25", "2026-11-25"),
        ("date", "today", "2026-11-25"),
        ("date", "tomorrow", "2026-11-26"),
        ("date", "the day after tomorrow", "2026-11-27"),
        ("date", "friday", "2026-11-27"),
        ("date", "Next Friday", "2026-11-27"),
        ("date", "next wednesday", "2026-12-02"),
        ("date", "in two weeks", "2026-12-09"),
        ("date", "in 3 days", "2026-11-28"),
        ("date", "November 27th", "2026-11-27"),
        ("date", "Friday, November 27", "2026-11-27"),
        ("date", "3 January", "2027-01-03"),
        ("date", "the 3rd of January 2028", "2028-01-03"),
        ("date", "February 29", "2028-02-29"),
        ("date", "明日", "2026-11-26"),
        ("date", "２０２６-１２-０１", "2026-12-01"),
        ("time", "15:00", "15:00"),
        ("time", "15:00:00", "15:00"),
        ("time", "3 pm", "15:00"),
        ("time", "at 3:30 p.m.", "15:30"),
        ("time", "12 am", "00:00"),
        ("time", "12pm", "12:00"),
        ("time", "noon", "12:00"),
        ("time", "15 Uhr", "15:00"),
        ("time", "午後3時半", "15:30"),
        ("datetime", "2026-11-25T15:00", "2026-11-25T15:00"),
        ("datetime", "2026-11-25 15:00:00", "2026-11-25T15:00"),
        ("datetime", "2026-11-25T21:00:00+00:00", "2026-11-25T16:00"),
        ("datetime", "2026-11-25T21:00:00Z", "2026-11-25T16:00"),
        ("datetime", "tomorrow at 3 pm", "2026-11-26T15:00"),
        ("datetime", "Friday, November 27th, 9:15", "2026-11-27T09:15"),
        ("integer", "12", 12),
        ("integer", 12, 12),
        ("integer", 12.0, 12),
        ("integer", "-3", -3),
        ("phone", "(212) 555-0123", "+12125550123"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
        ("email", "Ann.Lee@Example.COM", "Ann.Lee@example.com"),
        ("email", "ann dot lee at example dot com", "ann.lee@example.com"),
        ("boolean", True, True),
        ("boolean", "No.", False),
        ("boolean", "はい", True),
    ],
)
def test_what_is_said_becomes_canonical(type_: str, said: Any, canonical: Any) -> None:
    found = value(type_, said)

    assert found == canonical
    assert type(found) is type(canonical)


@pytest.mark.parametrize(
    ("type_", "said", "advice"),
    [
        ("name", "12345", "not a name"),
        ("name", "Unknown", "Ask the caller"),
        ("name", "   ", "Ask the caller"),
        ("date", "2026-11-24", "has passed"),
        ("date", "yesterday", "has passed"),
        ("date", "2026-02-30", "no day that exists"),
        ("date", "03/04", "YYYY-MM-DD"),
        ("date", "soon", "today is Wednesday, 2026-11-25"),
        ("time", "3", "morning or afternoon"),
        ("time", "25:00", "HH:MM"),
        ("time", "13 pm", "HH:MM"),
        ("datetime", "2026-11-25T13:59", "it is 14:00 now"),
        ("datetime", "2026-11-24T15:00", "has passed"),
        ("datetime", "2026-11-26", "YYYY-MM-DDTHH:MM"),
        ("integer", "a dozen", "digits"),
        ("integer", 1.5, "whole number|one text"),
        ("phone", "555", "area code"),
        ("phone", "5550123", "area code"),
        ("email", "ann at example", "spell it"),
        ("boolean", "maybe", "yes or no"),
        ("text", {"a": 1}, "one text"),
        ("text", None, "one text"),
        ("text", "x" * 501, "too long"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_advice(type_: str, said: Any, advice: str) -> None:
    message = refusal(type_, said)

    assert any(words in message for words in advice.split("|")), message


def test_a_choice_has_the_spelling_of_the_document() -> None:
    choices = ["Check-up", "Cleaning"]

    assert value("choice", " check UP ", choices=choices) == "Check-up"
    assert "one of: Check-up, Cleaning" in refusal("choice", "surgery", choices=choices)


def test_a_range_counts_numbers_days_hours_and_characters() -> None:
    assert value("integer", "5", range=[1, 5]) == 5
    assert "from 1 to 5" in refusal("integer", "6", range=[1, 5])
    assert value("time", "17:00", range=[8, 17]) == "17:00"
    assert "08:00 and 17:00" in refusal("time", "17:01", range=[8, 17])
    assert "2 to 4 characters" in refusal("text", "abcde", range=[2, 4])
    assert value("date", "2026-12-02", range=[0, 7]) == "2026-12-02"
    assert "Wednesday, 2026-12-02" in refusal("date", "2026-12-03", range=[0, 7])
    assert "from Thursday, 2026-11-26" in refusal("date", "today", range=[1, 7])


def test_a_date_may_be_in_the_past_where_the_range_begins_there() -> None:
    assert value("date", "1980-05-01", range=[-40000, 0]) == "1980-05-01"
    assert value("datetime", "2026-11-25T13:00", range=[-1, 1]) == "2026-11-25T13:00"


def test_a_pattern_holds_for_the_whole_canonical_value() -> None:
    assert value("text", "AB-12", pattern="[A-Z]{2}-[0-9]{2}") == "AB-12"
    assert "a thing" in refusal("text", "AB-123", pattern="[A-Z]{2}-[0-9]{2}")


def test_a_local_number_is_one_of_the_agents_region() -> None:
    assert value("phone", "030 123456", region="DE") == "+4930123456"


@given(
    st.sampled_from(["text", "name", "date", "time", "datetime", "integer", "phone", "email", "boolean"]),
    st.one_of(
        st.text(max_size=30), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.none())
    ),
)
def test_no_value_raises_and_what_is_taken_is_taken_again(type_: str, given_: Any) -> None:
    found = value(type_, given_)

    assert isinstance(found, Problem) or value(type_, found) == found


@given(st.dates(min_value=date(2026, 11, 25), max_value=date(2036, 1, 1)))
def test_every_way_to_say_a_day_means_that_day(wanted: date) -> None:
    ahead = (wanted - NOW.date()).days
    ways = [
        wanted.isoformat(),
        f"{wanted:%B} {wanted.day}, {wanted.year}",
        f"{wanted:%A}, {wanted.day} {wanted:%B} {wanted.year}",
    ]
    if ahead < 300:
        ways += [f"in {ahead} days", f"{wanted:%b} {wanted.day}"]
    if 0 < ahead <= 7:
        ways.append(f"next {wanted:%A}")

    assert {value("date", way) for way in ways} == {wanted.isoformat()}
