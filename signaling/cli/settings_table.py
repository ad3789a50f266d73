"""The table of all settings in the README: `python -m signaling.cli.settings_table`."""

from __future__ import annotations

import sys

from signaling.cli.layers import NAMED, setting_paths, variable_name
from signaling.settings import Settings


def markdown() -> str:
    """One row a setting: name in cordboard.toml, environment variable, default, meaning."""
    named = {path: name for name, path in NAMED.items()}
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for path in setting_paths():
        model = Settings
        for part in path[:-1]:
            model = model.model_fields[part].annotation  # type: ignore[assignment]
        field = model.model_fields[path[-1]]
        variable = named.get(path, variable_name(path))
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `{'.'.join(path)}` | `{variable}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")
