"""The browser pages: files that were built at install time, served with strict headers."""

from __future__ import annotations

import html
from pathlib import Path

import msgspec
from aiohttp import web

from signaling.errors import NotFound, PagesNotBuilt
from signaling.web.auth import Access
from signaling.web.routing import Answer, Route, Visit

BUILT_PAGES = Path(__file__).parent.parent / "static"
BUILD_COMMAND = "npm --prefix signaling/pages ci && npm --prefix signaling/pages run build"

_OPEN = Access(public=True)
_FOR_EVER = "public, max-age=31536000, immutable"  # built names carry a hash of their content
_FRESH = {"Cache-Control": "no-cache"}


async def to_the_phone(visit: Visit) -> web.Response:
    raise web.HTTPFound("/phone")


async def phone(visit: Visit) -> web.StreamResponse:
    page = _built(visit, "phone.html")
    if not visit.doors.settings.demo:
        return web.FileResponse(page, headers=_FRESH)
    # The demo's page calls without signing in, so it cannot ask who is there: it is told.
    text = page.read_text(encoding="utf-8").replace("</head>", f"{_agents_tag(visit)}</head>", 1)
    return web.Response(text=text, content_type="text/html", headers=_FRESH)


async def console(visit: Visit) -> web.StreamResponse:
    """For anybody: who signs in on it is asked by the doors behind it."""
    return web.FileResponse(_built(visit, "console.html"), headers=_FRESH)


def _built(visit: Visit, name: str) -> Path:
    page = visit.doors.pages / name
    if not page.is_file():
        raise PagesNotBuilt(
            "The browser pages were not built when Cordboard was installed.",
            fix=f"Node 20 or newer builds them: {BUILD_COMMAND}",
            retry_after_s=60,
        )
    return page


def _agents_tag(visit: Visit) -> str:
    agents = msgspec.json.encode({"items": visit.doors.agents.list_agents()}).decode()
    return f'<meta name="cordboard-agents" content="{html.escape(agents)}">'


async def static(visit: Visit) -> web.StreamResponse:
    folder = visit.doors.pages.resolve()
    file = (folder / visit.request.match_info["file"]).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise NotFound("No such file.")
    hashed = file.suffix in (".js", ".css")
    return web.FileResponse(file, headers={"Cache-Control": _FOR_EVER if hashed else "no-cache"})


ROUTES = (
    Route(
        method="GET",
        path="/",
        handler=to_the_phone,
        access=_OPEN,
        summary="Leads to the phone",
        tag="pages",
        answers={302: Answer(description="To /phone.", media_types=())},
    ),
    Route(
        method="GET",
        path="/phone",
        handler=phone,
        access=_OPEN,
        summary="The softphone page",
        tag="pages",
        answers={200: Answer(description="The page.", media_types=("text/html",))},
        problems=(503,),
    ),
    Route(
        method="GET",
        path="/console",
        handler=console,
        access=_OPEN,
        summary="The operators' page",
        tag="pages",
        answers={200: Answer(description="The page.", media_types=("text/html",))},
        problems=(503,),
    ),
    Route(
        method="GET",
        path="/static/{file}",
        handler=static,
        access=_OPEN,
        summary="Scripts, styles and pictures of the pages",
        tag="pages",
        answers={200: Answer(description="The file.", media_types=("*/*",))},
        problems=(404,),
    ),
)
