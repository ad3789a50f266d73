"""`cordboard agents`: the agent files, read and checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime.agent import Agent

app = typer.Typer(help="The agent files.", no_args_is_help=True)

PathOption = Annotated[str | None, typer.Option("--path", help="Folder of agent files, or one file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_agents(path: PathOption = None, as_json: JsonOption = False) -> None:
    """The agents by id."""
    agents = load(path)
    if as_json:
        shown = [
            {
                "id": a.id,
                "name": a.name,
                "language": a.language,
                "direction": a.direction,
                "version": a.version,
            }
            for a in agents.values()
        ]
        typer.echo(json.dumps({"items": shown, "next": None}, ensure_ascii=False))
        return
    for agent in agents.values():
        typer.echo(
            f"{agent.id:<24} {agent.language:<6} {agent.direction:<9} {agent.version:<18} {agent.name}"
        )


@app.command("show")
def show_agent(agent_id: Annotated[str, typer.Argument(metavar="ID")], path: PathOption = None) -> None:
    """One agent's whole document, as JSON, with every default filled in."""
    agents = load(path)
    if agent_id not in agents:
        raise Failure(
            f"there is no agent {agent_id!r}", remedy=f"known: {', '.join(sorted(agents)) or 'none'}"
        )
    typer.echo(json.dumps(agents[agent_id].model_dump(mode="json"), ensure_ascii=False, indent=2))


@app.command("validate")
def validate_agents(path: PathOption = None) -> None:
    """Check the files and that the tools they name exist; exit code 1 with every problem."""
    from realtime.tools.registry import discover

    agents = load(path)
    registry = discover(read_settings().tools.modules)
    problems = [
        f"{agent.id}: the tool {name!r} is not registered"
        for agent in agents.values()
        for name in agent.tools
        if name not in registry
    ] + list(registry.problems)
    if problems:
        raise Failure("\n  ".join([f"{len(problems)} problem(s):", *problems]))
    typer.echo(f"{len(agents)} agent{'s' if len(agents) != 1 else ''} valid")


def load(path: str | None) -> Mapping[str, Agent]:
    """The agents of `path`, else of the settings. Raises Failure with every problem in the files."""
    from realtime.agent import InvalidAgent
    from realtime.files.agents import load_agents

    where = path or read_settings().agents.path
    try:
        return load_agents(where)
    except InvalidAgent as invalid:
        raise Failure(str(invalid)) from None
    except OSError as error:
        raise Failure(
            f"{where}: {error.strerror or error}",
            remedy="name the folder with --path, or set agents.path",
            code=ExitCode.SETTINGS,
        ) from None
