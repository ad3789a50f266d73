"""The account of a migration: one row for each entry of the old file, then every string of it.

A row is what the migration screen shows: the legacy rule, the proposed part of the agent, and a status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from realtime.legacy_joins import Finding, Trouble
from realtime.legacy_values import Place, Source


class Status(Enum):
    """What became of an entry."""

    CARRIED = "carried over"
    MERGED = "merged"
    CHECK = "needs a look"  # it is in the agent, or was meant to be, and somebody should read it
    DROPPED = "dropped"

    @property
    def short(self) -> str:
        """As the migration screen groups it."""
        return {"needs a look": "check", "dropped": "not carried over"}.get(self.value, "ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of the old file and what became of it."""

    kind: str  # template, keywords, mapping, state, transition, required, variable, setting, code, comment
    name: str
    at: Place
    status: Status
    became: str | None = None  # its place in the agent document
    why: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()  # what it says

    def as_json(self) -> dict[str, Any]:
        """For the migration screen."""
        return {
            "kind": self.kind, "name": self.name, "line": self.at.line, "column": self.at.column,
            "status": self.status.short, "outcome": self.status.value, "became": self.became,
            "why": list(self.why), "texts": list(self.texts),
        }  # fmt: skip


_HEADINGS = {
    "template": "Templates",
    "keywords": "Keyword lists",
    "mapping": "Mappings",
    "state": "States",
    "transition": "Transitions",
    "required": "Required names",
    "variable": "Variables",
    "setting": "Settings",
    "code": "Code and what only running it would tell",
    "comment": "Comments",
}
_TROUBLES = {
    Trouble.DANGLING: "Names that lead nowhere",
    Trouble.CONTRADICTION: "Contradictions",
    Trouble.DUPLICATE: "Duplicates",
    Trouble.UNREACHED: "What nothing leads to",
}


def markdown(
    *,
    source: Source,
    agent_id: str,
    rows: Sequence[Row],
    findings: Sequence[Finding],
    assumptions: Sequence[str],
    document: str,
) -> str:
    """The report. `document`: the agent's TOML, against which every string is looked up."""
    lines = [f"# {source.name} → agent `{agent_id}`", ""]
    lines += ["| | " + " | ".join(status.value for status in Status) + " |", "|---" * 5 + "|"]
    for kind, heading in _HEADINGS.items():
        counts = [sum(row.kind == kind and row.status is status for row in rows) for status in Status]
        if any(counts):
            lines.append(f"| {heading} | " + " | ".join(map(str, counts)) + " |")
    lines.append("")
    lines += _section("Please check", [f"- {text}" for text in assumptions])
    for trouble, heading in _TROUBLES.items():
        found = [f"- line {f.at.line}: {_plain(f.text)}" for f in findings if f.trouble is trouble]
        lines += _section(heading, found)
    for kind, heading in _HEADINGS.items():
        lines += _section(heading, [_row(row) for row in rows if row.kind == kind])
    lines += _section("Every string of the source", ["```text", *_strings(source, rows, document), "```"])
    return "\n".join(lines)


def _section(heading: str, lines: Sequence[str]) -> list[str]:
    return [f"## {heading}", "", *lines, ""] if lines else []


def _row(row: Row) -> str:
    became = f" → `{row.became}`" if row.became else ""
    why = f": {'; '.join(map(_plain, row.why))}" if row.why else ""
    said = "".join(f"\n  > {_plain(text)}" for text in row.texts if text)
    return f"- line {row.at.line}, **{_plain(row.name)}** — {row.status.value}{became}{why}{said}"


def _plain(text: str) -> str:
    """On one line, and without Markdown of its own."""
    escaped = "".join(f"\\{c}" if c in "\\`*<>|" else c for c in " ".join(text.split()))
    return escaped or "(empty)"


def shown(text: str) -> str:
    """A string as the last section writes it: JSON, so that it stays on one line and nothing in it is lost."""
    return json.dumps(text, ensure_ascii=False)


def _strings(source: Source, rows: Iterable[Row], document: str) -> list[str]:
    """`12:5  "text"  in the agent`."""
    placed: dict[str, str] = {}
    for row in rows:
        for text in (row.name, *row.name.split("."), *row.texts):
            placed.setdefault(text, f"{row.kind} {row.name}: {row.status.value}".replace("\n", " "))
    lines = []
    for literal in source.literals:
        where = placed.get(literal.value)
        if where is None:
            inside = literal.value and json.dumps(literal.value, ensure_ascii=False)[1:-1] in document
            where = "in the agent" if inside else "a name or part of the code: not carried over"
        lines.append(f"{literal.at.line}:{literal.at.column}  {shown(literal.value)}  {where}")
    return lines
