"""How values are said: "Wednesday, November 25th" for 2026-11-25, "2:30 PM" for 14:30."""

import datetime
import re

_DATE = re.compile(r"\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?(20\d\d)-(\d\d)-(\d\d)\b")
_DATE_AND_TIME = re.compile(r"\b(20\d\d-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::\d\d)?\b(?! ?[AaPp]\.?[Mm])")


def date_aloud(iso: str) -> str:
    """YYYY-MM-DD as it is said; anything else as it is."""
    try:
        date = datetime.date.fromisoformat(iso)
    except ValueError:
        return iso
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if 10 <= date.day <= 20 else endings.get(date.day % 10, "th")
    return f"{date:%A}, {date:%B} {date.day}{ending}"


def time_aloud(clock: str) -> str:
    """HH:MM as it is said; anything else as it is."""
    match = re.fullmatch(r"(\d{1,2}):(\d\d)(?::\d\d)?", clock)
    if match is None or int(match[1]) > 23:
        return clock
    hour, minute = int(match[1]), int(match[2])
    if (hour, minute) == (12, 0):
        return "noon"
    half = "AM" if hour < 12 else "PM"
    return f"{hour % 12 or 12}{f':{minute:02d}' if minute else ''} {half}"


def aloud(text: str) -> str:
    """A text with every ISO date and 24-hour time in it as it is said."""
    text = _DATE_AND_TIME.sub(lambda match: f"{match[1]} at {match[2]}", text)
    text = _DATE.sub(lambda match: date_aloud(f"{match[1]}-{match[2]}-{match[3]}"), text)
    return _TIME.sub(lambda match: time_aloud(match[0]), text)


def digits_aloud(number: str) -> str:
    """A telephone number digit by digit, in groups that can be followed."""
    digits = re.sub(r"\D", "", number)
    groups = [digits[max(0, len(digits) - 4) :]]
    rest = digits[: max(0, len(digits) - 4)]
    while rest:
        groups.insert(0, rest[-3:])
        rest = rest[:-3]
    return ", ".join(" ".join(group) for group in groups if group)
