"""Writing agents: drafts that nobody overwrites unseen. Operators may read, admins may change.

What takes calls is at /v1/agents (catalogue.py); how a draft comes to is in agent_versions.py.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from signaling.web import shapes
from signaling.web.agent_problems import CHANGE, READ, agent_id_of, asked, drafts_of, who_does
from signaling.web.bodies import read_json
from signaling.web.if_match import IF_MATCH, etag, seen_revisions
from signaling.web.routing import Answer, Body, Header, Route, Visit, json_answer
from storage.agent_versions import Draft, label
from storage.envelope import rfc3339

DOCUMENT_CAP = 256 * 1024
"""Bytes. The largest document that still fits a session's instructions is a fifth of it."""


async def list_drafts(visit: Visit) -> web.Response:
    drafts = await asked(drafts_of(visit).drafts())
    return json_answer(shapes.DraftPage(items=[shapes.DraftSummary(**_summary(draft)) for draft in drafts]))


async def create_agent(visit: Visit) -> web.Response:
    drafts = drafts_of(visit)
    document = await read_json(visit.request, dict[str, Any], cap=DOCUMENT_CAP)
    draft = await asked(drafts.create(document, by=who_does(visit)))
    return _draft_answer(draft, status=201, headers={"Location": f"/v1/agents/{draft.agent}/draft"})


async def get_draft(visit: Visit) -> web.Response:
    return _draft_answer(await asked(drafts_of(visit).draft(agent_id_of(visit))))


async def save_draft(visit: Visit) -> web.Response:
    drafts = drafts_of(visit)
    seen = seen_revisions(visit.request, required=True)
    document = await read_json(visit.request, dict[str, Any], cap=DOCUMENT_CAP)
    return _draft_answer(
        await asked(drafts.save_draft(agent_id_of(visit), document, seen=seen, by=who_does(visit)))
    )


def _summary(draft: Draft) -> dict[str, Any]:
    return {
        "agent": draft.agent,
        "name": str(draft.document.get("name", draft.agent)),
        "revision": draft.revision,
        "saved_by": draft.saved_by,
        "saved_at": rfc3339(draft.saved_at),
        "published_version": None if draft.published_version is None else label(draft.published_version),
        "changed": draft.changed,
    }


def _draft_answer(draft: Draft, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    shown = shapes.AgentDraft(**_summary(draft), document=dict(draft.document))
    tags = {"ETag": etag(draft.revision), "Cache-Control": "no-store"}
    return json_answer(shown, status=status, headers=tags | (headers or {}))


_ETAG = {"ETag": "The draft's revision, for If-Match."}
_LOCATION = {"Location": "Where it can be read."}

ROUTES = (
    Route(
        method="GET",
        path="/v1/drafts",
        handler=list_drafts,
        access=READ,
        summary="Every agent's draft: who saved it, and whether it differs from what takes calls",
        tag="agents",
        answers={200: Answer(description="All of them, by id.", shape=shapes.DraftPage)},
        problems=(401, 403, 503),
    ),
    Route(
        method="POST",
        path="/v1/agents",
        handler=create_agent,
        access=CHANGE,
        summary="A new agent's first draft; it takes calls once it is published",
        tag="agents",
        body=Body(media_type="application/json", shape=dict),
        answers={201: Answer(description="The draft.", shape=shapes.AgentDraft, headers=_ETAG | _LOCATION)},
        problems=(400, 401, 403, 408, 409, 413, 415, 422, 503),
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent_id}/draft",
        handler=get_draft,
        access=READ,
        summary="What would be published next",
        tag="agents",
        answers={200: Answer(description="The draft.", shape=shapes.AgentDraft, headers=_ETAG)},
        problems=(401, 403, 404, 503),
    ),
    Route(
        method="PUT",
        path="/v1/agents/{agent_id}/draft",
        handler=save_draft,
        access=CHANGE,
        summary="Replace the draft by a whole document",
        tag="agents",
        headers=(Header(name="If-Match", description=IF_MATCH, required=True),),
        body=Body(media_type="application/json", shape=dict),
        answers={200: Answer(description="The new draft.", shape=shapes.AgentDraft, headers=_ETAG)},
        problems=(400, 401, 403, 404, 408, 412, 413, 415, 422, 428, 503),
    ),
)
