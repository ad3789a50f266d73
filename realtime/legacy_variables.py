"""The variables of old texts, kept as `{{name}}`, and every other way of writing one made into that.

A text may also hold what no variable can be (`{{#if x}}` of Handlebars): that is taken out, and said.
"""

from __future__ import annotations

import re

_DOUBLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_OTHER = re.compile(
    r"(?<![{$%])\$?\{([^\W\d][\w.]*)\}(?!\})|\$\{([\w.]+)\}|%\{?([A-Za-z_]\w*)\}?%|\[\[\s*([\w.]+)\s*\]\]"
)
_NAME = re.compile(r"[\w][\w.\- ]{0,62}")


class Variables:
    """The names in use, their values, and what was changed in which text."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.used: dict[str, str] = {}  # name → value, in the order of first use
        self.changed: list[tuple[str, str]] = []  # (as it was, as it is)

    def text(self, old: str, *, template: bool = False) -> str:
        """A text for the agent document. `template`: it may write variables in other ways than `{{name}}`."""
        new = (
            _OTHER.sub(lambda found: f"{{{{{next(filter(None, found.groups()))}}}}}", old)
            if template
            else old
        )
        new = _DOUBLE.sub(self._kept, new)
        if new != old:
            self.changed.append((old, new))
        return new

    def _kept(self, found: re.Match[str]) -> str:
        name = found[1]
        if not _NAME.fullmatch(name):
            return "…"  # a condition or an empty name: nothing that can be filled in
        # A name in brackets is read by the model as a gap to fill, and by people as one to close.
        self.used.setdefault(name, self._values.get(name, f"[{name}]"))
        return found[0]

    @property
    def without_value(self) -> list[str]:
        """Names that the file gives no value."""
        return [name for name in self.used if name not in self._values]
