"""What a keyword-template file holds, before anything is made of it: a tree of static values with their places.

JavaScript, JSON and CSV all become this tree. What could only be known by running the file is `Unknown`,
with its source text and the reason, so that nothing is lost in silence. Lines and columns count from 1, in
characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias


class UnreadableSource(ValueError):
    """The file cannot be read: where, what stands there, and what would help."""

    def __init__(self, source: str, line: int, column: int, what: str, fix: str) -> None:
        super().__init__(source, line, column, what, fix)
        self.source = source
        self.line = line
        self.column = column
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.what}; {self.fix}"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something begins in the source."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string. What a template literal inserts and nobody can know stands in it as `{{name}}`."""

    value: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number, as it is written."""

    written: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """true, false, or None for null and undefined."""

    value: bool | None
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A regular expression."""

    source: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What has no static value: a call, a condition, a name from another file."""

    written: str
    why: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member of a group; in a list the key is its number, from 1."""

    key: str
    value: Value
    at: Place
    comments: tuple[str, ...] = ()  # those that stand at it, above or behind
    section: str | None = None  # the heading comment it stands under


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """An object or, with `is_list`, an array."""

    entries: tuple[Entry, ...]
    at: Place
    is_list: bool = False

    def get(self, key: str) -> Value | None:
        """The member of that key; the last one, as JavaScript has it."""
        return next((entry.value for entry in reversed(self.entries) if entry.key == key), None)


Value: TypeAlias = Text | Number | Flag | Pattern | Unknown | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something said about a place: a comment of the source, or a piece of code that was not run."""

    at: Place
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A whole file."""

    name: str
    tables: tuple[Entry, ...]  # by the name that the file gives them; "" for what it exports without one
    literals: tuple[Text, ...] = ()  # every string in it, wherever it stands
    comments: tuple[Remark, ...] = ()
    code: tuple[Remark, ...] = ()  # functions, classes, calls, imports
    notes: tuple[Remark, ...] = field(default=())  # what was resolved by assumption


def texts(value: Value) -> Iterator[Text]:
    """Every string in a value."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, Group):
        for entry in value.entries:
            yield from texts(entry.value)


def written(value: Value) -> str:
    """A value in a few words, for a report."""
    match value:
        case Text():
            return value.value
        case Number() | Unknown():
            return value.written
        case Pattern():
            return f"/{value.source}/"
        case Flag():
            return {True: "true", False: "false", None: "null"}[value.value]
        case Group():
            return f"{len(value.entries)} {'items' if value.is_list else 'entries'}"
