"""Which of several mentions counts: "not Monday, Tuesday", "at three, no, at four"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NEGATION = re.compile(r"\b(not|isn't|instead of|rather than|except|can't (do|make))( on| at)?( the)? *$")
_CORRECTION = re.compile(r"\b(no|actually|sorry|rather|i mean|or rather|instead|wait|better)\b")


@dataclass(frozen=True, slots=True)
class Mention:
    """A value, where it stands in the plain text."""

    value: str
    start: int
    end: int


def chosen(mentions: Sequence[Mention], text: str) -> Mention | None:
    """The first that is not negated; the last when the caller corrected himself in between."""
    meant = [
        one for one in sorted(mentions, key=lambda one: one.start) if not _NEGATION.search(text[: one.start])
    ]
    if not meant:
        return None
    corrected = _CORRECTION.search(text[meant[0].end : meant[-1].start])
    return meant[-1] if corrected else meant[0]


def blanked(text: str, mention: Mention) -> str:
    """The text without a mention, every other position unchanged."""
    return text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
