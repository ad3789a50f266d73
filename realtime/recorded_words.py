"""Sentences that are recorded, because they are needed when the model says nothing.

English is bundled. Another language falls back to it for the last notice, where any words are better than
silence, but not for the short filler, which would only puzzle.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWords:
    """One sentence: `name` and `language` are its file's, `ms` its length."""

    name: str
    language: str
    text: str
    ms: int


ONE_MOMENT = RecordedWords(name="one_moment", language="en", text="One moment, please.", ms=1880)
CANNOT_GO_ON = RecordedWords(
    name="cannot_go_on",
    language="en",
    text="I am sorry, we have a technical problem. Please call again in a few minutes. Goodbye.",
    ms=6460,
)
BUNDLED = (ONE_MOMENT, CANNOT_GO_ON)


def filler(language: str) -> RecordedWords | None:
    """What bridges a short wait; None where it is not recorded in the caller's language."""
    return ONE_MOMENT if language.split("-")[0] == ONE_MOMENT.language else None


def last_notice(language: str) -> RecordedWords:
    """What is said when the model cannot be brought back."""
    return CANNOT_GO_ON
