"""The queue of calls that wait for a person: seen, accepted, declined; and the notes at the end."""

from __future__ import annotations

from aiohttp import web

from signaling.errors import DeskUnavailable, UnknownHandoff
from signaling.operators import Joined, Person
from signaling.web.auth import Access
from signaling.web.bodies import read_json
from signaling.web.offers import SDP, read_offer
from signaling.web.ports import OperatorDesk
from signaling.web.record import Record
from signaling.web.routing import Answer, Body, Query, Route, Visit, json_answer
from signaling.web.shapes import Decline, HandoffEntry, HandoffPage, WrapUp
from storage.call_ids import is_call_id
from storage.projection import CallView, HandoffView

PEOPLE = Access(roles=frozenset({"operator", "admin"}))

OPEN_STATES = frozenset(
    {"requested", "queued", "offered", "declined", "accepted", "connected", "held", "resumed", "recovering"}
)
"""Somebody may still come, or has the call. States are the second halves of the events' names."""

JOINED_HEADERS = {
    "Location": "Where to re-attach, mute or hold: /v1/calls/{id}/operator.",
    "X-Handoff": "The handoff, for the notes at the end.",
}


def desk(visit: Visit) -> OperatorDesk:
    """The desk of this server. Raises DeskUnavailable where there is none."""
    if visit.doors.operators is None:
        raise DeskUnavailable("This server has no desk.")
    return visit.doors.operators


def person(visit: Visit) -> Person:
    """Who acts, for leases, events and the audit log."""
    return Person(id=visit.who.id, name=visit.who.name, queues=visit.who.queues)


def joined(answer: Joined) -> web.Response:
    """A leg on a call, answered."""
    headers = {"Location": f"/v1/calls/{answer.call_id}/operator"}
    if answer.handoff_id is not None:
        headers["X-Handoff"] = answer.handoff_id
    return web.Response(status=201, text=answer.answer_sdp, content_type=SDP, headers=headers)


async def list_handoffs(visit: Visit) -> web.Response:
    """Of every node: from what their calls have told."""
    found = [
        _entry(view, view.handoff)
        for view in Record.of(visit.doors).running_calls()
        if view.handoff is not None and view.handoff.state in OPEN_STATES
    ]
    found.sort(key=lambda entry: (entry.requested_at or "", entry.handoff_id))
    return json_answer(HandoffPage(items=found, next=None))


async def accept(visit: Visit) -> web.Response:
    offer = await read_offer(visit.request)
    return joined(
        await desk(visit).accept(_handoff_id(visit), person(visit), offer, visit.request.query.get("offer"))
    )


async def decline(visit: Visit) -> web.Response:
    given = await read_json(visit.request, Decline)
    await desk(visit).decline(_handoff_id(visit), person(visit), given.offer_id, given.reason)
    return web.Response(status=204)


async def wrap_up(visit: Visit) -> web.Response:
    given = await read_json(visit.request, WrapUp)
    await desk(visit).wrap_up(_handoff_id(visit), person(visit), given.outcome, given.notes)
    return web.Response(status=204)


def _handoff_id(visit: Visit) -> str:
    handoff_id = visit.request.match_info["id"]
    if not is_call_id(handoff_id):
        raise UnknownHandoff("This is not a handoff's id.", fix="GET /v1/handoffs lists them.")
    return handoff_id


def _entry(view: CallView, handoff: HandoffView) -> HandoffEntry:
    return HandoffEntry(
        call_id=view.id,
        agent=view.agent,
        caller=view.caller,
        slots=view.slots,
        handoff_id=handoff.handoff_id,
        state=handoff.state,
        reason=handoff.reason,
        summary=handoff.summary,
        method=handoff.method,
        requested_at=handoff.requested_at,
        queue=handoff.queue,
        attempt=handoff.attempt,
        offer_id=handoff.offer_id,
        operator=handoff.operator,
        until=handoff.until,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/handoffs",
        handler=list_handoffs,
        access=Access(roles=frozenset({"operator", "admin", "service"})),
        summary="Calls that wait for a person, or talk with one; the oldest first",
        tag="desk",
        answers={200: Answer(description="All of them.", shape=HandoffPage)},
        problems=(401, 403),
    ),
    Route(
        method="POST",
        path="/v1/handoffs/{id}/accept",
        handler=accept,
        access=PEOPLE,
        summary="Take a call that waits: offer in, answer out",
        tag="desk",
        query=(
            Query(name="offer", description="The offer that rings; without it the call is taken unasked."),
        ),
        body=Body(media_type=SDP),
        answers={201: Answer(description="You are connected.", media_types=(SDP,), headers=JOINED_HEADERS)},
        problems=(400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 503),
    ),
    Route(
        method="POST",
        path="/v1/handoffs/{id}/decline",
        handler=decline,
        access=PEOPLE,
        summary="Let it ring somewhere else",
        tag="desk",
        body=Body(media_type="application/json", shape=Decline),
        answers={204: Answer(description="It goes to somebody else.", media_types=())},
        problems=(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    ),
    Route(
        method="POST",
        path="/v1/handoffs/{id}/wrap-up",
        handler=wrap_up,
        access=PEOPLE,
        summary="What came of it: outcome and notes",
        tag="desk",
        body=Body(media_type="application/json", shape=WrapUp),
        answers={204: Answer(description="Noted; you are available again.", media_types=())},
        problems=(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    ),
)
