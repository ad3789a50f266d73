"""A small language for what a JSON value must look like, with the service's own wording when it does not.

The client's models are deliberately not used: a stand-in that checks with the client's types would share the
client's mistakes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from realtime.simulator.refusal import Refusal

Check: TypeAlias = Callable[[Any, str], None]

_KINDS: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def wrong_type(path: str, expected: str, value: Any) -> Refusal:
    """`invalid_type`, in the service's words."""
    got = _KINDS.get(type(value), "something else")
    message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    return Refusal("invalid_type", message, path)


def wrong_value(path: str, message: str) -> Refusal:
    """`invalid_value` with a message of its own."""
    return Refusal("invalid_value", message, path)


def unsupported(path: str, value: Any, supported: tuple[str, ...]) -> Refusal:
    """`invalid_value` for a value outside a closed list."""
    listed = ", ".join(f"'{name}'" for name in supported)
    return wrong_value(path, f"Invalid value: '{value}'. Supported values are: {listed}.")


def missing(path: str) -> Refusal:
    """`missing_required_parameter`."""
    return Refusal("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def unknown(path: str) -> Refusal:
    """`unknown_parameter`."""
    return Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", path)


def anything(value: Any, path: str) -> None:
    """Any JSON value."""


def text(*, longest: int | None = None) -> Check:
    """A string, of at most `longest` characters."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if longest is not None and len(value) > longest:
            message = (
                f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead."
            )
            raise Refusal("string_above_max_length", message, path)

    return check


def one_of(*names: str) -> Check:
    """One string out of a closed list."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if value not in names:
            raise unsupported(path, value, names)

    return check


def boolean(value: Any, path: str) -> None:
    """true or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def integer(lowest: int | None = None, highest: int | None = None) -> Check:
    """A whole number within bounds."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(path, "an integer", value)
        _within(value, path, lowest, highest)

    return check


def number(lowest: float | None = None, highest: float | None = None) -> Check:
    """A number within bounds."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(path, "a decimal", value)
        _within(value, path, lowest, highest)

    return check


def _within(value: float, path: str, lowest: float | None, highest: float | None) -> None:
    if lowest is not None and value < lowest:
        expected = f"Expected a value >= {lowest}, but got {value} instead."
        message = f"Invalid '{path}': decimal below minimum value. {expected}"
        raise wrong_value(path, message)
    if highest is not None and value > highest:
        expected = f"Expected a value <= {highest}, but got {value} instead."
        message = f"Invalid '{path}': decimal above maximum value. {expected}"
        raise wrong_value(path, message)


def nullable(inner: Check) -> Check:
    """null, or what `inner` accepts."""

    def check(value: Any, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def array(inner: Check) -> Check:
    """An array of what `inner` accepts."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        for index, element in enumerate(value):
            inner(element, f"{path}[{index}]")

    return check


def either(by_type: Mapping[type, Check], expected: str) -> Check:
    """The check that belongs to the value's Python type."""

    def check(value: Any, path: str) -> None:
        inner = by_type.get(type(value))
        if inner is None:
            raise wrong_type(path, expected, value)
        inner(value, path)

    return check


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known fields; an unknown one is refused, as the service does."""

    fields: Mapping[str, Check]
    required: tuple[str, ...] = ()

    def __call__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        dot = f"{path}." if path else ""
        for name in self.required:
            if name not in value:
                raise missing(dot + name)
        for name, element in value.items():
            inner = self.fields.get(name)
            if inner is None:
                raise unknown(dot + name)
            inner(element, dot + name)


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose `tag` field says which of several shapes it has."""

    shapes: Mapping[str, Check]
    tag: str = "type"
    default: str | None = None  # the shape when the tag is absent; None: the tag is required

    def __call__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        where = f"{path}.{self.tag}" if path else self.tag
        name = value.get(self.tag, self.default)
        if name is None:
            raise missing(where)
        if not isinstance(name, str):
            raise wrong_type(where, "a string", name)
        inner = self.shapes.get(name)
        if inner is None:
            raise unsupported(where, name, tuple(self.shapes))
        inner(value, path)
