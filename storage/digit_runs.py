"""Digits in a row, as they are written and as they are said: "4242 4242", "４２", "four two", "よん に", "四二".

What breaks a row and what does not is the whole question here: 4242-4242 is one row, a date or a price beside it
is not part of it. Groups are what was written or said in one piece; whoever looks for a number inside a row looks
at whole groups, so that two neighbours are not taken for a third.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_ENGLISH = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11",
    "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17",
    "eighteen": "18", "nineteen": "19",
}  # fmt: skip
_TENS = {
    "twenty": "2", "thirty": "3", "forty": "4", "fifty": "5", "sixty": "6", "seventy": "7", "eighty": "8",
    "ninety": "9",
}  # fmt: skip
_TIMES = {"double": 2, "triple": 3}
_JAPANESE = {
    "ゼロ": "0", "ぜろ": "0", "れい": "0", "レイ": "0", "まる": "0", "マル": "0", "いち": "1", "イチ": "1",
    "に": "2", "ニ": "2", "さん": "3", "サン": "3", "よん": "4", "ヨン": "4", "しち": "7", "シチ": "7",
    "し": "4", "シ": "4", "ご": "5", "ゴ": "5", "ろく": "6", "ロク": "6", "なな": "7", "ナナ": "7",
    "はち": "8", "ハチ": "8", "きゅう": "9", "キュウ": "9", "く": "9", "ク": "9",
}  # fmt: skip
_KANJI = {"〇": "0", "零": "0", "一": "1", "二": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7",
          "八": "8", "九": "9"}  # fmt: skip


def _any(words: object) -> str:
    """The longest first, so that "きゅう" is not read as "く" and "しち" not as "し"."""
    return "|".join(sorted(map(str, words), key=len, reverse=True))  # type: ignore[call-overload]


_UNIT = "one|two|three|four|five|six|seven|eight|nine"
_GROUP = re.compile(
    r"(?<!\d)(?P<thousands>\d{1,3}(?:,\d{3})+)(?!\d)"
    r"|(?P<digits>\d+)"
    rf"|(?P<kanji>[{''.join(_KANJI)}]+)"
    rf"|(?P<japanese>{_any(_JAPANESE)})"
    rf"|(?<![^\W\d_])(?P<english>(?:(?:double|triple)[\s-]+)?(?:{_any(_ENGLISH)}"
    rf"|(?:{_any(_TENS)})(?:[\s-]+(?:{_UNIT})(?![^\W\d_]))?))(?![^\W\d_']|'\w)",
    re.IGNORECASE,
)

# Between two groups of one row: some punctuation, and what people say while they read a number out.
_BETWEEN = re.compile(
    r"(?:[\s,.、。・·_()\[\]（）\-‐‑‒–—―−－ーｰ~〜\u00ad\u200b-\u200f\u2060\ufeff]"
    r"|(?<!\w)(?:and|then|dash|hyphen|space|uh|um|er)(?!\w)|ハイフン|えーと|えっと|あの|の){0,12}",
    re.IGNORECASE,
)

# A date that stands by itself is no part of a number; neither is a UUID, whose groups may happen to be digits.
_APART = re.compile(
    r"(?<![\d-])(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d|-\d)"
    r"|(?<![\d-])(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d(?!\d|-\d)"
    r"|(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])",
    re.IGNORECASE,
)


class Group(NamedTuple):
    """Digits in one piece."""

    start: int  # in the text
    end: int
    digits: str  # ASCII


class Run(NamedTuple):
    """Groups that follow each other; never empty."""

    groups: tuple[Group, ...]

    @property
    def start(self) -> int:
        return self.groups[0].start

    @property
    def end(self) -> int:
        return self.groups[-1].end

    @property
    def digits(self) -> str:
        return "".join(group.digits for group in self.groups)


def digit_runs(text: str) -> list[Run]:
    """Every row of digits in `text`, in order."""
    apart = numbers_apart(text)
    runs: list[Run] = []
    row: list[Group] = []
    for group in _groups(text, apart):
        if row and not _follows(text, row[-1].end, group.start):
            runs.append(Run(tuple(row)))
            row = []
        row.append(group)
    return [*runs, Run(tuple(row))] if row else runs


def numbers_apart(text: str) -> list[tuple[int, int]]:
    """(start, end) of the dates and UUIDs in `text`."""
    return [match.span() for match in _APART.finditer(text)]


def ends_open(text: str, run: Run) -> bool:
    """Nothing but punctuation comes after it: more digits may follow."""
    return run.end == len(text) or _follows(text, run.end, len(text))


def _groups(text: str, apart: list[tuple[int, int]]) -> Iterator[Group]:
    for match in _GROUP.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in apart):
            continue
        yield Group(match.start(), match.end(), _digits(match))


def _digits(match: re.Match[str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "kanji":
            return "".join(_KANJI[each] for each in found)
        case "japanese":
            return _JAPANESE[found]
        case "english":
            return _said(re.split(r"[\s-]+", found.lower()))
        case _:
            return "".join(str(unicodedata.decimal(each)) for each in found if each != ",")


def _said(words: list[str]) -> str:
    if words[0] in _TIMES:
        return _said(words[1:]) * _TIMES[words[0]]
    if words[0] in _TENS:
        return _TENS[words[0]] + (_ENGLISH[words[1]] if len(words) > 1 else "0")
    return _ENGLISH[words[0]]


def _follows(text: str, end: int, start: int) -> bool:
    match = _BETWEEN.fullmatch(text, end, start)
    return match is not None
