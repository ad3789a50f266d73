"""Sentences that are recorded, because they are needed when the model says nothing.

English and Japanese are bundled. Any other language falls back to English for the last notice and the goodbye, where
any words are better than silence, but not for the short filler, which would only puzzle.
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
ONE_MOMENT_JA = RecordedWords(name="one_moment", language="ja", text="少々お待ちください。", ms=1460)
CANNOT_GO_ON = RecordedWords(
    name="cannot_go_on",
    language="en",
    text="I am sorry, we have a technical problem. Please call again in a few minutes. Goodbye.",
    ms=6460,
)
CANNOT_GO_ON_JA = RecordedWords(
    name="cannot_go_on",
    language="ja",
    text="申し訳ございません。技術的な問題が発生しました。数分後に、おかけ直しください。失礼いたします。",
    ms=8180,
)
GOODBYE = RecordedWords(
    name="goodbye",
    language="en",
    text="I am sorry, this call has to end now. Thank you for calling. Goodbye.",
    ms=5160,
)
GOODBYE_JA = RecordedWords(
    name="goodbye",
    language="ja",
    text="申し訳ございません。お電話をここで終わらせていただきます。失礼いたします。",
    ms=5440,
)
BUNDLED = (ONE_MOMENT, ONE_MOMENT_JA, CANNOT_GO_ON, CANNOT_GO_ON_JA, GOODBYE, GOODBYE_JA)


def filler(language: str) -> RecordedWords | None:
    """What bridges a short wait; None where it is not recorded in the caller's language."""
    return _recorded("one_moment", language)


def last_notice(language: str) -> RecordedWords:
    """What is said when the model cannot be brought back."""
    return _recorded("cannot_go_on", language) or CANNOT_GO_ON


def last_goodbye(language: str) -> RecordedWords:
    """What is said when a call must end and the model does not say so."""
    return _recorded("goodbye", language) or GOODBYE


def _recorded(name: str, language: str) -> RecordedWords | None:
    spoken = language.split("-")[0].lower()
    return next((each for each in BUNDLED if each.name == name and each.language == spoken), None)
