"""Is the process alive, could it take a call, and what do its doors look like?"""

from __future__ import annotations

from aiohttp import web

from signaling.web.auth import Access
from signaling.web.routing import Answer, Route, Visit, json_answer
from signaling.web.shapes import Health, ReadinessReport

_OPEN = Access(public=True)


async def healthz(visit: Visit) -> web.Response:
    return json_answer(Health(status="ok"))


async def readyz(visit: Visit) -> web.Response:
    """503 only when a new call could not be answered; a part lost after the start is 200 and `degraded`."""
    readiness = visit.doors.desk.readiness()
    report = ReadinessReport(
        ready=readiness.ready, degraded=list(readiness.degraded), reasons=list(readiness.reasons)
    )
    headers = {} if readiness.ready else {"Retry-After": "5"}
    return json_answer(report, status=200 if readiness.ready else 503, headers=headers)


async def openapi(visit: Visit) -> web.Response:
    return web.Response(body=visit.doors.documents["/openapi.json"], content_type="application/json")


async def asyncapi(visit: Visit) -> web.Response:
    return web.Response(body=visit.doors.documents["/asyncapi.json"], content_type="application/json")


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        handler=healthz,
        access=_OPEN,
        summary="The process is alive",
        tag="operations",
        answers={200: Answer(description="Alive.", shape=Health)},
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=readyz,
        access=_OPEN,
        summary="Whether a new call could be answered",
        tag="operations",
        answers={
            200: Answer(description="Yes, perhaps with parts degraded.", shape=ReadinessReport),
            503: Answer(description="No; the reasons say why.", shape=ReadinessReport),
        },
    ),
    Route(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        access=_OPEN,
        summary="This document",
        tag="operations",
        answers={200: Answer(description="OpenAPI 3.1.", shape=dict)},
    ),
    Route(
        method="GET",
        path="/asyncapi.json",
        handler=asyncapi,
        access=_OPEN,
        summary="The events on Redis and on the live feed",
        tag="operations",
        answers={200: Answer(description="AsyncAPI 3.0.", shape=dict)},
    ),
)
