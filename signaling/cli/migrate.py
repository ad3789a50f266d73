"""`cordboard agents migrate`: a file of keyword templates becomes an agent document, a report and cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from realtime.legacy import Migration

MAX_BYTES = 8 * 1024 * 1024
"""Files of templates are written by hand: some hundred kilobytes. Beyond this it is another file by mistake."""


def migrate_templates(
    templates: Annotated[
        Path, typer.Argument(metavar="TEMPLATES", help="A .js, .cjs, .mjs, .json or .csv file.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The agent document; without it, standard output.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="What became of every entry, as Markdown.")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="One evaluation case a template, as TOML.")
    ] = None,
    agent_id: Annotated[
        str | None, typer.Option("--id", help="The agent's id; else made from the file's name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The rows of the report, for programs.")] = False,
) -> None:
    """Turn keyword templates into an agent that talks freely. The file is read, never run."""
    targets = [path for path in (output, report, cases) if path is not None]
    taken = [str(path) for path in targets if path.exists()]
    if taken and not force:
        raise Failure(f"{', '.join(taken)} is there already", remedy="name another file, or add --force")
    migration = _migrated(templates, agent_id)
    _write(output, migration.toml)
    _write(report, migration.report)
    _write(cases, migration.cases_toml)
    if as_json:
        typer.echo(json.dumps(_for_programs(migration), ensure_ascii=False))
        return
    if output is None:
        typer.echo(migration.toml, nl=False)
    for line in _summary(migration, templates.name, targets):
        typer.echo(line, err=True)


def _migrated(templates: Path, agent_id: str | None) -> Migration:
    from realtime.agent import InvalidAgent
    from realtime.legacy import migrate
    from realtime.legacy_values import UnreadableSource

    try:
        if templates.stat().st_size > MAX_BYTES:
            raise Failure(
                f"{templates} is larger than {MAX_BYTES // 1024 // 1024} MiB",
                remedy="give the file of templates itself",
                code=ExitCode.USAGE,
            )
        text = templates.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(
            f"{templates}: {error.strerror or error}",
            remedy="name the file of templates",
            code=ExitCode.USAGE,
        ) from None
    except UnicodeDecodeError as error:
        raise Failure(
            f"{templates} is not UTF-8 (byte {error.start})",
            remedy=f"convert it first, for example: iconv -f CP932 -t UTF-8 {templates.name}",
            code=ExitCode.USAGE,
        ) from None
    try:
        return migrate(text, name=templates.name, agent_id=agent_id)
    except UnreadableSource as unreadable:
        raise Failure(str(unreadable)) from None
    except InvalidAgent as invalid:
        raise Failure(str(invalid), remedy="give another --id", code=ExitCode.USAGE) from None


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror or error}",
            remedy="name a file in a folder that is there",
        ) from None


def _summary(migration: Migration, source: str, targets: list[Path]) -> list[str]:
    counts = ", ".join(f"{number} {status.value}" for status, number in migration.counts.items() if number)
    lines = [f"{source}: {counts}; {len(migration.findings)} findings, {len(migration.cases)} cases"]
    lines += [f"  check: {text}" for text in migration.assumptions]
    lines += [f"wrote {path}" for path in targets]
    return lines


def _for_programs(migration: Migration) -> dict[str, object]:
    return {
        "agent": migration.agent.id,
        "counts": {status.value: number for status, number in migration.counts.items()},
        "rows": [row.as_json() for row in migration.rows],
        "findings": [
            {"trouble": found.trouble.value, "kind": found.kind, "line": found.at.line, "text": found.text}
            for found in migration.findings
        ],
        "assumptions": list(migration.assumptions),
    }
