"""A person on a running call: listen, barge in, take over, whisper, hold, give back."""

from __future__ import annotations

from aiohttp import web

from signaling.errors import HandoffConflict
from signaling.web.bodies import read_json
from signaling.web.handoffs import JOINED_HEADERS, PEOPLE, desk, joined, person
from signaling.web.offers import SDP, read_offer
from signaling.web.routing import Answer, Body, Handler, Route, Visit
from signaling.web.shapes import OperatorChange, ReturnNote, Transfer, Whisper

_SDP_PROBLEMS = (400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 503)
_JSON_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 503)


async def listen(visit: Visit) -> web.Response:
    offer = await read_offer(visit.request)
    return joined(await desk(visit).sit_in(visit.call_id, person(visit), "listen", offer))


async def barge(visit: Visit) -> web.Response:
    offer = await read_offer(visit.request)
    return joined(await desk(visit).sit_in(visit.call_id, person(visit), "barge", offer))


async def take_over(visit: Visit) -> web.Response:
    offer = await read_offer(visit.request)
    return joined(await desk(visit).take_over(visit.call_id, person(visit), offer))


async def reattach(visit: Visit) -> web.Response:
    offer = await read_offer(visit.request)
    return joined(await desk(visit).reattach(visit.call_id, person(visit), offer))


async def change(visit: Visit) -> web.Response:
    given = await read_json(visit.request, OperatorChange)
    await desk(visit).change(visit.call_id, person(visit), muted=given.muted, hold=given.hold)
    return web.Response(status=204)


async def leave(visit: Visit) -> web.Response:
    await desk(visit).leave(visit.call_id, person(visit))
    return web.Response(status=204)


async def give_back(visit: Visit) -> web.Response:
    given = await read_json(visit.request, ReturnNote)
    await desk(visit).give_back(visit.call_id, person(visit), given.note)
    return web.Response(status=202)


async def say(visit: Visit) -> web.Response:
    given = await read_json(visit.request, Whisper)
    await desk(visit).say(visit.call_id, person(visit), given.text)
    return web.Response(status=202)


async def transfer(visit: Visit) -> web.Response:
    await read_json(visit.request, Transfer)
    raise HandoffConflict(
        "This server has no telephone line to transfer a call on.",
        code="no_trunk",
        fix="Connect a SIP trunk; until then give the call back or note a callback.",
    )


def _leg(path: str, handler: Handler, summary: str, description: str) -> Route:
    return Route(
        method="POST",
        path=f"/v1/calls/{{id}}/{path}",
        handler=handler,
        access=PEOPLE,
        summary=summary,
        tag="desk",
        body=Body(media_type=SDP),
        answers={201: Answer(description=description, media_types=(SDP,), headers=JOINED_HEADERS)},
        problems=_SDP_PROBLEMS,
    )


def _order(path: str, handler: Handler, shape: type, summary: str, description: str) -> Route:
    return Route(
        method="POST",
        path=f"/v1/calls/{{id}}/{path}",
        handler=handler,
        access=PEOPLE,
        summary=summary,
        tag="desk",
        body=Body(media_type="application/json", shape=shape),
        answers={202: Answer(description=description, media_types=())},
        problems=_JSON_PROBLEMS,
    )


ROUTES = (
    _leg("listen", listen, "Listen to a call (an offer that only receives); nobody hears you", "Listening."),
    _leg("barge", barge, "Join caller and agent; everybody hears everybody", "You are heard."),
    _leg("takeover", take_over, "Take a running call from the agent", "You are connected."),
    _leg(
        "operator", reattach, "Come back to the call you are on: after a reload, on another network", "Back."
    ),
    Route(
        method="PATCH",
        path="/v1/calls/{id}/operator",
        handler=change,
        access=PEOPLE,
        summary="Mute yourself, put the caller on hold",
        tag="desk",
        body=Body(media_type="application/json", shape=OperatorChange),
        answers={204: Answer(description="Done.", media_types=())},
        problems=_JSON_PROBLEMS,
    ),
    Route(
        method="DELETE",
        path="/v1/calls/{id}/operator",
        handler=leave,
        access=PEOPLE,
        summary="Stop listening or barging in",
        tag="desk",
        answers={204: Answer(description="You are off the call.", media_types=())},
        problems=(401, 403, 404, 409, 503),
    ),
    _order("return", give_back, ReturnNote, "Give the call back to the agent", "The agent takes over."),
    _order("say", say, Whisper, "Whisper to the agent; the caller does not hear it", "The agent knows."),
    _order("transfer", transfer, Transfer, "Lead the call to a number or SIP address", "Under way."),
)
