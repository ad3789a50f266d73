"""Evaluation cases of a migrated agent: one for each template, and a first judge for them.

The file is TOML:

    format = "cordboard-cases/1"
    agent = "reception"              # the id of the agent document

    [[cases]]
    id = "booking.ask_date"          # the template's name in the old file
    stage = "booking"                # the stage it belongs to; left out: any
    situation = "a day is missing"   # when it comes up
    says = ["来週お願いします"]        # what a caller says; empty: nothing, the situation arises by itself
    conveys = "ご希望の日を…"          # what the answer should bring across, `{{name}}` filled in by the agent
    mentions = ["03-1234-5678"]      # what must be in the answer: numbers, addresses, web sites
    verbatim = false                 # whether the words themselves matter
    tools = ["end_call"]             # what should be called

`judge` holds an answer against a case by its words. It is a floor, quick and the same every time: it cannot tell a
good paraphrase that shares no word with the example from a wrong answer. Where it says no, ask a person or a model.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass

import tomlkit

FORMAT = "cordboard-cases/1"
# An answer that shares less than this of the example's letter pairs says something else.
SHARED_PAIRS = 0.35
_FACT = re.compile(r"\d[\d,.:/〜~-]*\d|\d+|[\w.+-]+@[\w-]+\.[\w.]+|https?://\S+|www\.\S+")


class InvalidCases(ValueError):
    """The file is no file of cases: what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See the module."""

    id: str
    situation: str
    conveys: str
    stage: str | None = None
    says: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    verbatim: bool = False
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `judge` found. `missing`: what had to be there and is not."""

    passed: bool
    shared: float  # of the example's letter pairs, 0 to 1
    missing: tuple[str, ...] = ()


def mentions(text: str) -> tuple[str, ...]:
    """The facts of a text that no paraphrase may change."""
    return tuple(dict.fromkeys(found.rstrip(".,") for found in _FACT.findall(text)))


def judge(case: Case, answer: str, *, conveys: str | None = None) -> Verdict:
    """Hold an answer against a case. `conveys`: the case's, with the agent's variables filled in."""
    wanted = _folded(case.conveys if conveys is None else conveys)
    got = _folded(answer)
    missing = tuple(fact for fact in case.mentions if _folded(fact) not in got)
    pairs = _pairs(wanted)
    shared = len(pairs & _pairs(got)) / len(pairs) if pairs else float(bool(got))
    if case.verbatim and wanted not in got:
        missing = (*missing, case.conveys)
    return Verdict(passed=not missing and shared >= SHARED_PAIRS, shared=shared, missing=missing)


def _folded(text: str) -> str:
    """Letters and digits only, one spelling of each: what is heard, not what is written."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)} or ({text} if text else set())


def write_cases(cases: list[Case], *, agent_id: str) -> str:
    """The file's text."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment("What callers say, and what the answer should convey: one case for each template.")
    )
    document["format"] = FORMAT
    document["agent"] = agent_id
    listed = tomlkit.aot()
    for case in cases:
        table = tomlkit.table()
        table["id"] = case.id
        if case.stage is not None:
            table["stage"] = case.stage
        table["situation"] = case.situation
        table["says"] = list(case.says)
        table["conveys"] = case.conveys
        if case.mentions:
            table["mentions"] = list(case.mentions)
        table["verbatim"] = case.verbatim
        if case.tools:
            table["tools"] = list(case.tools)
        listed.append(table)
    document["cases"] = listed
    return tomlkit.dumps(document)


def parse_cases(text: str, *, source: str) -> list[Case]:
    """The cases of a file. Raises InvalidCases with the first thing that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidCases(
            f"{source}: not TOML: {error}; write it anew with `cordboard agents migrate --cases`"
        ) from None
    if document.get("format") != FORMAT:
        raise InvalidCases(
            f"{source}: the format is {document.get('format')!r}, this version reads {FORMAT!r}"
        )
    cases = []
    for number, table in enumerate(document.get("cases", []), 1):
        unknown = set(table) - set(Case.__slots__)
        lacking = {"id", "situation", "conveys"} - set(table)
        if unknown or lacking:
            what = (
                f"unknown {', '.join(sorted(unknown))}" if unknown else f"lacks {', '.join(sorted(lacking))}"
            )
            raise InvalidCases(
                f"{source}: case {number}: {what}; the module legacy_cases describes the format"
            )
        listed = {key: tuple(table.get(key, ())) for key in ("says", "mentions", "tools")}
        cases.append(
            Case(
                id=table["id"], situation=table["situation"], conveys=table["conveys"], stage=table.get("stage"),
                verbatim=bool(table.get("verbatim", False)),
                says=listed["says"], mentions=listed["mentions"], tools=listed["tools"],
            )
        )  # fmt: skip
    return cases
