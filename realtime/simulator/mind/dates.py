"""Days as callers say them.  Input is plain text (`plain_text`), output ISO dates.

A day without a year is the next one; "next Tuesday" is the next Tuesday after today, as most callers mean it.
"""

import datetime
import re
from collections.abc import Iterator

from realtime.simulator.mind.choice import Mention, chosen

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_MONTH = "|".join(f"{month}|{month[:3]}" for month in MONTHS)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?:of )?(20\d\d))?"

_ISO = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?,? (?:the )?{_DAY}\b{_YEAR}(?! ?(?:am|pm|oclock|:))")
_DAY_MONTH = re.compile(rf"\b{_DAY} (?:of )?({_MONTH})\b{_YEAR}")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(20\d\d|\d\d))?\b")
_THE_NTH = re.compile(r"\b(?:the|on) (\d{1,2})(?:st|nd|rd|th)\b")
_RELATIVE = re.compile(
    r"\b(the )?day after tomorrow\b|\btomorrow\b|\btoday\b|\btonight\b|\bthis (?:morning|afternoon|evening)\b"
)
_IN = re.compile(r"\bin (a|\d{1,2}) (day|week)s?\b")
_WEEKDAY = re.compile(rf"\b({'|'.join(WEEKDAYS)})s?\b(?:,? (?:in )?(a|\d) weeks?(?: from now)?)?")


def find_date(text: str, today: datetime.date) -> Mention | None:
    """The day meant, as YYYY-MM-DD."""
    found: list[Mention] = []
    for mention in _mentions(text, today):
        if all(mention.end <= other.start or mention.start >= other.end for other in found):
            found.append(mention)
    return chosen(_joined(found, text), text)


def _joined(found: list[Mention], text: str) -> list[Mention]:
    """ "Friday the 27th" is one day, and the number says which."""
    exact = [one for one in found if not _is_weekday(text, one)]
    return [
        one
        for one in found
        if not (_is_weekday(text, one) and any(0 <= other.start - one.end <= 4 for other in exact))
    ]


def _is_weekday(text: str, mention: Mention) -> bool:
    return text[mention.start : mention.end].startswith(WEEKDAYS)


def _mentions(text: str, today: datetime.date) -> Iterator[Mention]:
    """Most exact first; overlapping later ones do not count."""
    for match in _ISO.finditer(text):
        yield from _mention(match, _date(int(match[1]), int(match[2]), int(match[3])))
    for match in _MONTH_DAY.finditer(text):
        yield from _mention(match, _next(today, _month(match[1]), int(match[2]), match[3]))
    for match in _DAY_MONTH.finditer(text):
        yield from _mention(match, _next(today, _month(match[2]), int(match[1]), match[3]))
    for match in _SLASHED.finditer(text):
        month, day = int(match[1]), int(match[2])
        if month > 12:
            month, day = day, month
        yield from _mention(match, _next(today, month, day, match[3]))
    for match in _THE_NTH.finditer(text):
        yield from _mention(match, _next_day_of_month(today, int(match[1])))
    for match in _RELATIVE.finditer(text):
        days = 2 if "after" in match[0] and "noon" not in match[0] else 1 if match[0] == "tomorrow" else 0
        yield from _mention(match, today + datetime.timedelta(days=days))
    for match in _WEEKDAY.finditer(text):
        ahead = (WEEKDAYS.index(match[1]) - today.weekday() - 1) % 7 + 1
        weeks = 0 if match[2] is None else 1 if match[2] == "a" else int(match[2])
        yield from _mention(match, today + datetime.timedelta(days=ahead + 7 * weeks))
    for match in _IN.finditer(text):
        count = 1 if match[1] == "a" else int(match[1])
        yield from _mention(match, today + datetime.timedelta(days=count * (7 if match[2] == "week" else 1)))


def _mention(match: re.Match[str], date: datetime.date | None) -> Iterator[Mention]:
    if date is not None:
        yield Mention(date.isoformat(), match.start(), match.end())


def _month(name: str) -> int:
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))


def _next(today: datetime.date, month: int, day: int, year: str | None) -> datetime.date | None:
    if year is not None:
        return _date(int(year) if len(year) == 4 else 2000 + int(year), month, day)
    this_year = _date(today.year, month, day)
    if this_year is not None and this_year >= today:
        return this_year
    return _date(today.year + 1, month, day)


def _next_day_of_month(today: datetime.date, day: int) -> datetime.date | None:
    year, month = today.year, today.month
    for _ in range(12):
        date = _date(year, month, day)
        if date is not None and date >= today:
            return date
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return None


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
