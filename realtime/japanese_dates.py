"""Days and times of day as callers say them in Japanese, where a model passes them on in those words.

Text is NFKC already (full-width digits are ASCII). Weeks begin on Monday: 来週の水曜日 is the Wednesday of next week,
a bare 水曜日 the next one after today. What could be two (3時: of the night or of the afternoon?) is None.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta

_DAYS_FROM_TODAY = {
    "今日": 0, "きょう": 0, "本日": 0, "明日": 1, "あした": 1, "あす": 1, "翌日": 1, "明後日": 2, "あさって": 2,
    "明々後日": 3, "しあさって": 3, "昨日": -1, "きのう": -1, "一昨日": -2, "おととい": -2,
}  # fmt: skip
_WEEKDAYS = "月火水木金土日"
_WEEKS_FROM_THIS = {"今週": 0, "来週": 1, "再来週": 2}
_KANJI = {kanji: value for value, kanji in enumerate("〇一二三四五六七八九")}
_NUMBER = r"(\d{1,4}|[〇一二三四五六七八九十]{1,4})"

_WEEKDAY = re.compile(rf"(?:(今週|来週|再来週|今度|次)の?)?([{_WEEKDAYS}])曜日?")
_LATER = re.compile(rf"{_NUMBER}(日|週間)後")
_DATE = re.compile(rf"(?:(?:{_NUMBER}年)?{_NUMBER}月)?{_NUMBER}日")
# The number says which day; the weekday behind it only comes along.
_DAYS_NAME = re.compile(rf"\(?[{_WEEKDAYS}](?:曜日?)?\)?$")
_CLOCK = re.compile(rf"(午前|午後|朝の?|昼の?|夕方の?|夜の?)?{_NUMBER}時(?:{_NUMBER}分|(半))?")
# By the part of the day, what the hour said is of 24. 午後12時 and 夜の1時 mean different hours to different people.
_HOURS = {
    "午前": {hour: hour for hour in range(12)},
    "午後": {hour: hour + 12 for hour in range(12)},
    "朝": {hour: hour for hour in range(4, 12)},
    "昼": {11: 11, 12: 12} | {hour: hour + 12 for hour in range(1, 5)},
    "夕方": {hour: hour + 12 for hour in range(3, 8)},
    "夜": {hour: hour + 12 for hour in range(5, 12)},
    "": {0: 0} | {hour: hour for hour in range(13, 24)},
}
# Politeness and particles around the words that count.
_AFTER = re.compile(r"(?:ごろ|ころ|頃|くらい|ぐらい|から|に|で|です|お願いします|を?希望(?:します)?|、|。)+$")


def day(text: str, today: date) -> date | None:
    """The day named, counted from `today`; None where it names none, or one that does not exist."""
    text = _bare(text)
    if text in _DAYS_FROM_TODAY:
        return today + timedelta(days=_DAYS_FROM_TODAY[text])
    if found := _WEEKDAY.fullmatch(text):
        wanted, week = _WEEKDAYS.index(found[2]), found[1]
        if week in _WEEKS_FROM_THIS:
            return today + timedelta(days=wanted - today.weekday() + 7 * _WEEKS_FROM_THIS[week])
        return today + timedelta(days=(wanted - today.weekday() - 1) % 7 + 1)
    if found := _LATER.fullmatch(text):
        return today + timedelta(days=_number(found[1]) * (7 if found[2] == "週間" else 1))
    found = _DATE.fullmatch(text) or _DATE.fullmatch(_DAYS_NAME.sub("", text))
    return _date(found[1], found[2], found[3], today) if found else None


def _date(year: str | None, month: str | None, number: str, today: date) -> date | None:
    if year is not None and month is not None:
        return date(_number(year), _number(month), _number(number))
    # The next one: a leap day may be eight years away, the 31st of a month two months.
    for ahead in range(9 * 12):
        of = today.month - 1 + ahead
        if month is not None and of % 12 + 1 != _number(month):
            continue
        try:
            found = date(today.year + of // 12, of % 12 + 1, _number(number))
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def time_of_day(text: str) -> time | None:
    """`午後3時半`, `15時`, `正午`; None for anything else, and for an hour that could be two."""
    text = _bare(text)
    if text in ("正午", "お昼"):
        return time(12)
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour = _HOURS[(found[1] or "").removesuffix("の")].get(_number(found[2]))
    minute = 30 if found[4] else _number(found[3]) if found[3] else 0
    return time(hour, minute) if hour is not None and minute < 60 else None


def moment(text: str, today: date) -> tuple[date, time] | None:
    """A day and a time of it (`明日の午後3時`), in one run of words; None where either is missing."""
    text = "".join(text.split())
    for split in range(1, len(text)):
        at = time_of_day(text[split:])
        on = day(re.sub(r"[の、]$", "", text[:split]), today) if at is not None else None
        if on is not None and at is not None:
            return on, at
    return None


def _bare(text: str) -> str:
    return _AFTER.sub("", "".join(text.split()))


def _number(text: str) -> int:
    """`15`, `十五`, `二〇二六`."""
    if text.isascii():
        return int(text)
    if "十" not in text:
        return int("".join(str(_KANJI[sign]) for sign in text))
    tens, _, ones = text.partition("十")
    return 10 * (_number(tens) if tens else 1) + (_number(ones) if ones else 0)
