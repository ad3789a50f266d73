"""Writing, publishing, comparing and rolling back agents. Operators may read, admins may change.

What takes calls is at /v1/agents (catalogue.py); here is what would, and what did.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web

from realtime.agent import InvalidAgent
from realtime.agent_document import differences
from signaling.errors import (
    AgentsUnavailable,
    BadRequest,
    Conflict,
    FieldError,
    InvalidBody,
    PreconditionFailed,
    Unavailable,
    UnknownAgent,
    UnknownVersion,
)
from signaling.web import shapes
from signaling.web.auth import STAFF, Access
from signaling.web.bodies import read_json
from signaling.web.if_match import etag, seen_revisions
from signaling.web.parameters import whole_number
from signaling.web.ports import AgentDrafts
from signaling.web.routing import Answer, Body, Header, Query, Route, Visit, json_answer
from storage.agent_versions import (
    AgentExists,
    AgentUnknown,
    Draft,
    DraftChanged,
    NothingToPublish,
    Version,
    VersionUnknown,
    label,
    number_of,
)
from storage.envelope import rfc3339

DOCUMENT_CAP = 256 * 1024
"""Bytes. The largest document that still fits a session's instructions is a fifth of it."""
PAGE = 50

T = TypeVar("T")
READ = Access(roles=STAFF)
CHANGE = Access(roles=frozenset({"admin"}))


async def list_drafts(visit: Visit) -> web.Response:
    drafts = await _asked(_drafts(visit).drafts())
    return json_answer(shapes.DraftPage(items=[shapes.DraftSummary(**_summary(draft)) for draft in drafts]))


async def create_agent(visit: Visit) -> web.Response:
    drafts = _drafts(visit)
    document = await read_json(visit.request, dict[str, Any], cap=DOCUMENT_CAP)
    draft = await _asked(drafts.create(document, by=_who(visit)))
    return _draft_answer(draft, status=201, headers={"Location": f"/v1/agents/{draft.agent}/draft"})


async def get_draft(visit: Visit) -> web.Response:
    return _draft_answer(await _asked(_drafts(visit).draft(_agent_id(visit))))


async def save_draft(visit: Visit) -> web.Response:
    drafts = _drafts(visit)
    seen = seen_revisions(visit.request, required=True)
    document = await read_json(visit.request, dict[str, Any], cap=DOCUMENT_CAP)
    return _draft_answer(
        await _asked(drafts.save_draft(_agent_id(visit), document, seen=seen, by=_who(visit)))
    )


async def publish_agent(visit: Visit) -> web.Response:
    drafts = _drafts(visit)
    seen = seen_revisions(visit.request, required=False)
    said = await _said(visit, shapes.Publication, shapes.Publication())
    version = await _asked(drafts.publish(_agent_id(visit), seen=seen, note=said.note, by=_who(visit)))
    return _version_answer(version)


async def roll_back_agent(visit: Visit) -> web.Response:
    drafts = _drafts(visit)
    wanted = await read_json(visit.request, shapes.Rollback)
    number = number_of(wanted.version)
    assert number is not None, "the body's pattern and number_of agree"
    version = await _asked(drafts.roll_back(_agent_id(visit), number, note=wanted.note, by=_who(visit)))
    return _version_answer(version)


async def list_versions(visit: Visit) -> web.Response:
    limit = whole_number(visit.request, "limit", default=PAGE, least=1, most=200)
    cursor = visit.request.query.get("cursor")
    before = None if cursor is None else number_of(cursor)
    if cursor is not None and before is None:
        raise BadRequest("cursor= is not one of this list's.", fix="Take it from `next` of the page before.")
    found = await _asked(_drafts(visit).versions(_agent_id(visit), before=before, limit=limit + 1))
    page = found[:limit]
    following = page[-1].label if len(found) > limit else None
    return json_answer(shapes.VersionPage(items=[_shown(version) for version in page], next=following))


async def get_version(visit: Visit) -> web.Response:
    name = visit.request.match_info["version"]
    return json_answer(await _asked(_drafts(visit).document(_agent_id(visit), name)))


async def diff_agent(visit: Visit) -> web.Response:
    drafts, agent_id = _drafts(visit), _agent_id(visit)
    a = visit.request.query.get("a", "published")
    b = visit.request.query.get("b", "draft")
    before = await _asked(drafts.document(agent_id, a))
    after = await _asked(drafts.document(agent_id, b))
    return json_answer(shapes.DocumentDiff(a=a, b=b, differences=_differences(before, after)))


async def _asked(question: Awaitable[T]) -> T:
    """Ask the drafts; what stands against it becomes a problem with words."""
    try:
        return await question
    except (OSError, TimeoutError) as error:
        raise AgentsUnavailable(
            "The database with the drafts and versions cannot be used.",
            fix="Calls are answered as before. On the server: cordboard check, cordboard db migrate.",
        ) from error
    except InvalidAgent as error:
        raise InvalidBody(
            "The document cannot be an agent.",
            errors=[_field_error(problem) for problem in error.problems],
            fix="Every place is named; `cordboard agents validate` checks a file in the same way.",
        ) from None
    except AgentUnknown:
        raise UnknownAgent("No agent of this id.", fix="GET /v1/drafts lists them all.") from None
    except VersionUnknown as error:
        raise UnknownVersion(f"{error}.", fix="GET …/versions lists them.") from None
    except AgentExists:
        raise Conflict(
            "There is an agent of this id already.",
            code="agent_exists",
            fix="Take another id, or save its draft with PUT …/draft.",
        ) from None
    except NothingToPublish as error:
        raise Conflict(
            f"{label(error.number)} takes calls now and says the same.", code="nothing_to_publish"
        ) from None
    except DraftChanged as error:
        raise _changed_meanwhile(error) from None


def _changed_meanwhile(error: DraftChanged) -> PreconditionFailed:
    now, current = rfc3339(error.current.saved_at), error.current
    who = ", ".join(dict.fromkeys(save.saved_by for save in error.since)) or current.saved_by
    changed = [] if error.seen is None else _differences(error.seen, current.document)
    what = (
        f": {', '.join(each.path for each in changed[:5])}{' …' if len(changed) > 5 else ''}"
        if changed
        else ""
    )
    return PreconditionFailed(
        f"This draft was changed by {who}{what}; it is revision {current.revision} now, of {now}.",
        fix="Read it again (GET …/draft), bring in your changes and send its new ETag.",
        extra={
            "since": [
                shapes.DraftSave(
                    revision=save.revision, saved_by=save.saved_by, saved_at=rfc3339(save.saved_at)
                )
                for save in error.since
            ],
            "differences": changed,
        },
    )


def _differences(before: Any, after: Any) -> list[shapes.Difference]:
    return [
        shapes.Difference(path=each.path, change=each.change, before=each.before, after=each.after)
        for each in differences(before, after)
    ]


def _field_error(problem: str) -> FieldError:
    """ "goals.0.id: what is wrong" → RFC 6901 pointer and the rest."""
    path, _, detail = problem.partition(": ")
    pointer = "" if path == "document" else "/" + path.replace("~", "~0").replace("/", "~1").replace(".", "/")
    return FieldError(pointer=pointer, detail=detail)


async def _said(visit: Visit, shape: type[T], nothing: T) -> T:
    """A body that may be left out."""
    if not visit.request.body_exists:
        return nothing
    return await read_json(visit.request, shape)


def _drafts(visit: Visit) -> AgentDrafts:
    if visit.doors.drafts is None:
        raise Unavailable("This server keeps its agents in files only.", fix="Edit the files and restart it.")
    return visit.doors.drafts


def _agent_id(visit: Visit) -> str:
    return visit.request.match_info["agent_id"]


def _who(visit: Visit) -> str:
    assert visit.who.claims is not None, "the routes let nobody in without credentials"
    return visit.who.claims.subject or visit.who.claims.role


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


def _version_answer(version: Version) -> web.Response:
    place = f"/v1/agents/{version.agent}/versions/{version.label}"
    return json_answer(_shown(version), status=201, headers={"Location": place})


def _shown(version: Version) -> shapes.AgentVersion:
    at: datetime = version.published_at
    return shapes.AgentVersion(
        agent=version.agent,
        version=version.label,
        note=version.note,
        published_by=version.published_by,
        published_at=rfc3339(at),
        restores=None if version.restores is None else label(version.restores),
    )


_ETAG = {"ETag": "The draft's revision, for If-Match."}
_LOCATION = {"Location": "Where it can be read."}
_IF_MATCH = "The ETag of the draft that was read; `*` takes whatever is there."

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
        headers=(Header(name="If-Match", description=_IF_MATCH, required=True),),
        body=Body(media_type="application/json", shape=dict),
        answers={200: Answer(description="The new draft.", shape=shapes.AgentDraft, headers=_ETAG)},
        problems=(400, 401, 403, 404, 408, 412, 413, 415, 422, 428, 503),
    ),
    Route(
        method="POST",
        path="/v1/agents/{agent_id}/publish",
        handler=publish_agent,
        access=CHANGE,
        summary="The draft takes new calls from now on, on every node; running calls keep their version",
        tag="agents",
        headers=(Header(name="If-Match", description=_IF_MATCH),),
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
