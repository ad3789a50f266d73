"""Who is at the desk."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from signaling.operators import Operator
from signaling.web.auth import Access
from signaling.web.bodies import read_json
from signaling.web.handoffs import PEOPLE, desk, person
from signaling.web.routing import Answer, Body, Route, Visit, json_answer
from signaling.web.shapes import OperatorEntry, OperatorPage, PresenceState


async def list_operators(visit: Visit) -> web.Response:
    there = await desk(visit).operators()
    return json_answer(OperatorPage(items=[_entry(each) for each in there], next=None))


async def my_presence(visit: Visit) -> web.Response:
    return json_answer(_mine(visit, await desk(visit).presence(person(visit))))


async def set_my_presence(visit: Visit) -> web.Response:
    given = await read_json(visit.request, PresenceState)
    return json_answer(_mine(visit, await desk(visit).set_presence(person(visit), given.state)))


def _mine(visit: Visit, seen: Operator | None) -> OperatorEntry:
    who = person(visit)
    return _entry(seen or Operator(id=who.id, name=who.name, queues=who.queues))


def _entry(each: Operator) -> OperatorEntry:
    since = datetime.fromtimestamp(each.since, UTC) if each.since else None
    return OperatorEntry(
        id=each.id,
        name=each.name,
        queues=sorted(each.queues),
        state=each.presence,
        since=since.isoformat(timespec="milliseconds").replace("+00:00", "Z") if since else None,
        handoff_id=each.handoff_id,
        why=each.why,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/operators",
        handler=list_operators,
        access=Access(roles=frozenset({"operator", "admin", "service"})),
        summary="Who is at the desk, on all servers",
        tag="desk",
        answers={200: Answer(description="Everybody.", shape=OperatorPage)},
        problems=(401, 403, 503),
    ),
    Route(
        method="GET",
        path="/v1/me/presence",
        handler=my_presence,
        access=PEOPLE,
        summary="How the desk sees you",
        tag="desk",
        answers={200: Answer(description="`offline` for who is not there.", shape=OperatorEntry)},
        problems=(401, 403, 503),
    ),
    Route(
        method="PUT",
        path="/v1/me/presence",
        handler=set_my_presence,
        access=PEOPLE,
        summary="Say that you are there, and how; again every 10 s, or you count as gone after 30 s",
        tag="desk",
        body=Body(media_type="application/json", shape=PresenceState),
        answers={200: Answer(description="How the desk sees you now.", shape=OperatorEntry)},
        problems=(400, 401, 403, 408, 413, 415, 422, 503),
    ),
)
