"""The application: every route, the problems middleware, the security headers. Nothing else is decided here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from aiohttp import web

from signaling.settings import Settings
from signaling.web import (
    agent_drafts,
    agent_versions,
    calls,
    catalogue,
    handoffs,
    health,
    live,
    metrics,
    pages,
    placing,
    presence,
    recording,
    search,
    signin,
    supervise,
)
from signaling.web.asyncapi import asyncapi_document
from signaling.web.auth import Doorkeeper
from signaling.web.bodies import BODY_CAP
from signaling.web.feed import Feed
from signaling.web.openapi import openapi_document
from signaling.web.passwords import PasswordCheck
from signaling.web.ports import (
    AgentBook,
    AgentDrafts,
    CallArchive,
    CallDesk,
    EmptyToolBook,
    NoOtherNodes,
    NothingUnstored,
    OperatorDesk,
    OtherNodes,
    People,
    RecordingArchive,
    ToolBook,
    Unstored,
)
from signaling.web.problems import problems
from signaling.web.routing import Doors, Route
from signaling.web.security_headers import SecurityHeaders
from signaling.web.throttle import Throttle

ROUTES: tuple[Route, ...] = (
    *placing.ROUTES,
    *calls.ROUTES,
    *recording.ROUTES,
    *handoffs.ROUTES,
    *supervise.ROUTES,
    *presence.ROUTES,
    *catalogue.ROUTES,
    *agent_drafts.ROUTES,
    *agent_versions.ROUTES,
    *signin.ROUTES,
    *live.ROUTES,
    *search.ROUTES,
    *metrics.ROUTES,
    *health.ROUTES,
    *pages.ROUTES,
)


def make_app(
    desk: CallDesk,
    archive: CallArchive,
    feed: Feed,
    settings: Settings,
    *,
    agents: AgentBook,
    drafts: AgentDrafts | None = None,
    tools: ToolBook | None = None,
    people: People | None = None,
    operators: OperatorDesk | None = None,
    others: OtherNodes | None = None,
    unstored: Unstored | None = None,
    recordings: RecordingArchive | None = None,
    pages_folder: Path = pages.BUILT_PAGES,
    now: Callable[[], float] = time.time,
) -> web.Application:
    """Serve these ports over HTTP and WebSocket.

    Args:
        feed: what the media server publishes into; the application stops it at shutdown.
        others: running calls of other nodes; None: there is no other node.
        unstored: events of ended calls that are not on record yet; None: there are none.
        now: Unix seconds, for tokens, tickets and rate limits.
    """
    doors = Doors(
        desk=desk,
        archive=archive,
        feed=feed,
        agents=agents,
        drafts=drafts,
        tools=tools or EmptyToolBook(),
        recordings=recordings,
        people=people,
        operators=operators,
        passwords=PasswordCheck(),
        settings=settings,
        keeper=Doorkeeper.of(settings, now=now),
        new_calls=Throttle(per_minute=settings.server.calls_per_minute),
        failed_sign_ins=Throttle(per_minute=signin.FAILED_SIGN_INS_PER_MINUTE),
        pages=pages_folder,
        others=others or NoOtherNodes(),
        unstored=unstored or NothingUnstored(),
    )
    doors = replace(doors, documents=_documents())
    app = web.Application(middlewares=[problems], client_max_size=BODY_CAP)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.serve(doors))
        if route.method == "GET":  # RFC 9110 §9.1: GET and HEAD are what every server supports
            app.router.add_route("HEAD", route.path, route.serve(doors))
    https = (settings.server.public_url or "").startswith("https://")
    app.on_response_prepare.append(SecurityHeaders(https=https))

    async def stop_feed(_: web.Application) -> None:
        feed.stop()

    app.on_shutdown.append(stop_feed)
    return app


def our_version() -> str:
    """The installed distribution's version; "0" when run from a bare checkout."""
    try:
        return version("cordboard")
    except PackageNotFoundError:
        return "0"


def _documents() -> dict[str, bytes]:
    ours = our_version()
    return {
        "/openapi.json": msgspec.json.encode(openapi_document(ROUTES, version=ours)),
        "/asyncapi.json": msgspec.json.encode(asyncapi_document(version=ours)),
    }
