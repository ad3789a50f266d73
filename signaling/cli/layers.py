"""Settings from several places laid over one another, each value remembering where it came from. Pure.

All problems are found before any is reported: path, where it stands, what is wrong, what was meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from signaling.settings import Settings

PREFIX = "CORDBOARD_"
NAMED: Mapping[str, tuple[str, ...]] = {
    "OPENAI_API_KEY": ("realtime", "api_key"),
    "REDIS_URL": ("redis_url",),
    "DATABASE_URL": ("database_url",),
    "CORDBOARD_HTTP_PORT": ("server", "port"),
    "CORDBOARD_URL": ("client", "url"),
    "CORDBOARD_TOKEN": ("client", "token"),
}
"""Environment variables with names of their own."""
NOT_SETTINGS = frozenset({"CORDBOARD_TRACEBACK", "CORDBOARD_PARENT", "CORDBOARD_SKIP_PAGES"})
"""Read elsewhere: by the command itself, and by the build of the pages."""
_SECRET_NAMES = frozenset({"api_key", "secret", "token", "credential", "redis_url", "database_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One setting from one place."""

    path: tuple[str, ...]
    value: Any
    source: str  # as a reader finds it: "cordboard.toml", "CORDBOARD_SERVER__PORT in .env", "--port"


class SettingsError(ValueError):
    """Everything that is wrong with the settings, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        return "\n  ".join([f"the settings have {count} problem{'s' if count != 1 else ''}:", *self.problems])


def from_mapping(values: Mapping[str, Any], *, source: str) -> list[Value]:
    """Leaves of nested tables, e.g. of a TOML file or of flags."""
    return list(_leaves(values, (), source))


def from_environment(variables: Mapping[str, str], *, place: str | None) -> tuple[list[Value], list[str]]:
    """Settings among environment variables, and problems with names that begin like ours.

    An empty variable counts as not set. `place` is the file they stand in, None for the environment itself.
    """
    known = {name: path for path in setting_paths() for name in [variable_name(path)]}
    found: list[tuple[int, Value]] = []
    problems: list[str] = []
    for name, value in variables.items():
        source = name if place is None else f"{name} in {place}"
        if not value.strip() or name in NOT_SETTINGS:
            continue
        if name in NAMED:
            found.append((0, Value(path=NAMED[name], value=value, source=source)))
        elif name in known:
            found.append((1, Value(path=known[name], value=value, source=source)))  # the exact name wins
        elif name.startswith(PREFIX):
            problems.append(f"{source}: unknown setting{_suggestion(name, [*known, *NAMED])}")
    return [value for _, value in sorted(found, key=lambda ranked: ranked[0])], problems


def settings_from(values: Iterable[Value], problems: Iterable[str] = ()) -> Settings:
    """Later values win. Raises SettingsError with `problems` and all that validation finds."""
    found = list(problems)
    merged: dict[str, Any] = {}
    sources: dict[tuple[str, ...], str] = {}
    for value in values:
        _put(merged, value.path, value.value)
        sources[value.path] = value.source
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        found += [_worded(dict(detail), merged, sources) for detail in error.errors(include_url=False)]
        raise SettingsError(found) from None
    if found:
        raise SettingsError(found)
    return settings


def setting_paths() -> list[tuple[str, ...]]:
    """Every setting, as the path to it."""
    return list(_paths(Settings, ()))


def variable_name(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(part.upper() for part in path)


def _paths(model: type[BaseModel], above: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _paths(annotation, (*above, name))
        else:
            yield (*above, name)


def _leaves(values: Mapping[str, Any], above: tuple[str, ...], source: str) -> Iterable[Value]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, name), source)
        else:
            yield Value(path=(*above, name), value=value, source=source)


def _put(merged: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """A table and a plain value at the same place: the later one replaces the earlier."""
    table = merged
    for part in path[:-1]:
        below = table.get(part)
        if not isinstance(below, dict):
            below = table[part] = {}
        table = below
    table[path[-1]] = value


def _worded(detail: dict[str, Any], merged: dict[str, Any], sources: Mapping[tuple[str, ...], str]) -> str:
    loc = tuple(str(part) for part in detail["loc"])
    place = next((sources[loc[:n]] for n in range(len(loc), 0, -1) if loc[:n] in sources), None)
    place = place or next((source for path, source in sources.items() if path[: len(loc)] == loc), "")
    where = f"{'.'.join(loc)} ({place})" if place else ".".join(loc)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown setting{_suggestion(loc[-1], _siblings(loc))}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}{_shown(loc, merged)}"


def _siblings(loc: tuple[str, ...]) -> list[str]:
    """The settings that could have been meant beside the last name of `loc`; numbers are places in a list."""
    model: type[BaseModel] = Settings
    for part in loc[:-1]:
        if part.isdecimal():
            continue
        field = model.model_fields.get(part)
        below = None if field is None else _section_in(field.annotation)
        if below is None:
            return []
        model = below
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a type is, or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner))), None)


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def _shown(loc: tuple[str, ...], merged: Any) -> str:
    """The value that was given, unless it might be a secret."""
    if _SECRET_NAMES & set(loc):
        return ""
    value = merged
    for part in loc:
        if not isinstance(value, dict) or part not in value:
            return ""
        value = value[part]
    return "" if isinstance(value, dict | SecretStr) else f" (got {value!r:.60})"
