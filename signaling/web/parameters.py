"""Query parameters as values, or a 400 that says what they may be."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

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


def moment(request: web.Request, name: str) -> datetime | None:
    """A date (its first moment in UTC) or an RFC 3339 time with a zone. Raises BadRequest for anything else."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-22"):
            return _in_reach(datetime.combine(date.fromisoformat(text), time(), UTC))
        # A "+" that was not written as %2B arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
        if at.tzinfo is None:
            raise ValueError
        return _in_reach(at.astimezone(UTC))
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{name}= must be a date or a time with its zone, e.g. 2026-11-22 or 2026-11-22T09:30:00Z."
        ) from None


def _in_reach(at: datetime) -> datetime:
    """Raises ValueError for times with which nobody can reckon a window: no call is that old or that far off."""
    if not 1970 <= at.year <= 9000:
        raise ValueError
    return at
