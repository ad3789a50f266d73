"""What a tool wants to know: its parameters as slots, and their values picked out of the caller's words."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from realtime.simulator.mind.choice import blanked
from realtime.simulator.mind.contacts import find_email, find_phone
from realtime.simulator.mind.dates import find_date
from realtime.simulator.mind.names import find_name
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.times import find_time

SlotKind: TypeAlias = Literal[
    "name", "date", "time", "datetime", "phone", "email", "integer", "boolean", "choice", "text"
]

# First match wins: "phone_number" before "name", "datetime" before "date".
_BY_WORD: tuple[tuple[SlotKind, str], ...] = (
    ("phone", r"phone|telephone|mobile|callback.?number"),
    ("email", r"e-?mail"),
    ("datetime", r"date.?time|starts?.?at|when\b"),
    ("date", r"\bdate\b|\bday\b"),
    ("time", r"\btime\b|\bhour\b"),
    ("name", r"\bname\b"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One parameter of a tool."""

    name: str
    kind: SlotKind
    required: bool
    description: str = ""
    choices: tuple[str, ...] = ()


def slot(name: str, schema: Mapping[str, Any], *, required: bool) -> Slot:
    """A parameter as slot; its kind from the schema's format and type, then from its name and description."""
    options = [schema, *schema.get("anyOf", ())]
    description = str(schema.get("description", ""))
    choices = next((tuple(map(str, option["enum"])) for option in options if option.get("enum")), ())
    formats = {option.get("format") for option in options}
    types = {option.get("type") for option in options}
    kind: SlotKind
    if choices:
        kind = "choice"
    elif "date-time" in formats:
        kind = "datetime"
    elif "date" in formats:
        kind = "date"
    elif "time" in formats:
        kind = "time"
    elif "email" in formats:
        kind = "email"
    elif types & {"integer", "number"}:
        kind = "integer"
    elif "boolean" in types:
        kind = "boolean"
    else:
        kind = kind_of(name, description)
    return Slot(name=name, kind=kind, required=required, description=description, choices=choices)


def kind_of(name: str, description: str = "") -> SlotKind:
    """What a name means, or else a description."""
    for words in (name.replace("_", " "), description):
        for kind, pattern in _BY_WORD:
            if re.search(pattern, words, re.IGNORECASE):
                return kind
    return "text"


def slots_of(parameters: Mapping[str, Any]) -> tuple[Slot, ...]:
    """All parameters of a function's JSON schema, the required ones first."""
    properties = parameters.get("properties", {})
    required = list(parameters.get("required", ()))
    order = [
        *(name for name in required if name in properties),
        *(n for n in properties if n not in required),
    ]
    return tuple(slot(name, properties[name], required=name in required) for name in order)


def extract(words: str, slots: Sequence[Slot], expected: str | None, today: datetime.date) -> dict[str, Any]:
    """The values of `slots` in what the caller said.  `expected`: the slot that was asked for last."""
    text = plain(words)
    by_kind: dict[SlotKind, Any] = {}
    email = find_email(text)
    if email is not None:
        by_kind["email"] = email.value
        text = blanked(text, email)
    phone = find_phone(text)
    if phone is not None:
        by_kind["phone"] = phone.value
        text = blanked(text, phone)
    date = find_date(text, today)
    if date is not None:
        by_kind["date"] = date.value
        text = blanked(text, date)
    asked_for_time = any(one.name == expected and one.kind in ("time", "datetime") for one in slots)
    time = find_time(text, expected=asked_for_time and date is None)
    if time is not None:
        by_kind["time"] = time.value
        text = blanked(text, time)
    if date is not None and time is not None:
        by_kind["datetime"] = f"{date.value}T{time.value}"
    name = find_name(words, expected=any(one.name == expected and one.kind == "name" for one in slots))
    if name is not None:
        by_kind["name"] = name
    found: dict[str, Any] = {}
    for one in slots:
        value = by_kind[one.kind] if one.kind in by_kind else _other(one, words, text, one.name == expected)
        if value is not None:
            found[one.name] = value
    return found


_FOR = re.compile(
    r"\bfor (?:a|an|my|some) ((?:[a-z]+[ -]?){1,4}?)"
    r"(?=$|[.,?!]| (?:on|at|tomorrow|today|next|this|and|please|in|with|under|by|for)\b)"
)
_COMPLAINT = re.compile(
    r"\bi(?:'ve got| have| need)(?: got)? (?:a|an|some) ((?:[a-z]+[ -]?){1,3}?)(?=$|[.,?!]| and\b)"
)
_NOT_A_REASON = re.compile(
    r"\b(appointment|booking|time|moment|second|minute|while|day|question|visit|slot|table|friend|bit|look|"
    r"reservation)\b"
)


def _other(one: Slot, words: str, text: str, expected: bool) -> Any:
    if one.kind == "choice":
        return next((c for c in one.choices if re.search(rf"\b{re.escape(plain(c))}", plain(words))), None)
    if one.kind == "integer" and expected:
        number = re.search(r"\b\d+\b", text)
        return int(number[0]) if number else None
    if one.kind == "boolean" and expected:
        return None if not text else not re.match(r"no\b|not\b|nope\b", text)
    if one.kind != "text":
        return None
    match = _FOR.search(text) or _COMPLAINT.search(text)
    if match is not None and not _NOT_A_REASON.search(match[1]) and match[1].strip():
        return match[1].strip()
    return words.strip().rstrip(".") if expected and one.required and text else None
