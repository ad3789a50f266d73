"""Keyword templates become an agent that talks freely: the whole migration, from text to texts.

`migrate` reads a file of fixed responses, keyword lists, mappings and states (JavaScript, JSON or CSV; it is never
run) and gives an agent document, a report that accounts for every entry, and one evaluation case a template. It
proposes: somebody who knows the business reads the report and the document before the agent answers a call.

    legacy_javascript, legacy_csv   text → values            legacy_recognition   values → rules (legacy_rules)
    legacy_joins                    rules → joined by name   legacy_agent         joined → document and cases
    legacy_toml, legacy_report, legacy_rows, legacy_cases    what is written
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from realtime.agent import Agent, parse_agent
from realtime.legacy_agent import draft
from realtime.legacy_cases import Case, write_cases
from realtime.legacy_csv import read_csv
from realtime.legacy_javascript import read_javascript, read_json
from realtime.legacy_joins import Finding, join
from realtime.legacy_names import same
from realtime.legacy_recognition import recognise
from realtime.legacy_report import Row, Status, markdown
from realtime.legacy_rows import rows
from realtime.legacy_toml import write_toml
from realtime.legacy_values import Source, UnreadableSource

FORMATS = {
    "js": read_javascript, "cjs": read_javascript, "mjs": read_javascript,
    "json": read_json, "jsonc": read_json, "csv": read_csv,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What comes of a file. `toml`, `report` and `cases_toml` are the texts to be written."""

    source: Source
    agent: Agent
    toml: str
    report: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    cases: tuple[Case, ...]
    cases_toml: str
    assumptions: tuple[str, ...]

    @property
    def counts(self) -> dict[Status, int]:
        """How many entries became what; comments are not entries."""
        counted = Counter(row.status for row in self.rows if row.kind != "comment")
        return {status: counted[status] for status in Status}


def migrate(text: str, *, name: str, agent_id: str | None = None) -> Migration:
    """The migration of one file. `name`: its file name, whose ending tells the format.

    Raises UnreadableSource, with line and column, where the text cannot be read or holds nothing of the kind.
    """
    stem, _, ending = name.rpartition(".")
    read = FORMATS.get(ending.lower())
    if read is None:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise UnreadableSource(
            name, 1, 1, f"unknown kind of file {ending!r}", f"give a file that ends in {known}"
        )
    source = read(text, name=name)
    joined = join(recognise(source))
    if not joined.rules.templates and not joined.rules.keywords:
        raise UnreadableSource(
            name, 1, 1, "neither response texts nor keyword lists were found",
            "give the file that holds the tables themselves, not the one that only uses them",
        )  # fmt: skip
    agent_id = agent_id or agent_id_of(stem)
    proposal = draft(joined, agent_id=agent_id, title=stem or agent_id)
    toml = write_toml(proposal.document, origins=proposal.origins, source=name)
    account = rows(source, joined, proposal)
    report = markdown(
        source=source, agent_id=agent_id, rows=account, findings=joined.findings,
        assumptions=proposal.guesses, document=toml,
    )  # fmt: skip
    return Migration(
        source=source,
        agent=parse_agent(toml, source=f"{agent_id}.toml"),
        toml=toml,
        report=report,
        rows=tuple(account),
        findings=tuple(joined.findings),
        cases=tuple(proposal.cases),
        cases_toml=write_cases(proposal.cases, agent_id=agent_id),
        assumptions=tuple(proposal.guesses),
    )


def agent_id_of(stem: str) -> str:
    """A file's name as an agent's id: lower case, digits, dashes."""
    plain = re.sub(r"[^a-z0-9]+", "-", same(stem)).strip("-")[:64].strip("-")
    return plain or "migrated"
