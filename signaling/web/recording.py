"""A call's recording, whole or in ranges (RFC 9110 section 14), from the disk or the object store alike."""

from __future__ import annotations

from aiohttp import ETag, web

from signaling.errors import Gone, NotFound, RecordUnavailable, UnknownCall
from signaling.web.agent_problems import who_does
from signaling.web.auth import Access
from signaling.web.ports import RecordingArchive, RecordingView
from signaling.web.record import from_archive
from signaling.web.routing import Answer, Header, Route, Visit

MEDIA_TYPE = "audio/ogg"  # RFC 7845 section 9
_GONE = {
    "refused": "The caller did not want to be recorded.",
    "erased": "It was erased on request.",
    "expired": "It was kept for as long as its agent's calls are kept.",
}


async def get_recording(visit: Visit) -> web.StreamResponse:
    archive, view = await _finished(visit)
    request, size = visit.request, view.bytes
    tag = ETag(f"{visit.call_id}-{size}")  # a finished file never changes
    headers = {"ETag": f'"{tag.value}"', "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if request.if_none_match and any(each.value in (tag.value, "*") for each in request.if_none_match):
        return web.Response(status=304, headers=headers)
    asked = _asked_range(request, tag, size)
    partial, (start, length) = asked is not None, asked or (0, size)
    if length <= 0:
        # RFC 9110 section 15.5.17: the answer says how much there is.
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.content_type = MEDIA_TYPE
    response.content_length = length
    if partial:
        response.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    if request.method == "HEAD":
        return response
    pieces = archive.read(visit.call_id, start, length)
    if start == 0:  # not for every range that a player asks for
        await from_archive(archive.heard_by(visit.call_id, who_does(visit)))
    try:
        # Before the first byte of the answer: what cannot be read becomes a problem with words.
        first = await anext(pieces)
    except OSError as error:
        raise RecordUnavailable(
            "The recording's file cannot be read now.", fix="Check recording.folder and recording.store."
        ) from error
    await response.prepare(request)
    await response.write(first)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def _finished(visit: Visit) -> tuple[RecordingArchive, RecordingView]:
    """Raises UnknownCall, NotFound, Gone or RecordUnavailable for all that is not there to be heard."""
    archive = visit.doors.recordings
    view = None if archive is None else await from_archive(archive.find(visit.call_id))
    if archive is None or view is None:
        known = visit.doors.desk.live_call(visit.call_id) or await from_archive(
            visit.doors.archive.get_call(visit.call_id)
        )
        if known is None:
            raise UnknownCall("No call of this id is running or on record.", fix="GET /v1/calls lists them.")
        raise NotFound(
            "This call was not recorded.", code="not_recorded", fix="Its agent decides: recording.enabled."
        )
    match view.state:
        case "finished":
            return archive, view
        case "recording":
            raise NotFound(
                "This call is being recorded.", code="recording_not_finished", fix="Ask after its end."
            )
        case "deleted":
            because = view.deleted_because or "erased"
            raise Gone(_GONE[because], code=f"recording_{because}")
        case "elsewhere":
            raise RecordUnavailable(
                f"The file is on the server {view.node!r}, or is being moved.",
                fix="Ask that server, or keep recordings in an object store: recording.store.",
            )


def _asked_range(request: web.Request, tag: ETag, size: int) -> tuple[int, int] | None:
    """(first byte, how many), the second 0 or less where nothing is in that range; None: all of it.

    Several ranges at once, and what cannot be understood, are answered with the whole (RFC 9110 section 14.2).
    """
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range != f'"{tag.value}"':
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    if asked.start is None:
        return None
    start = max(0, size + asked.start) if asked.start < 0 else asked.start
    stop = size if asked.stop is None else min(asked.stop, size)
    return start, stop - start


ROUTES = (
    Route(
        method="GET",
        path="/v1/calls/{id}/recording",
        handler=get_recording,
        access=Access(roles=frozenset({"operator", "admin"})),
        summary="The call's audio: Ogg/Opus in stereo, the caller left, everybody else right",
        tag="calls",
        headers=(
            Header(name="Range", description="One range of bytes."),
            Header(
                name="If-Range",
                description="The ETag that the range belongs to; another one: the whole file.",
            ),
            Header(name="If-None-Match", description="The ETag that is there already."),
        ),
        answers={
            200: Answer(
                description="All of it.", media_types=(MEDIA_TYPE,), headers={"ETag": "Of this file."}
            ),
            206: Answer(description="The range that was asked for.", media_types=(MEDIA_TYPE,)),
            304: Answer(description="It has not changed.", media_types=()),
            416: Answer(description="Nothing is in that range.", media_types=()),
        },
        problems=(401, 403, 404, 410, 503),
    ),
)
