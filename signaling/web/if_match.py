"""`If-Match` and `ETag` for drafts: the tag is the draft's revision, `"3"`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from signaling.errors import BadRequest, PreconditionRequired

IF_MATCH = "The ETag of the draft that was read; `*` takes whatever is there."
"""What the API's documentation says of the header."""

_TAG = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')


def etag(revision: int) -> str:
    """The header's value."""
    return f'"{revision}"'


def seen_revisions(request: web.Request, *, required: bool) -> Sequence[int] | None:
    """The revisions that the client has seen; None where it takes any (`*`, or no header where none is needed).

    RFC 9110 §13.1.1: tags are compared strongly, so a weak one (`W/"3"`) matches nothing, and neither does one
    that was never ours.

    Raises:
        PreconditionRequired: no header where one is `required`.
        BadRequest: not a list of entity tags.
    """
    values = request.headers.getall("If-Match", [])
    header = ", ".join(values).strip()
    if not header:
        if required:
            raise PreconditionRequired(
                "Saving over a draft needs to know which one you have seen.",
                fix='Send If-Match with the ETag of GET …/draft, e.g. If-Match: "3".',
            )
        return None
    if header == "*":
        return None
    seen: list[int] = []
    place = 0
    while place < len(header):
        tag = _TAG.match(header, place)
        if tag is None:
            raise BadRequest(
                "If-Match is not a list of entity tags.", fix='Write it like this: If-Match: "3".'
            )
        if tag[1] is None and re.fullmatch(r"\d{1,18}", tag[2]):
            seen.append(int(tag[2]))
        place = tag.end()
    return seen
