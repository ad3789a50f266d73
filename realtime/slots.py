"""One slot's value: what a model (or an extraction) passes, made canonical or refused in words for the model.

Canonical forms are what the record holds: E.164, `2026-11-25`, `15:00`, `2026-11-25T15:00` (the agent's zone),
the spelling of a choice in the agent's document, a JSON number or boolean. It does not know what is filled.

`range` means, by type: integer - the number; date and datetime - days from today (a day that has passed is
refused unless the range begins below zero); time - the first and the last hour; text and name - characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from realtime.agent import Slot
from realtime.phone_numbers import dialled
from realtime.spoken_dates import day, moment, time_of_day

Value = str | int | bool

TEXT_LIMIT = 500  # characters: about half a minute of speech; what is longer is not one fact
NAME_LIMIT = 120
# What models write where they know nothing. None of it is anybody's name.
_NOTHING = frozenset(
    {"unknown", "none", "null", "n/a", "nil", "tbd", "undefined", "unspecified", "anonymous", "不明"}
    | {"caller", "the caller", "not provided", "not given", "not specified", "not stated"}
)
_TRUE = frozenset({"true", "yes", "y", "1", "yeah", "yep", "correct", "sure", "はい", "ja", "sí", "oui"})
_FALSE = frozenset({"false", "no", "n", "0", "nope", "いいえ", "nein", "non"})
# RFC 5321's local parts and domains as people have them; quoted local parts are not said on the telephone.
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@(?:[\w](?:[\w-]*[\w])?\.)+[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a value cannot be taken, as one sentence that tells the model what to do."""

    message: str


def normalise(slot: Slot, given: Any, *, now: datetime, region: str) -> Value | Problem:
    """The canonical value. `now` is aware, in the agent's zone; `region` (ISO 3166) is for numbers without +.

    Never raises, whatever `given` is.
    """
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if not isinstance(given, str | int):
        return Problem(message=f"The value of {slot.name} must be one text, number or boolean.")
    text = " ".join(unicodedata.normalize("NFKC", str(given)).split())
    # "None" answers many questions of type text ("Any allergies?"), and a choice may be called so.
    empty = slot.type not in ("text", "choice") and text.casefold().rstrip(".") in _NOTHING
    if not text or empty:
        return Problem(
            message=f"That is no {slot.name}. Ask the caller for it; record nothing until they say it."
        )
    if len(text) > TEXT_LIMIT:
        return Problem(message=f"That is too long for {slot.name}: at most {TEXT_LIMIT} characters.")
    found = _READERS[slot.type](slot, text, now, region)
    if isinstance(found, Problem) or slot.pattern is None:
        return found
    # The pattern is the agent's author's; the text is short, so that even a slow one ends.
    if re.fullmatch(slot.pattern, str(found)) is None:
        return Problem(
            message=f"{found} does not have the form that {slot.name} needs ({slot.description}). Ask again."
        )
    return found


def _text(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    if slot.range is not None and not slot.range[0] <= len(text) <= slot.range[1]:
        return Problem(
            message=f"{slot.name} has {slot.range[0]} to {slot.range[1]} characters, that has {len(text)}. Ask again."
        )
    return text


def _name(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    if (
        len(text) > NAME_LIMIT
        or not any(sign.isalpha() for sign in text)
        or any(sign.isdigit() for sign in text)
    ):
        return Problem(
            message=f"That is not a name. Ask the caller for {slot.name} and have it spelled if unsure."
        )
    return _text(slot, text, now, region)


def _date(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    found = day(text, now.date())
    if found is None:
        return Problem(
            message=f"That is no day that exists. Give {slot.name} as YYYY-MM-DD; today is {_spelled(now.date())}."
        )
    return _day_problem(slot, found, now) or found.isoformat()


def _day_problem(slot: Slot, found: date, now: datetime) -> Problem | None:
    today = now.date()
    first, last = slot.range or (0, None)
    ahead = (found - today).days
    if ahead < 0 <= first:
        return Problem(
            message=f"{_spelled(found)} has passed; today is {_spelled(today)}. Ask for a later day."
        )
    if ahead < first or (last is not None and ahead > last):
        earliest = _spelled(_days_from(today, first))
        until = f" to {_spelled(_days_from(today, last))}" if last is not None else ""
        return Problem(message=f"{slot.name} must be from {earliest}{until}. Ask for another day.")
    return None


def _days_from(today: date, days: int) -> date:
    try:
        return today + timedelta(days=days)
    except OverflowError:
        return date.min if days < 0 else date.max


def _spelled(found: date) -> str:
    # The weekday goes along, because models count days badly.
    return f"{found:%A}, {found.isoformat()}"


def _time(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    found = time_of_day(text)
    if found is None:
        return Problem(
            message=f"Give {slot.name} as HH:MM in 24 hours; if morning or afternoon is not clear, ask the caller."
        )
    if (
        slot.range is not None
        and not slot.range[0] * 60 <= found.hour * 60 + found.minute <= slot.range[1] * 60
    ):
        return Problem(
            message=f"{slot.name} must be between {slot.range[0]:02d}:00 and {slot.range[1]:02d}:00. Ask for another."
        )
    return f"{found:%H:%M}"


def _datetime(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    found = moment(text, now)
    if found is None:
        return Problem(
            message=f"Give {slot.name} as YYYY-MM-DDTHH:MM; today is {_spelled(now.date())}. "
            "If the day or the time is not clear, ask the caller."
        )
    problem = _day_problem(slot, found.date(), now)
    if problem is not None:
        return problem
    if found <= now and (slot.range is None or slot.range[0] >= 0):
        return Problem(message=f"That time has passed; it is {now:%H:%M} now. Ask for a later time.")
    return f"{found:%Y-%m-%dT%H:%M}"


def _integer(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    if re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII) is None:
        return Problem(message=f"{slot.name} must be a whole number in digits. Ask again if unsure.")
    number = int(text)
    if slot.range is not None and not slot.range[0] <= number <= slot.range[1]:
        return Problem(message=f"{slot.name} must be from {slot.range[0]} to {slot.range[1]}. Ask again.")
    return number


def _choice(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    choices = slot.choices or []
    wanted = _plain(text)
    found = next((choice for choice in choices if _plain(choice) == wanted), None)
    if found is None:
        return Problem(
            message=f"{slot.name} must be one of: {', '.join(choices)}. Ask which of them is meant."
        )
    return found


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", text).casefold().strip()))


def _phone(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    found = dialled(text, region)
    if found is None or not found.startswith("+"):
        return Problem(
            message="That is not a complete telephone number. Ask the caller to repeat it with the area code."
        )
    return found


def _email(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    # As it is said: "ann dot lee at example dot com".
    written = text.replace(" dot ", ".").replace(" at ", "@").replace(" ", "").rstrip(".")
    if _EMAIL.fullmatch(written) is None:
        return Problem(message="That is not a complete e-mail address. Ask the caller to spell it.")
    local, _, domain = written.rpartition("@")
    return f"{local}@{domain.lower()}"


def _boolean(slot: Slot, text: str, now: datetime, region: str) -> Value | Problem:
    word = text.casefold().rstrip(".!")
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    return Problem(message=f"{slot.name} must be yes or no. Ask again if the answer was not clear.")


_READERS = {
    "text": _text,
    "name": _name,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "integer": _integer,
    "choice": _choice,
    "phone": _phone,
    "email": _email,
    "boolean": _boolean,
}
