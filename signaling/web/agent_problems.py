"""What stands against writing or publishing an agent, as problems with words; and who asks for which agent."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from realtime.agent import InvalidAgent
from realtime.agent_document import differences
from signaling.errors import (
    AgentsUnavailable,
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
from signaling.web.ports import AgentDrafts
from signaling.web.routing import Visit
from storage.agent_versions import (
    AgentExists,
    AgentUnknown,
    DraftChanged,
    NothingToPublish,
    VersionUnknown,
    label,
)
from storage.envelope import rfc3339

READ = Access(roles=STAFF)
CHANGE = Access(roles=frozenset({"admin"}))

T = TypeVar("T")


def drafts_of(visit: Visit) -> AgentDrafts:
    if visit.doors.drafts is None:
        raise Unavailable("This server keeps its agents in files only.", fix="Edit the files and restart it.")
    return visit.doors.drafts


def agent_id_of(visit: Visit) -> str:
    return visit.request.match_info["agent_id"]


def who_does(visit: Visit) -> str:
    assert visit.who.claims is not None, "the routes let nobody in without credentials"
    return visit.who.claims.subject or visit.who.claims.role


async def asked(question: Awaitable[T]) -> T:
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
    changed = [] if error.seen is None else shown_differences(error.seen, current.document)
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


def shown_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[shapes.Difference]:
    return [
        shapes.Difference(path=each.path, change=each.change, before=each.before, after=each.after)
        for each in differences(before, after)
    ]


def _field_error(problem: str) -> FieldError:
    """ "goals.0.id: what is wrong" → RFC 6901 pointer and the rest."""
    path, _, detail = problem.partition(": ")
    pointer = "" if path == "document" else "/" + path.replace("~", "~0").replace("/", "~1").replace(".", "/")
    return FieldError(pointer=pointer, detail=detail)
