"""What callers say in Japanese for a day or a time, and what it is by the call's calendar."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime import japanese_dates, spoken_dates

TODAY = date(2026, 11, 25)  # a Wednesday
TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("今日", date(2026, 11, 25)),
        ("明日", date(2026, 11, 26)),
        ("あさって", date(2026, 11, 27)),
        ("明日でお願いします", date(2026, 11, 26)),
        ("金曜日", date(2026, 11, 27)),
        ("水曜", date(2026, 12, 2)),
        ("今週の金曜日", date(2026, 11, 27)),
        ("来週の水曜日", date(2026, 12, 2)),
        ("来週の月曜日", date(2026, 11, 30)),
        ("再来週の火曜", date(2026, 12, 8)),
        ("次の木曜日", date(2026, 11, 26)),
        ("3日後", date(2026, 11, 28)),
        ("二週間後", date(2026, 12, 9)),
        ("12月3日", date(2026, 12, 3)),
        ("12月3日(木)", date(2026, 12, 3)),
        ("十二月二十三日木曜日", date(2026, 12, 23)),
        ("1月10日", date(2027, 1, 10)),
        ("2028年2月29日", date(2028, 2, 29)),
        ("2月29日", date(2028, 2, 29)),
        ("30日", date(2026, 11, 30)),
        ("3日", date(2026, 12, 3)),
        ("31日", date(2026, 12, 31)),
    ],
)
def test_a_day_is_counted_from_the_day_of_the_call(said: str, meant: date) -> None:
    assert spoken_dates.day(said, TODAY) == meant


@pytest.mark.parametrize("said", ["来週", "いつか", "2月30日", "13月1日", "明日か明後日", ""])
def test_what_is_no_day_or_more_than_one_is_none(said: str) -> None:
    assert spoken_dates.day(said, TODAY) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("午後3時", time(15)),
        ("午後三時半", time(15, 30)),
        ("午前10時15分", time(10, 15)),
        ("午後0時", time(12)),
        ("午前0時", time(0)),
        ("15時", time(15)),
        ("十五時二十分ごろ", time(15, 20)),
        ("朝の9時", time(9)),
        ("昼の12時", time(12)),
        ("昼の11時", time(11)),
        ("夕方5時", time(17)),
        ("正午", time(12)),
    ],
)
def test_a_time_of_day_is_one_of_twenty_four_hours(said: str, meant: time) -> None:
    assert spoken_dates.time_of_day(said) == meant


@pytest.mark.parametrize("said", ["3時", "12時", "午後12時", "夜の1時", "25時", "午後3時75分", "午後"])
def test_an_hour_that_could_be_two_or_is_none_is_not_guessed(said: str) -> None:
    assert spoken_dates.time_of_day(said) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("明日の午後3時", "2026-11-26T15:00"),
        ("明日の午後3時でお願いします", "2026-11-26T15:00"),
        ("来週の水曜日の午前10時半", "2026-12-02T10:30"),
        ("12月3日 15時", "2026-12-03T15:00"),
        ("今日夕方6時ごろ", "2026-11-25T18:00"),
    ],
)
def test_a_day_and_its_time_are_one_moment_in_the_agents_zone(said: str, meant: str) -> None:
    found = spoken_dates.moment(said, NOW)

    assert found == datetime.fromisoformat(meant).replace(tzinfo=TOKYO)
    assert found.tzinfo is TOKYO


@given(st.integers(0, 13), st.integers(13, 23), st.integers(0, 59))
def test_every_near_moment_is_understood_in_each_of_its_forms(ahead: int, hour: int, minute: int) -> None:
    wanted = datetime.combine(TODAY + timedelta(days=ahead), time(hour, minute))
    week = ("今週", "来週", "再来週")[(wanted.date() - (TODAY - timedelta(days=2))).days // 7]
    days = [f"{wanted.month}月{wanted.day}日", f"{week}の{'月火水木金土日'[wanted.weekday()]}曜日"]
    if ahead:
        days.append(f"{ahead}日後")
    times = [f"{hour}時{minute}分", f"午後{hour - 12}時{minute}分"]

    for each in days:
        for at in times:
            assert japanese_dates.moment(f"{each}の{at}", TODAY) == (wanted.date(), wanted.time())


@given(st.text(alphabet="今来再週明日後月火水曜年時分半午前の〇一十二九0129 ()", max_size=14))
def test_no_words_raise(words: str) -> None:
    spoken_dates.day(words, TODAY)
    spoken_dates.time_of_day(words)
    spoken_dates.moment(words, NOW)
