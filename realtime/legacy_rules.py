"""What a file of keyword templates says, as values: templates, keyword lists, mappings, states, needs.

Nothing is judged here: a mapping to a template that does not exist is kept as it stands, and `legacy_joins`
finds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from realtime.legacy_values import Place

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def placeholders(text: str) -> list[str]:
    """The variables that a text uses."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One fixed response."""

    name: str  # its key in the file, with the categories it stands in: "booking.ask_date"
    text: str
    at: Place
    notes: tuple[str, ...] = ()  # comments and descriptions, in the author's words
    section: str | None = None
    variants: tuple[str, ...] = ()  # further wordings
    states: tuple[str, ...] = ()  # those it belongs to; none: any
    next_state: str | None = None
    ends: bool = False
    hands_over: bool = False
    guessed: bool = False  # `hands_over` is told by its name only
    verbatim: bool = False
    off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordList:
    """How callers put one thing."""

    name: str
    words: tuple[str, ...]
    at: Place
    patterns: tuple[str, ...] = ()  # regular expressions among them
    states: tuple[str, ...] = ()
    next_state: str | None = None
    target: str | None = None  # the template that the list itself names
    notes: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()  # "priority 10"
    off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """An intent leads to a template."""

    table: str
    intent: str
    target: str
    at: Place
    states: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A stage of the conversation. `key` is its name in code, `value` what other tables call it."""

    key: str
    value: str
    at: Place
    notes: tuple[str, ...] = ()
    section: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """From one stage to another."""

    table: str
    start: str
    on: str | None  # the intent that does it, where it is told
    to: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A member of a list of required names, a variable's value, or a setting."""

    table: str
    name: str
    value: str
    at: Place
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Rules:
    """Everything that was recognised in one file."""

    templates: list[Template] = field(default_factory=list)
    keywords: list[KeywordList] = field(default_factory=list)
    mappings: list[Mapping] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    required: list[Named] = field(default_factory=list)
    variables: list[Named] = field(default_factory=list)
    settings: list[Named] = field(default_factory=list)
    unknown: list[Named] = field(default_factory=list)
