"""An agent document as TOML that people go on editing: in a fixed order, each guideline with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import Item, Table

_ORDER = (
    "id", "name", "direction", "language", "timezone", "region", "greeting", "instructions", "tools", "variables",
    "handoff", "guidelines", "flow", "goals", "outcomes",
)  # fmt: skip


def write_toml(document: Mapping[str, Any], *, origins: Mapping[str, str], source: str) -> str:
    """The text. `origins`: path → the entry of the old file, written as a comment above it."""
    text = tomlkit.document()
    text.add(
        tomlkit.comment(
            f"Made from {_line(source)} by `cordboard agents migrate`. Read it, then make it yours."
        )
    )
    text.add(tomlkit.nl())
    for key in _ORDER:
        if key in document:
            text.add(key, _item(document[key], key, origins))
    return tomlkit.dumps(text)


def _item(value: Any, path: str, origins: Mapping[str, str]) -> Item:
    if isinstance(value, dict):
        return _table(value, path, origins)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        listed = tomlkit.aot()
        for index, member in enumerate(value):
            listed.append(_table(member, f"{path}[{index}]", origins))
        return listed
    if isinstance(value, str):
        return tomlkit.string(value)
    plain: Item = tomlkit.item(value)
    return plain


def _table(members: Mapping[str, Any], path: str, origins: Mapping[str, str]) -> Table:
    table = tomlkit.table()
    if path in origins:
        table.add(tomlkit.comment(_line(origins[path])))
    plain = {key: value for key, value in members.items() if value is not None and value != []}
    # Values before tables: what follows the header of a table belongs to it.
    for key, value in sorted(plain.items(), key=lambda pair: _is_table(pair[1])):
        table.add(key, _item(value, f"{path}.{key}", origins))
    return table


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _line(text: str) -> str:
    """What a comment may hold (TOML 1.0: no control characters)."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
