"""Request bodies: never more than a cap, never longer than a deadline, and JSON checked against its type."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web

from signaling.errors import BadRequest, BodyTooLarge, FieldError, InvalidBody, TooSlow, UnsupportedMediaType

BODY_CAP = 64 * 1024
"""Bytes. A browser's audio offer is 2 to 8 KiB; one of 0.94 MB held the event loop for 53 s (measured)."""
BODY_DEADLINE_S = 30.0
"""64 KiB in 30 s is 2 KiB/s: slower than any line that could carry a call."""

T = TypeVar("T")


async def read_body(
    request: web.Request, *, cap: int = BODY_CAP, deadline_s: float = BODY_DEADLINE_S
) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: over `cap`, as soon as that is known; the rest is not read.
        TooSlow: not complete after `deadline_s`.
    """
    refused = BodyTooLarge(
        f"The body is over {cap // 1024} KiB.",
        fix="An offer for one audio call is a few KiB; send only that." if cap == BODY_CAP else None,
    )
    if request.content_length is not None and request.content_length > cap:
        raise refused
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > cap:
                    raise refused
    except TimeoutError:
        raise TooSlow(f"The body was not complete after {deadline_s:g} s.") from None
    return bytes(body)


async def read_json(request: web.Request, type: type[T], *, cap: int = BODY_CAP) -> T:
    """A JSON body as a value of `type` (a msgspec Struct).

    Raises:
        UnsupportedMediaType, BodyTooLarge, TooSlow.
        BadRequest: not JSON. InvalidBody: JSON, but not of this shape.
    """
    if request.content_type != "application/json":
        raise UnsupportedMediaType(f"{request.content_type} is not read here.", fix="Send application/json.")
    body = await read_body(request, cap=cap)
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        # msgspec says "[...]" for "some value of this object": RFC 6901 can only name the object.
        pointer = path.rstrip("`").replace("[...]", "").replace("[", "/").replace("]", "").replace(".", "/")
        raise InvalidBody(
            "The body has a wrong part.", errors=[FieldError(pointer=pointer, detail=message)]
        ) from None
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("The body is not JSON.") from None


def accepts(request: web.Request, *offered: str) -> str | None:
    """The first of these media types that the `Accept` header takes, by its q values; None if none is.

    RFC 9110 §12.5.1: no header, or */*, takes anything; q=0 takes nothing.
    """
    header = request.headers.get("Accept")
    if header is None or not header.strip():
        return offered[0]
    wanted = dict(_ranges(header))
    best: tuple[float, str] | None = None
    for media_type in offered:
        q = _quality(media_type, wanted)
        if q > 0 and (best is None or q > best[0]):
            best = (q, media_type)
    return best[1] if best else None


def _ranges(header: str) -> list[tuple[str, float]]:
    ranges = []
    for part in header.split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        q = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    q = float(value)
                except ValueError:
                    q = 0.0
        ranges.append((media_range.lower(), q))
    return ranges


def _quality(media_type: str, wanted: dict[str, float]) -> float:
    """The most specific range decides."""
    for media_range in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if media_range in wanted:
            return wanted[media_range]
    return 0.0
