"""An agent's document as values: what was said in it, in the order of the format, and how two of them differ.

What makes them differ is told by names (`goals[booking].slots[date].type`), not by positions, so that a
guideline put in front does not look like a change of all the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from realtime.agent import Agent

# By what a member of a list is recognised: slots by name; goals and outcomes by id; guidelines by situation.
_NAMED_BY = ("id", "name", "situation")


def document_of(agent: Agent) -> dict[str, Any]:
    """What the document says, without defaults and without `version`: what can be saved and read again."""
    return agent.model_dump(mode="json", exclude_unset=True, exclude={"version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where two documents differ."""

    path: str  # "voice", "variables.company", "guidelines[asked for prices].do"
    change: Literal["added", "removed", "changed", "reordered"]
    before: Any = None  # None where added
    after: Any = None  # None where removed


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Everything that differs, in the order of `before`, then what was added. Empty exactly when they are equal."""
    return list(_between(before, after, ""))


def _between(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key, old in before.items():
        here = f"{path}.{key}" if path else key
        if key not in after:
            yield Difference(path=here, change="removed", before=old)
        elif after[key] != old:
            yield from _changed(old, after[key], here)
    for key, new in after.items():
        if key not in before:
            yield Difference(path=f"{path}.{key}" if path else key, change="added", after=new)


def _changed(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _between(old, new, path)
        return
    olds, news = _by_name(old), _by_name(new)
    if olds is None or news is None:
        yield Difference(path=path, change="changed", before=old, after=new)
        return
    for name, member in olds.items():
        here = f"{path}[{name}]"
        if name not in news:
            yield Difference(path=here, change="removed", before=member)
        elif news[name] != member:
            yield from _changed(member, news[name], here)
    for name, member in news.items():
        if name not in olds:
            yield Difference(path=f"{path}[{name}]", change="added", after=member)
    kept = [name for name in olds if name in news]
    kept_now = [name for name in news if name in olds]
    if kept != kept_now:
        yield Difference(path=path, change="reordered", before=kept, after=kept_now)


def _by_name(value: Any) -> dict[str, Mapping[str, Any]] | None:
    """The members of a list by their names; None for what is no list of differently named members."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    if not all(isinstance(member, Mapping) for member in value):
        return None
    for key in _NAMED_BY:
        names = [member.get(key) for member in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return None
