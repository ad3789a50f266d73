"""`cordboard agents`: the agents of the running server, and the files they may come from."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signaling.cli import agent_publishing, migrate
from signaling.cli.agent_files import is_file, load, load_file
from signaling.cli.environment import read_settings
from signaling.cli.failure import Failure

if TYPE_CHECKING:
    from realtime.agent import Agent

app = typer.Typer(help="The agents: on the running server, and in files.", no_args_is_help=True)
app.command("publish")(agent_publishing.publish)
app.command("diff")(agent_publishing.diff)
app.command("rollback")(agent_publishing.roll_back)
app.command("migrate")(migrate.migrate_templates)

PathOption = Annotated[
    str | None, typer.Option("--path", help="A folder of agent files, or one; asks no server.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_agents(path: PathOption = None, as_json: JsonOption = False) -> None:
    """The agents by id: those that take calls now, and drafts that were never published."""
    if path is None:
        shown = asyncio.run(_listed())
    else:
        shown = [
            {
                "id": a.id,
                "name": a.name,
                "language": a.language,
                "direction": a.direction,
                "version": a.version,
            }
            for a in load(path).values()
        ]
    if as_json:
        typer.echo(json.dumps({"items": shown, "next": None}, ensure_ascii=False))
        return
    for each in shown:
        draft = each.get("draft")
        note = f"  (draft of {draft['saved_by']} is not published)" if draft and draft["changed"] else ""
        columns = (each.get("language") or "", each.get("direction") or "", each["version"] or "draft")
        typer.echo("{:<24} {:<6} {:<9} {:<18} {}{}".format(each["id"], *columns, each["name"], note))


@app.command("show")
def show_agent(
    agent: Annotated[str, typer.Argument(metavar="ID|FILE")],
    path: PathOption = None,
    version: Annotated[
        str | None,
        typer.Option("--version", help="v3, draft, published or file; without it, what takes calls."),
    ] = None,
    rendered: Annotated[
        bool, typer.Option("--rendered", help="The instructions that the model is given.")
    ] = False,
) -> None:
    """One agent's document as JSON, or with --rendered the text that is sent to the model."""
    if is_file(agent) or path is not None:
        found = _of_files(agent, path)
        typer.echo(_rendered(found, _tools_here()) if rendered else _json(found.model_dump(mode="json")))
    else:
        typer.echo(asyncio.run(_of_server(agent, version, rendered)))


@app.command("validate")
def validate_agents(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...")] = None, path: PathOption = None
) -> None:
    """Check the files and that the tools they name exist; exit code 1 with every problem."""
    from realtime.tools.registry import discover

    agents = [load_file(file) for file in files] if files else list(load(path).values())
    registry = discover(read_settings().tools.modules)
    problems = [
        f"{agent.id}: the tool {name!r} is not registered"
        for agent in agents
        for name in agent.tools
        if name not in registry
    ] + list(registry.problems)
    if problems:
        raise Failure("\n  ".join([f"{len(problems)} problem(s):", *problems]))
    typer.echo(f"{len(agents)} agent{'s' if len(agents) != 1 else ''} valid")


async def _listed() -> list[dict[str, Any]]:
    """What takes calls, with its draft where the token may see it; then what is only a draft."""
    from signaling.cli.api import Api

    async with Api.open(read_settings().client) as api:
        answering: list[dict[str, Any]] = (await api.ask("GET", "/v1/agents")).body["items"]
        status, page = await api.get("/v1/drafts")
    drafts = {draft["agent"]: draft for draft in page["items"]} if status == 200 else {}
    for each in answering:
        each["draft"] = drafts.pop(each["id"], None)
    return answering + [
        {"id": draft["agent"], "name": draft["name"], "version": None, "draft": draft}
        for draft in drafts.values()
    ]


def _of_files(agent: str, path: str | None) -> Agent:
    if is_file(agent):
        return load_file(agent)
    agents = load(path)
    if agent not in agents:
        known = ", ".join(sorted(agents)) or "none"
        raise Failure(f"there is no agent {agent!r}", remedy=f"known: {known}")
    return agents[agent]


async def _of_server(agent_id: str, version: str | None, rendered: bool) -> str:
    from realtime.agent import InvalidAgent, read_agent
    from signaling.cli.api import Api, place

    where = place("v1", "agents", agent_id, *(("versions", version) if version is not None else ()))
    async with Api.open(read_settings().client) as api:
        document = (await api.ask("GET", where)).body
        if not rendered:
            return _json(document)
        tools = (await api.ask("GET", "/v1/tools")).body["items"]
    try:
        agent = read_agent(document, source=agent_id, version=version or document["version"])
    except InvalidAgent as unreadable:
        raise Failure(
            str(unreadable), remedy="the server is newer than this program; render with its own `cordboard`"
        ) from None
    return _rendered(agent, {tool["name"]: tool["description"] for tool in tools})


def _tools_here() -> dict[str, str]:
    from realtime.tools.registry import discover

    return {tool.name: tool.spec.description for tool in discover(read_settings().tools.modules)}


def _rendered(agent: Agent, descriptions: dict[str, str]) -> str:
    """What a call is given that begins now. `descriptions`: what the tools are for, by name."""
    from datetime import UTC, datetime

    from realtime.instructions import render
    from realtime.tools.belonging import belonging_tools

    told = {name: descriptions.get(name, "(not registered)") for name in agent.tools}
    told |= {name: each.spec.description for name, each in belonging_tools(agent).items()}
    return render(agent, now=datetime.now(UTC), tool_notes=list(told.items()))


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
