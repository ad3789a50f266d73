"""Times of day as callers say them.  Input is plain text (`plain_text`), output HH:MM in 24 hours.

Without "am" or "pm" a practice's day decides: one to six are in the afternoon, seven to eleven in the morning.
"""

import re
from collections.abc import Iterator

from realtime.simulator.mind.choice import Mention, chosen

_HOUR = r"(\d{1,2})"
_PART = r"(?: ?(am|pm)\b| (?:in the |at |this )?(morning|afternoon|evening|night)\b)?"

_NOON = re.compile(r"\b(noon|midday|midnight)\b")
_PAST_TO = re.compile(
    rf"\b(half|quarter|\d{{1,2}})(?: minutes)? (past|after|to|before|till) {_HOUR}\b{_PART}"
)
_CLOCK = re.compile(rf"\b{_HOUR}[:.](\d\d)\b{_PART}")
_PAIR = re.compile(rf"\b{_HOUR} (00|05|10|15|20|25|30|35|40|45|50|55)\b{_PART}")
_WITH_PART = re.compile(
    rf"\b{_HOUR}(?: ?(am|pm)\b| (?:in the |at |this )(morning|afternoon|evening|night)\b)"
)
_OCLOCK = re.compile(rf"\b{_HOUR} oclock\b{_PART}")
_AT = re.compile(
    rf"\b(?:at|around|about|by|after|from|make it|for) {_HOUR}\b(?!/|-|st|nd|rd|th|[:.]\d"
    r"| (?:days?|weeks?|minutes?|people|persons?|of|\d))"
)
_BARE = re.compile(rf"\b{_HOUR}\b(?!/|-|:)")
_PART_OF_DAY = re.compile(r"\b(morning|afternoon|evening|tonight)\b")


def find_time(text: str, *, expected: bool = False) -> Mention | None:
    """The time meant.  `expected`: a time was asked for, so a lone number is one."""
    found: list[Mention] = []
    for mention in _mentions(text, expected):
        if all(mention.end <= other.start or mention.start >= other.end for other in found):
            found.append(mention)
    return chosen(found, text)


def _mentions(text: str, expected: bool) -> Iterator[Mention]:
    """Most exact first; overlapping later ones do not count."""
    elsewhere = _PART_OF_DAY.search(text)
    part = elsewhere[1] if elsewhere else None
    for match in _NOON.finditer(text):
        yield Mention("00:00" if match[1] == "midnight" else "12:00", match.start(), match.end())
    for match in _PAST_TO.finditer(text):
        minutes = {"half": 30, "quarter": 15}.get(match[1]) or int(match[1])
        hour = _hour(int(match[3]), match[4] or match[5] or part)
        if hour is not None and minutes < 60:
            total = hour * 60 + (minutes if match[2] in ("past", "after") else -minutes)
            yield _mention(match, total // 60 % 24, total % 60)
    for pattern in (_CLOCK, _PAIR):
        for match in pattern.finditer(text):
            hour = _hour(int(match[1]), match[3] or match[4] or part)
            if hour is not None and int(match[2]) < 60:
                yield _mention(match, hour, int(match[2]))
    for pattern in (_WITH_PART, _OCLOCK):
        for match in pattern.finditer(text):
            hour = _hour(int(match[1]), match[2] or match[3] or part)
            if hour is not None:
                yield _mention(match, hour, 0)
    for match in _AT.finditer(text):
        hour = _hour(int(match[1]), part)
        if hour is not None:
            yield _mention(match, hour, 0)
    if expected:
        for match in _BARE.finditer(text):
            hour = _hour(int(match[1]), part)
            if hour is not None:
                yield _mention(match, hour, 0)


def _mention(match: re.Match[str], hour: int, minute: int) -> Mention:
    return Mention(f"{hour:02d}:{minute:02d}", match.start(), match.end())


def _hour(said: int, part: str | None) -> int | None:
    """The hour of 24; None when there is no such hour."""
    if said > 23:
        return None
    if said == 0 or said > 12:
        return said
    if part in ("am", "morning"):
        return said % 12
    if part in ("pm", "afternoon", "evening", "night", "tonight"):
        return said % 12 + 12
    return said + 12 if said <= 6 else said
