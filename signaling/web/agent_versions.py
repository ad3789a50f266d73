"""Publishing agents, comparing and taking back. Operators may read, admins may change."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from signaling.errors import BadRequest
from signaling.web import shapes
from signaling.web.agent_problems import (
    CHANGE,
    READ,
    agent_id_of,
    asked,
    drafts_of,
    shown_differences,
    who_does,
)
from signaling.web.bodies import read_json
from signaling.web.if_match import IF_MATCH, seen_revisions
from signaling.web.parameters import whole_number
from signaling.web.routing import Answer, Body, Header, Query, Route, Visit, json_answer
from storage.agent_versions import Version, label, number_of
from storage.envelope import rfc3339

PAGE = 50

T = TypeVar("T")


async def publish_agent(visit: Visit) -> web.Response:
    drafts = drafts_of(visit)
    seen = seen_revisions(visit.request, required=False)
    said = await _said(visit, shapes.Publication, shapes.Publication())
    version = await asked(drafts.publish(agent_id_of(visit), seen=seen, note=said.note, by=who_does(visit)))
    return _version_answer(version)


async def roll_back_agent(visit: Visit) -> web.Response:
    drafts = drafts_of(visit)
    wanted = await read_json(visit.request, shapes.Rollback)
    number = number_of(wanted.version)
    assert number is not None, "the body's pattern and number_of agree"
    version = await asked(drafts.roll_back(agent_id_of(visit), number, note=wanted.note, by=who_does(visit)))
    return _version_answer(version)


async def list_versions(visit: Visit) -> web.Response:
    limit = whole_number(visit.request, "limit", default=PAGE, least=1, most=200)
    cursor = visit.request.query.get("cursor")
    before = None if cursor is None else number_of(cursor)
    if cursor is not None and before is None:
        raise BadRequest("cursor= is not one of this list's.", fix="Take it from `next` of the page before.")
    found = await asked(drafts_of(visit).versions(agent_id_of(visit), before=before, limit=limit + 1))
    page = found[:limit]
    following = page[-1].label if len(found) > limit else None
    return json_answer(shapes.VersionPage(items=[_shown(version) for version in page], next=following))


async def get_version(visit: Visit) -> web.Response:
    name = visit.request.match_info["version"]
    return json_answer(await asked(drafts_of(visit).document(agent_id_of(visit), name)))


async def diff_agent(visit: Visit) -> web.Response:
    drafts, agent_id = drafts_of(visit), agent_id_of(visit)
    a = visit.request.query.get("a", "published")
    b = visit.request.query.get("b", "draft")
    before = await asked(drafts.document(agent_id, a))
    after = await asked(drafts.document(agent_id, b))
    return json_answer(shapes.DocumentDiff(a=a, b=b, differences=shown_differences(before, after)))


async def _said(visit: Visit, shape: type[T], nothing: T) -> T:
    """A body that may be left out."""
    if not visit.request.body_exists:
        return nothing
    return await read_json(visit.request, shape)


def _version_answer(version: Version) -> web.Response:
    place = f"/v1/agents/{version.agent}/versions/{version.label}"
    return json_answer(_shown(version), status=201, headers={"Location": place})


def _shown(version: Version) -> shapes.AgentVersion:
    return shapes.AgentVersion(
        agent=version.agent,
        version=version.label,
        note=version.note,
        published_by=version.published_by,
        published_at=rfc3339(version.published_at),
        restores=None if version.restores is None else label(version.restores),
    )


_LOCATION = {"Location": "Where its document can be read."}

ROUTES = (
    Route(
        method="POST",
        path="/v1/agents/{agent_id}/publish",
        handler=publish_agent,
        access=CHANGE,
        summary="The draft takes new calls from now on, on every node; running calls keep their version",
        tag="agents",
        headers=(Header(name="If-Match", description=IF_MATCH),),
        body=Body(media_type="application/json", shape=shapes.Publication, required=False),
        answers={201: Answer(description="The new version.", shape=shapes.AgentVersion, headers=_LOCATION)},
        problems=(400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 503),
    ),
    Route(
        method="POST",
        path="/v1/agents/{agent_id}/rollback",
        handler=roll_back_agent,
        access=CHANGE,
        summary="An older version takes new calls again, as a new version; the draft stays",
        tag="agents",
        body=Body(media_type="application/json", shape=shapes.Rollback),
        answers={201: Answer(description="The new version.", shape=shapes.AgentVersion, headers=_LOCATION)},
        problems=(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent_id}/versions",
        handler=list_versions,
        access=READ,
        summary="What was published, by whom, and why",
        tag="agents",
        query=(
            Query(name="limit", description="1 to 200, default 50.", schema={"type": "integer"}),
            Query(name="cursor", description="`next` of the page before."),
        ),
        answers={200: Answer(description="Newest first.", shape=shapes.VersionPage)},
        problems=(400, 401, 403, 404, 503),
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent_id}/versions/{version}",
        handler=get_version,
        access=READ,
        summary="The document of a version, of the draft or of what takes calls",
        tag="agents",
        answers={200: Answer(description="The document.", shape=dict)},
        problems=(401, 403, 404, 503),
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent_id}/diff",
        handler=diff_agent,
        access=READ,
        summary="How one document of an agent differs from another",
        tag="agents",
        query=(
            Query(name="a", description="`published` (default), `draft`, `file` or a version such as `v3`."),
            Query(name="b", description="The same; `draft` by default."),
        ),
        answers={200: Answer(description="Every difference.", shape=shapes.DocumentDiff)},
        problems=(401, 403, 404, 503),
    ),
)
