"""Query parameters as values, or a 400 that says what they may be."""

from __future__ import annotations

from aiohttp import web

from signaling.errors import BadRequest


def whole_number(request: web.Request, name: str, *, default: int, least: int, most: int) -> int:
    """Raises BadRequest for anything but a whole number from `least` to `most`."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(f"{name}= must be a whole number from {least} to {most}.")
    return value


def one_of(request: web.Request, name: str, allowed: frozenset[str]) -> str | None:
    """Raises BadRequest for a value that is not one of `allowed`."""
    text = request.query.get(name)
    if text is not None and text not in allowed:
        raise BadRequest(f"{name}= must be one of: {', '.join(sorted(allowed))}.")
    return text
