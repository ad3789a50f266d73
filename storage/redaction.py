"""What an agent's calls are not to have on record: taken out of an event before it is numbered.

    card    13 to 19 digits that pass the check of ISO/IEC 7812-1 (Luhn), written or said; and every key pressed
    phone   telephone numbers, as people of the agent's region write and say them
    email   addresses, also "ann dot lee at example dot com"
    slot:<goal>.<slot>, slot:<slot>   the value of a slot, where it is set, and wherever it stands word for
            word in what comes after in the same call

In its place stands a mark: `[card]`, `[phone]`, `[email]`, `[<slot>]`. The conversation and its tools go on with
what was really said; only the record (outbox, Redis, Postgres, live feeds, search, figures) never sees it.

What this cannot do: words before the slot was set; a value said in other words than it was set; a number of which
each half is said in a turn of its own; the sound in a recording.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import phonenumbers

from storage.digit_runs import Run, digit_runs, ends_open, numbers_apart
from storage.events import (
    DtmfReceived,
    Event,
    SlotConfirmed,
    SlotCorrected,
    SlotFilled,
    TranscriptFinal,
    TranscriptPartial,
    TurnInterrupted,
)

KINDS = ("card", "phone", "email")
SLOT = "slot:"

_CARD_DIGITS = range(13, 20)
# Most cards have 16 digits, then 15 and 14; the others are rare, and found by chance more often than read out.
_LIKELY = (16, 15, 14, 13, 19, 18, 17)
_PHONE_DIGITS = range(7, 16)  # E.164: 15 at most
# So many digits may be shown of a number that is still being said: as of one that is masked (PCI DSS, 3.4.1).
_OPEN_DIGITS = 6

_NANP_WRITTEN = re.compile(r"\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}")

# A number right behind letters and a dash is a reference; in Germany eight digits of any kind may be a telephone.
_CODE = re.compile(r"[A-Za-z]-$")

_WORD = r"[^\W_]"
# How a spoken address ends: "at that dot on the map" is none.
_ENDING = (
    r"(?:com|net|org|edu|gov|info|biz|dev|app|io|me|co|ac|ne|or|go|jp|us|uk|de|fr|es|it|nl|ca|au|nz|in|br|cn|kr"
    r"|コム|ネット|シーオー|ジェーピー)(?!\w)"
)
_EMAIL = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\s?[@＠]\s?[\w-]{1,63}(?:[.．][\w-]{1,63}){1,6}"
    rf"|(?:\b(?:{_WORD}[\s-]){{2,40}})?{_WORD}{{1,64}}"
    rf"(?:\s*(?:[.．_-]|\b(?:dot|underscore|dash|hyphen|plus)\b|ドット)\s*{_WORD}{{1,64}}){{0,6}}"
    rf"\s*(?:\bat\b|アットマーク|アット|@|＠)\s*{_WORD}{{1,63}}(?:[\s-]+{_WORD}{{1,63}}){{0,2}}?"
    rf"(?:\s*(?:\bdot\b|ドット)\s*{_WORD}{{1,63}}){{0,3}}?(?:\s*(?:\bdot\b|ドット)\s*{_ENDING})+",
    re.IGNORECASE,
)

# Written by programs of ours or the provider's: names of things, not what somebody said.
_NAMES = frozenset(
    {"agent", "agent_version", "node", "called", "codec", "model", "goal", "slot", "queue", "operator", "by",
     "required_slots", "until"}
)  # fmt: skip
_NAME_ENDINGS = ("_id", "_at")

_SHORTEST_VALUE = 3  # characters; "5" or "no" would be found everywhere
_MOST_VALUES = 200  # of one call
_DEEPEST = 64  # as clean_text has it

E = TypeVar("E", bound=Event)


class Span(NamedTuple):
    """A piece of a text that is not to be kept."""

    start: int
    end: int
    mark: str


class Redaction:
    """One call's. `apply` to every event in the order of publishing; it remembers the values of chosen slots."""

    def __init__(self, wanted: Iterable[str], *, region: str) -> None:
        """`wanted`: see the module; anything that is no kind is a slot's name. `region`: ISO 3166, for numbers
        without +."""
        names = list(wanted)
        self._kinds = frozenset(names) & set(KINDS)
        self._slots = {name.removeprefix(SLOT) for name in names if name not in KINDS}
        self._region = region
        self._values: dict[str, str] = {}  # what a chosen slot was set to → its mark
        self._pattern: re.Pattern[str] | None = None

    @property
    def idle(self) -> bool:
        """Nothing is asked for."""
        return not self._kinds and not self._slots

    def apply(self, event: E) -> E:
        """The event as it may be kept; the same object where nothing has to go."""
        if self.idle:
            return event
        changed: dict[str, Any] = {}
        if isinstance(event, (SlotFilled, SlotConfirmed, SlotCorrected)) and self._chosen(
            event.slot, event.goal
        ):
            changed["value"] = self._taken(event.slot, event.value)
            if isinstance(event, SlotCorrected):
                changed["previous"] = self._taken(event.slot, event.previous)
        for name, is_text in _fields(type(event)):
            if name in changed or name == "heard_text":  # see below
                continue
            value = getattr(event, name)
            kept = self.text(value) if is_text and isinstance(value, str) else self._deep(value)
            if kept is not value:
                changed[name] = kept
        match event:
            case TranscriptPartial(text=text):
                changed["text"] = self.text(text, may_go_on=True)
            case TranscriptFinal(text=text, heard_text=heard) if heard == text:
                changed["heard_text"] = changed.get("text", text)
            case TranscriptFinal(text=text, heard_text=heard):
                changed["heard_text"] = self._beginning(text, heard)
            case DtmfReceived() if "card" in self._kinds:
                changed["digit"] = "[digit]"  # one event a key: whoever keys a card number in, keys it in so
            case TurnInterrupted(heard_text=heard):
                changed["heard_text"] = self.text(heard, may_go_on=True)
            case _:
                pass
        return msgspec.structs.replace(event, **changed) if changed else event

    def text(self, text: str, *, may_go_on: bool = False) -> str:
        """`text` with marks. `may_go_on`: it is a beginning, and a number at its end may be one, too."""
        return _marked(text, self._spans(text, may_go_on))

    def value(self, value: Any) -> Any:
        """A JSON-shaped value with marks in its texts, and in the place of numbers that have to go."""
        return self._deep(value)

    def _beginning(self, text: str, heard: str) -> str:
        """What was heard of `text`: a number that was cut off is hidden where the whole one is."""
        if not text.startswith(heard):
            return self.text(heard, may_go_on=True)
        spans = [
            Span(span.start, min(span.end, len(heard)), span.mark)
            for span in self._spans(text, may_go_on=False)
            if span.start < len(heard)
        ]
        return _marked(heard, _joined([*spans, *self._spans(heard, may_go_on=True)]))

    # Slots

    def _chosen(self, slot: str, goal: str | None = None) -> bool:
        """`slot` as it is named in an event, or `<goal>.<slot>` as tools may name it."""
        if slot in self._slots:
            return True
        if goal is not None:
            return f"{goal}.{slot}" in self._slots
        last = slot.rpartition(".")[2]
        return last in self._slots or any(each.rpartition(".")[2] == slot for each in self._slots)

    def _taken(self, slot: str, value: Any) -> Any:
        """The mark for a slot's value, which is remembered; nothing stays nothing."""
        if value is None:
            return None
        mark = f"[{slot.rpartition('.')[2]}]"
        said = str(value).strip()
        telling = len(said) >= _SHORTEST_VALUE and not isinstance(value, bool) and said != mark
        if telling and said not in self._values and len(self._values) < _MOST_VALUES:
            self._values[said] = mark
            self._pattern = _verbatim(self._values)
        return mark

    # Texts

    def _spans(self, text: str, may_go_on: bool) -> list[Span]:
        if len(text) < _SHORTEST_VALUE:
            return []
        runs = digit_runs(text) if self._kinds & {"card", "phone"} or self._values else []
        found: list[Span] = []
        if "card" in self._kinds:
            found += [span for run in runs for span in _cards(run)]
        if "email" in self._kinds and ("@" in text or _AT.search(text) is not None):
            found += [Span(*match.span(), "[email]") for match in _EMAIL.finditer(text)]
        if "phone" in self._kinds:
            found += self._phones(text, runs)
        if self._pattern is not None:
            found += [Span(*match.span(), self._mark_of(match[0])) for match in self._pattern.finditer(text)]
            found += self._numbers_of_slots(runs)
        if may_go_on and runs and self._kinds & {"card", "phone"}:
            last = runs[-1]
            if len(last.digits) > _OPEN_DIGITS and ends_open(text, last):
                found.append(Span(last.start, last.end, "[number]"))
        return _joined(found)

    def _phones(self, text: str, runs: list[Run]) -> Iterable[Span]:
        if not runs:
            return
        apart = numbers_apart(text)
        for match in phonenumbers.PhoneNumberMatcher(text, self._region, phonenumbers.Leniency.POSSIBLE):
            if any(start < match.end and match.start < end for start, end in apart):
                continue
            if _CODE.search(text, max(0, match.start - 2), match.start):
                continue
            raw = match.raw_string
            # Possible is any number of the right length: ours only if it looks like one, too.
            looks_like_one = raw.lstrip().startswith(("+", "＋")) or (
                match.number.country_code == 1 and _NANP_WRITTEN.fullmatch(raw.strip()) is not None
            )
            if looks_like_one or phonenumbers.is_valid_number(match.number):
                yield Span(match.start, match.end, "[phone]")
        for run in runs:
            if len(run.digits) in _PHONE_DIGITS and len(run.groups) > 1 and self._is_phone(run.digits):
                yield Span(run.start, run.end, "[phone]")

    def _is_phone(self, digits: str) -> bool:
        for dialled in (digits, f"+{digits}"):
            try:
                if phonenumbers.is_valid_number(phonenumbers.parse(dialled, self._region)):
                    return True
            except phonenumbers.NumberParseException:
                continue
        return False

    def _mark_of(self, said: str) -> str:
        folded = said.casefold()
        return next((mark for value, mark in self._values.items() if value.casefold() == folded), "[slot]")

    def _numbers_of_slots(self, runs: list[Run]) -> Iterable[Span]:
        """A member's number that was set as 12345678 and is said as 1234 5678."""
        digits = {
            re.sub(r"\D", "", value): mark
            for value, mark in self._values.items()
            if not re.search(r"[^\W\d_]", value)
        }
        for run in runs:
            mark = digits.get(run.digits)
            if mark is not None and len(run.digits) > _SHORTEST_VALUE:
                yield Span(run.start, run.end, mark)

    # Values of any shape: what tools are given and answer

    def _deep(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None or depth > _DEEPEST:
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, dict):
            kept = {key: self._member(value, key, depth) for key in value}
            same = all(kept[key] is value[key] for key in value)
            named = {self.text(key) if isinstance(key, str) else key: each for key, each in kept.items()}
            return value if same and list(named) == list(value) else named
        if isinstance(value, list | tuple):
            items = [self._deep(item, depth + 1) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value

    def _member(self, whole: dict[Any, Any], key: Any, depth: int) -> Any:
        value = whole[key]
        if isinstance(key, str) and self._slots:
            plain = not isinstance(value, dict | list)
            if plain and self._chosen(key):
                return self._taken(key, value)
            slot = whole.get("slot")
            if key == "value" and plain and isinstance(slot, str) and self._chosen(slot):
                return self._taken(slot, value)
        return self._deep(value, depth + 1)

    def _number(self, value: float) -> Any:
        if isinstance(value, float) and not value.is_integer():
            return value
        said = str(int(value))
        kept = self.text(said)
        return value if kept == said else kept


_AT = re.compile(r"\bat\b|アット|＠", re.IGNORECASE)


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, the sum of digits a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _cards(run: Run) -> list[Span]:
    """Card numbers made of whole groups of this row; the likeliest length first where they overlap."""
    windows: list[tuple[int, int, int]] = []  # (length, first group, group behind the last)
    for first in range(len(run.groups)):
        digits = ""
        for last in range(first, len(run.groups)):
            digits += run.groups[last].digits
            if len(digits) >= _CARD_DIGITS.stop:
                break
            if len(digits) in _CARD_DIGITS and digits.strip("0") and passes_luhn(digits):
                windows.append((len(digits), first, last + 1))
    windows.sort(key=lambda window: (_LIKELY.index(window[0]), window[1]))
    taken: list[tuple[int, int]] = []
    for _, first, behind in windows:
        if all(behind <= start or end <= first for start, end in taken):
            taken.append((first, behind))
    return [
        Span(run.groups[first].start, run.groups[behind - 1].end, "[card]") for first, behind in sorted(taken)
    ]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """In order and without overlaps: what overlaps is one span, with the mark of the one that was found first."""
    ranked = list(spans)
    joined: list[tuple[int, int, int]] = []  # (start, end, rank)
    for rank, span in sorted(enumerate(ranked), key=lambda each: each[1].start):
        if joined and span.start < joined[-1][1]:
            start, end, best = joined[-1]
            joined[-1] = (start, max(end, span.end), min(best, rank))
        else:
            joined.append((span.start, span.end, rank))
    return [Span(start, end, ranked[rank].mark) for start, end, rank in joined]


def _marked(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for span in spans:
        pieces += [text[at : span.start], span.mark]
        at = span.end
    return "".join([*pieces, text[at:]])


def _verbatim(values: Iterable[str]) -> re.Pattern[str]:
    """Any of these, as whole words where they are made of such."""
    parts = []
    for value in sorted(values, key=len, reverse=True):
        before = r"(?<!\w)" if value[0].isascii() and value[0].isalnum() else ""
        behind = r"(?!\w)" if value[-1].isascii() and value[-1].isalnum() else ""
        parts.append(before + re.escape(value) + behind)
    return re.compile("|".join(parts), re.IGNORECASE)


@functools.cache
def _fields(event: type[Event]) -> tuple[tuple[str, bool], ...]:
    """(name, is text) of the fields that somebody's words or numbers can be in."""
    found = []
    for field in msgspec.structs.fields(event):
        if field.name in _NAMES or field.name.endswith(_NAME_ENDINGS):
            continue
        kinds = _kinds_of(field.type)
        if str in kinds:
            found.append((field.name, True))
        elif kinds & {Any, dict, list}:
            found.append((field.name, False))
    return tuple(found)


def _kinds_of(annotation: Any) -> set[Any]:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return {Literal}
    if origin is typing.Union or origin is types.UnionType:
        return {kind for each in typing.get_args(annotation) for kind in _kinds_of(each)}
    return {origin or annotation}
