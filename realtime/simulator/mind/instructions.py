"""What the instructions of a session tell: the day, a sentence to be said, facts, and how to behave."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from realtime.simulator.mind.dates import MONTHS
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.slots import Slot, SlotKind, kind_of

_TODAY = re.compile(r"\b(?:today|current date|date)\b[^.\n]{0,40}?", re.IGNORECASE)
_ISO = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b")
_LONG = re.compile(rf"\b({'|'.join(MONTHS)}) (\d{{1,2}})(?:st|nd|rd|th)?,? (20\d\d)\b", re.IGNORECASE)
_LONG_BRITISH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({'|'.join(MONTHS)}),? (20\d\d)\b", re.IGNORECASE
)
_VERBATIM = re.compile(
    r"\b(?:say|greet\w*|greeting|begin|start|open|answer|reply|respond|ask|tell)\b"
    r"[^\"“”\n]{0,120}[\"“]([^\"“”]{2,600})[\"”]",
    re.IGNORECASE,
)
_CONFIRM = re.compile(
    r"\bconfirm\b|\bread\b[^.\n]*\bback\b|\brepeat\b[^.\n]*\bback\b|\bcaller (?:has )?agree[sd]?\b",
    re.IGNORECASE,
)
_GOAL_SLOT = re.compile(r"^- (\w+) \((\w+), (required|optional)\): (.*)$", re.MULTILINE)
_CHOICES = re.compile(r"\bOne of: (.+?)\.?$")
_KINDS: dict[str, SlotKind] = {kind: kind for kind in get_args(SlotKind)}
_KNOWN = re.compile(r"^Already known: (\w+) is (.+?)\.?$", re.MULTILINE)
_CALLER_NUMBER = re.compile(
    r"\bcaller(?:'s)?\b[^.\n]{0,40}\bnumber\b[^.\n+\d]{0,12}(\+?\d[\d ()-]{6,})", re.IGNORECASE
)


def todays_date(instructions: str) -> datetime.date | None:
    """The date that the instructions give as today's."""
    for hint in _TODAY.finditer(instructions):
        near = instructions[hint.start() : hint.end() + 80]
        date = _first_date(near)
        if date is not None:
            return date
    return None


def _first_date(text: str) -> datetime.date | None:
    for pattern, order in ((_ISO, (1, 2, 3)), (_LONG, (3, 1, 2)), (_LONG_BRITISH, (3, 2, 1))):
        match = pattern.search(text)
        if match is None:
            continue
        year, month, day = (match[group] for group in order)
        number = int(month) if month.isdigit() else MONTHS.index(month.lower()) + 1
        try:
            return datetime.date(int(year), number, int(day))
        except ValueError:
            continue
    return None


def verbatim(instructions: str) -> str | None:
    """The sentence that is to be said word for word: `Say exactly: "…"`, `Greet the caller with "…"`."""
    match = _VERBATIM.search(instructions)
    return match[1].strip() if match else None


def extra(session: str, response: str | None) -> str:
    """What a response's own instructions add to the session's, which they often repeat."""
    if response is None:
        return ""
    return response.replace(session, "").strip() if session else response.strip()


def wants_confirmation(instructions: str) -> bool:
    """Whether the caller is to agree before a tool acts."""
    return _CONFIRM.search(instructions) is not None


def known_values(instructions: str) -> dict[str, str]:
    """`Already known: name is Ann.`"""
    return {match[1]: match[2] for match in _KNOWN.finditer(instructions)}


def caller_number(instructions: str) -> str | None:
    """The number the caller rings from, if the instructions tell it."""
    match = _CALLER_NUMBER.search(instructions)
    return re.sub(r"[^\d+]", "", match[1]) if match else None


def goal_slots(instructions: str) -> tuple[Slot, ...]:
    """Slots listed as `- name (type, required): description`."""
    return tuple(
        Slot(
            name=match[1],
            kind=_KINDS.get(match[2]) or kind_of(f"{match[1]} {match[2]}"),
            required=match[3] == "required",
            description=match[4],
            choices=tuple(re.split(r",\s*", one_of[1])) if (one_of := _CHOICES.search(match[4])) else (),
        )
        for match in _GOAL_SLOT.finditer(instructions)
    )


# -- facts ----------------------------------------------------------------------------------------------

# Sentences that speak to the agent, not of the business.
_ORDER = re.compile(
    r"^(?:#|if|when|always|never|do not|don't|ask|say|tell|offer|call|use|greet|speak|keep|read|let|be|go on|go|act|"
    r"apologise|apologize|confirm|repeat|collect|help|your|you|today is|already known|goal|once|after|before|warm)\b"
    r"|\b(?:you are|you have|the caller|callers?'s|say that|one to two)\b|_",
    re.IGNORECASE,
)
# Words that carry nothing, and the days of the week: "What about Friday?" asks for no fact.
_STOP = frozenset(
    re.findall(
        r"[\w']+",
        """
        a about also am an and any are as at be by can could do does for from get go have hello hi how i if i'd i'm
        in is it it's just know like long many me much my need no not of on or our please say so take takes tell
        thank thanks that the there this time times to us want was we what what's when where which who will with
        would yes you your monday tuesday wednesday thursday friday saturday sunday
        """,
    )
)
# What a caller says, and what stands in the instructions.
_SYNONYMS = {
    "hour": "open", "opening": "open", "close": "open", "closed": "open", "closing": "open",
    "price": "cost", "charge": "cost", "expensive": "cost", "fee": "cost", "pay": "cost", "dollar": "cost",
    "euro": "cost", "pound": "cost", "address": "at-place", "located": "at-place", "location": "at-place",
    "find": "at-place", "street": "at-place", "road": "at-place", "avenue": "at-place", "square": "at-place",
    "insured": "insuranc",
    "hurt": "pain", "ache": "pain", "toothache": "pain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence of the instructions that a caller may be told."""

    sentence: str
    stems: frozenset[str]


def facts(instructions: str) -> list[Fact]:
    """The sentences that say something of the business."""
    return [
        Fact(sentence, stems(sentence))
        for line in instructions.splitlines()
        for sentence in re.split(r"(?<=[.!?])\s+", line.strip().removeprefix("- "))
        if len(sentence.split()) >= 3 and not _ORDER.search(sentence)
    ]


def best_facts(question: str, known: Sequence[Fact]) -> list[Fact]:
    """The facts that share most with the question, in their order; none when nothing is shared."""
    asked = stems(question)
    if plain(question).startswith(("where", "and where")):
        asked |= {"at-place"}
    if re.match(r"(and )?(how much|what does)\b", plain(question)):
        asked |= {"cost"}
    if re.match(r"(and )?how long\b", plain(question)):
        asked |= stems("minute")
    scores = [len(asked & fact.stems) for fact in known]
    best = max(scores, default=0)
    return [fact for fact, score in zip(known, scores, strict=True) if score == best][:2] if best else []


def stems(text: str) -> frozenset[str]:
    """Content words without their endings, synonyms as one."""
    words = re.findall(r"[a-z][a-z'-]+", plain(text))
    return frozenset(_SAME.get(stem, stem) for word in words if word not in _STOP for stem in [_stem(word)])


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    for ending in ("ings", "ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    return word.removesuffix("e")


_SAME = {_stem(word): meaning for word, meaning in _SYNONYMS.items()}
