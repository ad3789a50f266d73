"""`cordboard tools`: what agents may be given, as the model sees it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from realtime.tools.registry import Tool, ToolRegistry

app = typer.Typer(help="The tools that agents may be given.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_tools(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tools by name, and plug-ins that could not be loaded (exit code 1)."""
    registry = _registry()
    if as_json:
        shown = [{"name": t.name, "description": t.spec.description, "source": t.source} for t in registry]
        typer.echo(json.dumps({"items": shown, "problems": registry.problems, "next": None}))
    else:
        for each in registry:
            typer.echo(f"{each.name:<28} {each.source:<24} {each.spec.description.splitlines()[0]}")
    if registry.problems:
        raise Failure(
            "; ".join(registry.problems), remedy="the others work; mend or remove these from tools.modules"
        )


@app.command("schema")
def tool_schema(name: NameArgument) -> None:
    """The JSON Schema that the model is given."""
    typer.echo(json.dumps(_tool(name).spec.parameters, ensure_ascii=False, indent=2))


@app.command("run")
def run_tool(
    name: NameArgument,
    arguments: Annotated[str, typer.Option("--json", help="Arguments as a JSON object.")] = "{}",
) -> None:
    """Check arguments and run a tool outside of any call; tools that need a call's context refuse."""
    tool = _tool(name)
    from pydantic import ValidationError

    try:
        given = tool.arguments.model_validate_json(arguments)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}"
            for e in error.errors(include_url=False)
        )
        raise Failure(wrong, remedy=f"see: cordboard tools schema {name}", code=ExitCode.USAGE) from None
    if tool.context_parameter is not None:
        raise Failure(
            f"{name} works on a running call", remedy="try it with: cordboard call --file question.wav"
        )
    values = {field: getattr(given, field) for field in type(given).model_fields}

    async def work() -> Any:
        async with asyncio.timeout(tool.timeout_s):
            return await tool.function(**values)

    try:
        output = asyncio.run(work())
    except TimeoutError:
        raise Failure(f"{name} did not answer within {tool.timeout_s:g} s") from None
    except Exception as error:
        raise Failure(f"{name} failed: {type(error).__name__}: {error}") from None
    typer.echo(json.dumps(output, ensure_ascii=False, default=str))


def _registry() -> ToolRegistry:
    from realtime.tools.registry import discover

    return discover(read_settings().tools.modules)


def _tool(name: str) -> Tool:
    registry = _registry()
    found = registry.get(name)
    if found is None:
        known = ", ".join(sorted(each.name for each in registry))
        raise Failure(f"there is no tool {name!r}", remedy=f"known: {known}")
    return found
