"""Asking about calls and ending them: the list, one call, its transcript, events and figures."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from signaling.errors import BadRequest, NotAcceptable, RecordUnavailable, UnsupportedMediaType
from signaling.web.auth import STAFF, Access
from signaling.web.bodies import accepts, read_body
from signaling.web.handoffs import person
from signaling.web.parameters import moment, one_of, whole_number
from signaling.web.record import Record, from_archive
from signaling.web.routing import Answer, Body, Query, Route, Visit, json_answer
from signaling.web.shapes import CallMetrics, CallPage, EventPage, HungUp, TranscriptPage
from signaling.web.trickle import parse_fragment
from signaling.web.webvtt import to_webvtt
from storage.call_filter import CallFilter
from storage.projection import CallState, CallView

STATES = frozenset(get_args(CallState))
TRICKLE = "application/trickle-ice-sdpfrag"
MOST_EVENTS = 1000
"""Events in one answer, about 450 KB; a longer call takes several pages."""


def _record(visit: Visit) -> Record:
    return Record.of(visit.doors)


async def list_calls(visit: Visit) -> web.Response:
    request = visit.request
    record, cursor = _record(visit), request.query.get("cursor")
    which = CallFilter(
        state=one_of(request, "state", STATES),
        agent=request.query.get("agent"),
        outcome=request.query.get("outcome"),
        caller=request.query.get("caller"),
        since=moment(request, "from"),
        until=moment(request, "to"),
    )
    limit = whole_number(request, "limit", default=50, least=1, most=200)
    live = {view.id: view for view in record.running_calls() if which.takes(view)}
    try:
        page = await from_archive(visit.doors.archive.list_calls(which, cursor=cursor, limit=limit))
    except RecordUnavailable as down:
        if cursor is not None or which.state == "ended":
            raise
        return json_answer(CallPage(items=_newest_first(live), next=None, incomplete=down.detail))
    except ValueError:
        raise BadRequest("cursor= is none that this list gave out.") from None
    newest = [record.call_in_memory(view.id) or view for view in page.items]  # the record is a moment behind
    past = [view for view in newest if view.id not in live and which.takes(view)]
    shown = _newest_first(live) if cursor is None else []
    return json_answer(CallPage(items=[*shown, *past], next=page.next))


def _newest_first(live: dict[str, CallView]) -> list[CallView]:
    return [live[call_id] for call_id in sorted(live, reverse=True)]  # ids are UUIDv7: by time


async def get_call(visit: Visit) -> web.Response:
    return json_answer(await _record(visit).call(visit.call_id))


async def get_transcript(visit: Visit) -> web.Response:
    form = accepts(visit.request, "application/json", "text/vtt")
    if form is None:
        raise NotAcceptable("A transcript is application/json or text/vtt.")
    record = _record(visit)
    entries = await record.transcript(visit.call_id)
    if form == "application/json":
        return json_answer(TranscriptPage(items=list(entries)))
    view = await record.call(visit.call_id)
    return web.Response(
        text=to_webvtt(entries, started_at=view.started_at), content_type="text/vtt", charset="utf-8"
    )


async def get_events(visit: Visit) -> web.Response:
    after = whole_number(visit.request, "after", default=-1, least=-1, most=2**53)
    limit = whole_number(visit.request, "limit", default=MOST_EVENTS, least=1, most=MOST_EVENTS)
    events = await _record(visit).events(visit.call_id, after=after, limit=limit)
    more = str(events[-1].seq) if len(events) == limit else None
    return json_answer(EventPage(items=list(events), next=more))


async def get_metrics(visit: Visit) -> web.Response:
    metrics = await _record(visit).metrics(visit.call_id)
    return json_answer(CallMetrics(call_id=visit.call_id, metrics=dict(metrics)))


async def hang_up(visit: Visit) -> web.Response:
    """Idempotent: a call that is over already is a success too."""
    # A service is what embeds the phone: it hangs up for its caller.
    by = {None: "caller", "caller": "caller", "service": "caller", "operator": "operator"}.get(
        visit.who.role, "admin"
    )
    operators, talks = visit.doors.operators, False
    if operators is not None and by in ("operator", "admin"):
        talks = await operators.end(visit.call_id, person(visit))  # time for notes follows
    ended = talks or await visit.doors.desk.hang_up(visit.call_id, by)
    if not ended and visit.who.own_call_id is None:
        # Who holds the call's own token need not prove that it existed.
        await _record(visit).call(visit.call_id)
    return json_answer(HungUp(id=visit.call_id, ended=ended))


async def trickle(visit: Visit) -> web.Response:
    if visit.request.content_type != TRICKLE:
        raise UnsupportedMediaType(f"{visit.request.content_type} is not read here.", fix=f"Send {TRICKLE}.")
    try:
        fragment = (await read_body(visit.request)).decode()
    except UnicodeDecodeError:
        raise BadRequest("The body is not text.", code="not_sdp") from None
    candidates = parse_fragment(fragment)
    await visit.doors.desk.trickle(visit.call_id, candidates)
    return web.Response(status=204)


_OWN = Access(roles=STAFF, own_call=True)
_WHOLE = {"type": "integer"}

ROUTES = (
    Route(
        method="GET",
        path="/v1/calls",
        handler=list_calls,
        access=Access(roles=STAFF),
        summary="Running and past calls, newest first",
        tag="calls",
        query=(
            Query(
                name="state",
                description="Only this state.",
                schema={"type": "string", "enum": sorted(STATES)},
            ),
            Query(name="agent", description="Only this agent."),
            Query(
                name="outcome", description="Only calls that ended as this, an id of the agent's outcomes."
            ),
            Query(name="caller", description="Only this caller, exactly as the calls show it."),
            Query(name="from", description="Began at this date or time (UTC unless it has a zone) or later."),
            Query(name="to", description="Began before this date or time."),
            Query(name="cursor", description="`next` of the page before."),
            Query(name="limit", description="1 to 200, default 50.", schema=_WHOLE),
        ),
        answers={200: Answer(description="One page.", shape=CallPage)},
        problems=(400, 401, 403, 503),
    ),
    Route(
        method="GET",
        path="/v1/calls/{id}",
        handler=get_call,
        access=_OWN,
        summary="One call",
        tag="calls",
        answers={200: Answer(description="The call.", shape=CallView)},
        problems=(401, 403, 404, 503),
    ),
    Route(
        method="DELETE",
        path="/v1/calls/{id}",
        handler=hang_up,
        access=_OWN,
        summary="Hang up (idempotent)",
        tag="calls",
        answers={200: Answer(description="The call is over.", shape=HungUp)},
        problems=(401, 403, 404, 503),
    ),
    Route(
        method="PATCH",
        path="/v1/calls/{id}",
        handler=trickle,
        access=_OWN,
        summary="Add ICE candidates that were found after the offer (RFC 8840)",
        tag="calls",
        body=Body(media_type=TRICKLE),
        answers={204: Answer(description="Taken.", media_types=())},
        problems=(400, 401, 403, 404, 408, 413, 415),
    ),
    Route(
        method="GET",
        path="/v1/calls/{id}/transcript",
        handler=get_transcript,
        access=_OWN,
        summary="What was said, in spoken order, as JSON or WebVTT",
        tag="calls",
        answers={
            200: Answer(
                description="The transcript.",
                shape=TranscriptPage,
                media_types=("application/json", "text/vtt"),
            )
        },
        problems=(401, 403, 404, 406, 503),
    ),
    Route(
        method="GET",
        path="/v1/calls/{id}/events",
        handler=get_events,
        access=_OWN,
        summary="Numbered events of a call, to fill a gap in the live feed",
        tag="calls",
        query=(
            Query(name="after", description="The last seq already known; default -1.", schema=_WHOLE),
            Query(name="limit", description="1 to 1000, default 1000.", schema=_WHOLE),
        ),
        answers={200: Answer(description="Events with seq > after, in order.", shape=EventPage)},
        problems=(400, 401, 403, 404, 503),
    ),
    Route(
        method="GET",
        path="/v1/calls/{id}/metrics",
        handler=get_metrics,
        access=_OWN,
        summary="The figures of a call that is over",
        tag="calls",
        answers={200: Answer(description="The figures.", shape=CallMetrics)},
        problems=(401, 403, 404, 503),
    ),
)
