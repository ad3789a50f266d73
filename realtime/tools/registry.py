"""From a typed function to a tool: schema from the signature, arguments checked before it runs."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from realtime.tool_spec import ToolSpec
from realtime.tools.context import CallContext

# A caller waits this long in silence at the most before the model is told that the tool did not answer.
DEFAULT_TIMEOUT_S = 10.0
ENTRY_POINT_GROUP = "cordboard.tools"


class InvalidTool(TypeError):
    """A function that cannot be offered to a model; the message says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function and what the model sees of it."""

    spec: ToolSpec
    function: Callable[..., Awaitable[Any]]
    arguments: type[BaseModel]
    timeout_s: float
    context_parameter: str | None
    source: str  # "built-in" or the module it came from

    @property
    def name(self) -> str:
        return self.spec.name


def tool(
    *, name: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S, speak_while: str | None = None
) -> Callable[[Callable[..., Awaitable[Any]]], Tool]:
    """Make a tool of an async function. Its docstring is what the model reads to decide when to call it.

    Parameters become the schema (`Annotated[date, Field(description=…)]` describes one); one of type
    CallContext is given by us and never by the model. `speak_while`: what the agent says, once and in the
    call's own language, when the tool has run for two seconds and nobody speaks; "" for nothing, None for
    words of the agent's own. Raises InvalidTool at import.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Tool:
        return _tool_from(function, name or function.__name__, timeout_s, speak_while)

    return make


def _tool_from(
    function: Callable[..., Awaitable[Any]], name: str, timeout_s: float, speak_while: str | None
) -> Tool:
    where = f"tool {name!r} ({function.__module__}.{function.__qualname__})"
    if not inspect.iscoroutinefunction(function):
        # Run in a thread, it could not be stopped when its time is up or its call is over.
        raise InvalidTool(
            f"{where} is not async: write `async def {function.__name__}(…)`, and inside it "
            "`await asyncio.to_thread(…)` around what blocks"
        )
    description = inspect.cleandoc(function.__doc__ or "")
    if not description:
        raise InvalidTool(f"{where} has no docstring: the model needs one sentence on when to call it")
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    context_parameter: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidTool(f"{where} takes *{parameter.name}: name each parameter")
        hint = hints.get(parameter.name)
        if hint is None:
            raise InvalidTool(
                f"{where}: parameter {parameter.name!r} has no type, e.g. `{parameter.name}: str`"
            )
        if hint is CallContext:
            context_parameter = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hint, Field(default=default))
    arguments = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)
    return Tool(
        spec=ToolSpec(
            name=name, description=description, parameters=_schema(arguments), speak_while=speak_while
        ),
        function=function,
        arguments=arguments,
        timeout_s=timeout_s,
        context_parameter=context_parameter,
        source="built-in" if function.__module__.startswith("realtime.tools.") else function.__module__,
    )


def _schema(arguments: type[BaseModel]) -> dict[str, Any]:
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    for described in schema.get("properties", {}).values():
        described.pop("title", None)
    schema.setdefault("properties", {})
    schema.setdefault("required", [])
    return schema


class ToolRegistry:
    """Every tool of this process, by name. Iterates in order of registration."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.problems: list[str] = []  # plug-ins that could not be used, a sentence each
        for each in tools:
            self.add(each)

    def add(self, new: Tool) -> None:
        """Raises InvalidTool for a second tool of the same name."""
        known = self._tools.get(new.name)
        if known is not None:
            raise InvalidTool(
                f"two tools are called {new.name!r}: one from {known.source}, one from {new.source}"
            )
        self._tools[new.name] = new

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def chosen(self, names: Iterable[str]) -> dict[str, Tool]:
        """The tools of these names, in their order. Raises KeyError with the first that is not there."""
        return {name: self._tools[name] for name in names}


def discover(modules: Iterable[str] = ()) -> ToolRegistry:
    """Built-in tools, then those of `modules` and of installed packages' entry points `cordboard.tools`.

    One that fails to load is left out and named in `problems`: it must not keep the telephone from ringing.
    """
    from realtime.tools.built_in import TOOLS

    registry = ToolRegistry(TOOLS)
    loaders: dict[str, Callable[[], Any]] = {
        name: (lambda name=name: importlib.import_module(name))  # type: ignore[misc]
        for name in modules
    }
    loaders |= {
        f"{point.name} ({point.value})": point.load for point in entry_points(group=ENTRY_POINT_GROUP)
    }
    for source, load in loaders.items():
        try:
            loaded = load()
            for each in [loaded] if isinstance(loaded, Tool) else _tools_of(vars(loaded)):
                registry.add(each)
        except Exception as error:
            registry.problems.append(f"{source}: {type(error).__name__}: {error}")
    return registry


def _tools_of(namespace: Mapping[str, Any]) -> list[Tool]:
    return [value for value in namespace.values() if isinstance(value, Tool)]
