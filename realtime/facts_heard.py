"""Whether words that were heard name a value: the weakest proof that a caller was told what was understood.

Looks for the value as it is spoken (a day by its weekday or its date, an hour in figures or as a word), in
English words or in figures of any language. Errs on the side of "not heard".
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from realtime.agent import SlotType
from realtime.slots import Value
from realtime.spoken_dates import MONTHS

_HOURS = (
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
)  # fmt: skip


def names(text: str, kind: SlotType, value: Value) -> bool:
    """`value` is canonical, of a slot of this type."""
    words = _plain(text)
    match kind:
        case "boolean":
            return False  # "yes" names nothing
        case "date":
            return _names_day(words, str(value))
        case "time":
            return _names_hour(words, str(value))
        case "datetime":
            on, _, at = str(value).partition("T")
            return _names_day(words, on) and _names_hour(words, at)
        case "phone":
            # People read numbers out in groups, mostly without the country's.
            return str(value)[-7:] in re.sub(r"\D", "", words)
        case _:
            return re.search(rf"(?<!\w){re.escape(_plain(str(value)))}(?!\w)", words) is not None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _names_day(words: str, iso: str) -> bool:
    day = date.fromisoformat(iso)
    month = MONTHS[day.month - 1]
    dated = rf"\b{month} (?:the )?{day.day}(?:st|nd|rd|th)?\b|\b{day.day}(?:st|nd|rd|th)? (?:of )?{month}\b"
    return iso in words or f"{day:%A}".casefold() in words or re.search(dated, words) is not None


def _names_hour(words: str, clock: str) -> bool:
    hour, minute = (int(part) for part in clock.split(":"))
    figures = {f"{hour}:{minute:02d}", f"{hour:02d}:{minute:02d}", f"{hour % 12 or 12}:{minute:02d}"}
    if minute == 0:
        figures |= {f"{hour % 12 or 12} {half}" for half in ("am", "pm", "a.m.", "p.m.", "o'clock")}
        figures |= {f"at {_HOURS[hour % 12]}", f"{_HOURS[hour % 12]} o'clock"}
        figures |= {f"{_HOURS[hour % 12]} {part}" for part in ("am", "pm", "a.m.", "p.m.", "in the")}
        figures |= {f"{hour % 12 or 12} in the"} | ({"noon"} if hour == 12 else set())
    return any(re.search(rf"(?<![\w:]){re.escape(figure)}(?!\d)", words) for figure in figures)
