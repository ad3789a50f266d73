"""Days and times of day as a model passes them on: ISO mostly, sometimes still in the caller's words.

A day without a year is the next one, and "next Friday" is the next Friday after today, as most callers mean it;
whoever records one is told the day that came of it, so that it is read back. What is ambiguous is None.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from realtime import japanese_dates

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_DAYS_FROM_TODAY = {
    "today": 0, "tonight": 0, "now": 0, "tomorrow": 1, "the day after tomorrow": 2, "day after tomorrow": 2,
    "yesterday": -1,
    "heute": 0, "morgen": 1, "übermorgen": 2, "gestern": -1,
}  # fmt: skip
_WEEKDAY = re.compile(rf"(?:on )?(?:(?:the )?next |this |coming )?({'|'.join(WEEKDAYS)})")
_IN = re.compile(r"in (an?|one|two|three|four|\d{1,3}) (day|week)s?(?: from now)?")
_COUNT = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_ORDINAL = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)\b")
_MONTH_DAY = re.compile(r"([a-z]{3,9})\.? (?:the )?(\d{1,2})(?:,? (\d{4}))?")
_DAY_MONTH = re.compile(r"(?:the )?(\d{1,2})\.? (?:of )?([a-z]{3,9})\.?(?:,? (\d{4}))?")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(?::\d{2}(?:\.\d+)?)? ?(?:([ap])\.? ?m\.?|o'?clock|uhr|h)?")


def day(text: str, today: date) -> date | None:
    """The day that `text` names; None where it names none, or more than one ("03/04")."""
    text = " ".join(text.casefold().split())
    try:
        return (
            date.fromisoformat(text[:10])
            if re.match(r"\d{4}-\d\d-\d\d(?:$|t)", text)
            else _named(text, today) or japanese_dates.day(text, today)
        )
    except (ValueError, OverflowError):
        return None


def _named(text: str, today: date) -> date | None:
    if text in _DAYS_FROM_TODAY:
        return today + timedelta(days=_DAYS_FROM_TODAY[text])
    if found := _WEEKDAY.fullmatch(text):
        ahead = (WEEKDAYS.index(found[1]) - today.weekday() - 1) % 7 + 1
        return today + timedelta(days=ahead)
    if found := _IN.fullmatch(text):
        count = _COUNT.get(found[1]) or int(found[1])
        return today + timedelta(days=count * (7 if found[2] == "week" else 1))
    # "Friday, November 27th": the number says which day; the weekday only comes along.
    text = re.sub(rf"^(?:{'|'.join(WEEKDAYS)}),? (?:the )?", "", _ORDINAL.sub(r"\1", text))
    if found := _MONTH_DAY.fullmatch(text):
        return _day_of(found[1], int(found[2]), found[3], today)
    if found := _DAY_MONTH.fullmatch(text):
        return _day_of(found[2], int(found[1]), found[3], today)
    return None


def _day_of(month_name: str, number: int, year: str | None, today: date) -> date | None:
    months = [index for index, name in enumerate(MONTHS, 1) if name.startswith(month_name)]
    if len(months) != 1:
        return None
    if year is not None:
        return date(int(year), months[0], number)
    # A leap day may be four years away; eight around a century that has none.
    for ahead in range(9):
        try:
            found = date(today.year + ahead, months[0], number)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def time_of_day(text: str) -> time | None:
    """`15:00`, `3 pm`, `noon`, `午後3時`; None for anything else, and for an hour that could be two ("3")."""
    text = " ".join(text.casefold().split()).removeprefix("at ")
    if text in ("noon", "midday"):
        return time(12)
    if text == "midnight":
        return time(0)
    found = _CLOCK.fullmatch(text)
    if found is None:
        return japanese_dates.time_of_day(text)
    if found[2] is None and found[3] is None and int(found[1]) <= 12:
        return None
    return _clock(int(found[1]), int(found[2] or 0), found[3])


def _clock(hour: int, minute: int, half: str | None) -> time | None:
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def moment(text: str, now: datetime) -> datetime | None:
    """A day and a time of it: ISO, with or without an offset, or in words ("tomorrow at 3 pm", "明日の午後3時").

    `now` is aware; so is the answer, in the same zone. Without an offset the zone of `now` is meant.
    """
    text = " ".join(text.split())
    try:
        if re.match(r"\d{4}-\d\d-\d\d[Tt ]\d", text):
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=now.tzinfo) if found.tzinfo is None else found.astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return None
    words = text.replace(",", " ").split()
    for split in range(1, len(words)):
        on, at = day(" ".join(words[:split]), now.date()), time_of_day(" ".join(words[split:]))
        if on is not None and at is not None:
            return datetime.combine(on, at, tzinfo=now.tzinfo)
    try:
        both = japanese_dates.moment(text, now.date())
    except (ValueError, OverflowError):
        return None
    return datetime.combine(*both, tzinfo=now.tzinfo) if both is not None else None
