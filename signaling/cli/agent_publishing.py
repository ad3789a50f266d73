"""`cordboard agents publish|diff|rollback`: through the running server, so that every node hears of it."""

from __future__ import annotations

import asyncio
import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signaling.cli.agent_files import is_file, load_file
from signaling.cli.environment import read_settings
from signaling.cli.failure import Failure

if TYPE_CHECKING:
    from signaling.cli.api import Api, Reply

NoteOption = Annotated[str, typer.Option("--note", help="What is new; shown in the list of versions.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "reordered": "~"}


def publish(
    agent: Annotated[str, typer.Argument(metavar="ID|FILE")],
    note: NoteOption = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Of a file: also over a draft that was never published.")
    ] = False,
) -> None:
    """Let an agent's draft take new calls; of a file, save it as the draft first. The same again does nothing."""
    asyncio.run(_publish(agent, note, overwrite))


def diff(
    agent: Annotated[str, typer.Argument(metavar="ID|FILE")],
    a: Annotated[str, typer.Argument(help="published, draft, file, a version or a file.")] = "published",
    b: Annotated[str | None, typer.Argument(help="The same; without it, the draft, or the FILE.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How one document of an agent differs from another: what takes calls from the draft, if nothing is said."""
    agent_id = load_file(agent).id if is_file(agent) else agent
    found = asyncio.run(_diff(agent_id, a, b or (agent if is_file(agent) else "draft")))
    if as_json:
        typer.echo(json.dumps({"items": found, "next": None}, ensure_ascii=False))
        return
    for each in found:
        typer.echo(_line(each))
    if not found:
        typer.echo("no difference")


def roll_back(
    agent_id: Annotated[str, typer.Argument(metavar="ID")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to bring back, e.g. v3.")],
    note: NoteOption = "",
) -> None:
    """Let an older version take new calls again, as a new version. The draft stays as it is."""
    asyncio.run(_roll_back(agent_id, version, note))


async def _publish(agent: str, note: str, overwrite: bool) -> None:
    from signaling.cli.api import Api, Refused, place

    async with Api.open(read_settings().client) as api:
        agent_id, if_match = await _saved(api, agent, overwrite) if is_file(agent) else (agent, None)
        try:
            version = await api.ask(
                "POST", place("v1", "agents", agent_id, "publish"), {"note": note}, if_match=if_match
            )
        except Refused as refused:
            if refused.problem_code != "nothing_to_publish":
                raise
            typer.echo(f"{agent_id}: nothing to publish, it takes calls as it is")
            return
    typer.echo(f"{agent_id} {version.body['version']} takes new calls")


async def _saved(api: Api, file: str, overwrite: bool) -> tuple[str, str | None]:
    """The file's agent as the draft of its id; (id, the draft's tag)."""
    from realtime.agent_document import document_of
    from signaling.cli.api import place

    agent = load_file(file)
    document = document_of(agent)
    draft = await _draft(api, agent.id)
    if draft is None:
        return agent.id, (await api.ask("POST", "/v1/agents", document)).etag
    if draft.body["document"] == document:
        return agent.id, draft.etag
    if draft.body["changed"] and not overwrite:
        raise Failure(
            f"{agent.id} has a draft by {draft.body['saved_by']} of {draft.body['saved_at']} that was never "
            "published and that is not this file",
            remedy=f"look at it with: cordboard agents diff {agent.id} draft {file} — then publish it, or this "
            "file over it with --overwrite",
        )
    saved = await api.ask("PUT", place("v1", "agents", agent.id, "draft"), document, if_match=draft.etag)
    return agent.id, saved.etag


async def _draft(api: Api, agent_id: str) -> Reply | None:
    from signaling.cli.api import Refused, place

    try:
        return await api.ask("GET", place("v1", "agents", agent_id, "draft"))
    except Refused as refused:
        if refused.problem_code != "unknown_agent":
            raise
        return None


async def _diff(agent_id: str, a: str, b: str) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from realtime.agent_document import differences
    from signaling.cli.api import Api

    async with Api.open(read_settings().client) as api:
        before, after = await _document(api, agent_id, a), await _document(api, agent_id, b)
    return [asdict(each) for each in differences(before, after)]


async def _document(api: Api, agent_id: str, name: str) -> dict[str, Any]:
    from realtime.agent_document import document_of
    from signaling.cli.api import place

    if is_file(name):
        return document_of(load_file(name))
    found = await api.ask("GET", place("v1", "agents", agent_id, "versions", name))
    document: dict[str, Any] = found.body
    return document


async def _roll_back(agent_id: str, version: str, note: str) -> None:
    from signaling.cli.api import Api, place

    async with Api.open(read_settings().client) as api:
        wanted = {"version": version, "note": note}
        made = (await api.ask("POST", place("v1", "agents", agent_id, "rollback"), wanted)).body
    typer.echo(f"{agent_id} {made['version']} takes new calls; it is {made['restores']} again")


def _line(difference: dict[str, Any]) -> str:
    before, after = difference["before"], difference["after"]
    head = f"{_SIGNS[difference['change']]} {difference['path']}"
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = difflib.ndiff(before.splitlines(), after.splitlines())
        return "\n".join([f"{head}:", *(f"    {line}" for line in lines if not line.startswith("?"))])
    match difference["change"]:
        case "added":
            return f"{head}: {_written(after)}"
        case "removed":
            return f"{head}: {_written(before)}"
        case _:
            return f"{head}: {_written(before)} → {_written(after)}"


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
