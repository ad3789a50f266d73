"""What can go wrong at a door, as RFC 9457 problems with a stable code.

    Problem
    ├── BadRequest 400 · NotSignedIn 401 · NotAllowed 403 · NotAcceptable 406 · TooSlow 408
    ├── NotFound 404 ── UnknownAgent · UnknownVersion · UnknownCall · UnknownHandoff
    ├── Conflict 409 ── HandoffConflict ── AlreadyTaken
    ├── · Gone 410 · PreconditionFailed 412 · PreconditionRequired 428
    ├── BodyTooLarge 413 · UnsupportedMediaType 415 · InvalidBody 422 · TooManyRequests 429
    ├── OfferRefused 400 413 422 (by its code)
    └── Unavailable 503 ── Draining · NoCapacity · RecordFull · ModelUnreachable
        · RecordUnavailable · DeskUnavailable · AgentsUnavailable · PagesNotBuilt

`code` is the key that pages translate and programs test; `detail` says what happened this time, `fix` what
to do about it. Neither ever holds a secret, a transcript or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

PROBLEM_TYPE_BASE = "urn:cordboard:problem:"
"""RFC 9457 §3.1.1: `type` is a URI; a URN names the problem without promising a web page behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One wrong place in a body: RFC 6901 pointer and what is wrong there."""

    pointer: str
    detail: str


class Problem(Exception):
    """An answer that is not a success, worded for whoever has to act on it.

    Args:
        detail: what happened this time, one or two sentences.
        fix: what the reader can do about it.
        retry_after_s: seconds, becomes the `Retry-After` header.
        extra: further members of the JSON document.
    """

    code: str = "error"
    status: int = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        fix: str | None = None,
        retry_after_s: int | None = None,
        code: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})
        if code is not None:
            self.code = code

    def document(self, *, instance: str | None = None) -> dict[str, Any]:
        """The members of the problem document; `instance` is the path that was asked for."""
        members: dict[str, Any] = {
            "type": PROBLEM_TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.fix is not None:
            members["fix"] = self.fix
        if instance is not None:
            members["instance"] = instance
        if self.retry_after_s is not None:
            members["retry_after_s"] = self.retry_after_s
        return members | self.extra


class BadRequest(Problem):
    """A parameter or body that cannot be understood at all."""

    code = "bad_request"
    status = 400
    title = "The request cannot be understood"


class NotSignedIn(Problem):
    """No credentials, or credentials that are expired, used up or not ours."""

    code = "not_signed_in"
    status = 401
    title = "Sign in first"


class NotAllowed(Problem):
    """Known caller, but this is not theirs to do."""

    code = "not_allowed"
    status = 403
    title = "Not allowed"


class NotFound(Problem):
    """No such path, or no such thing behind it."""

    code = "not_found"
    status = 404
    title = "Not found"


class UnknownAgent(NotFound):
    """The agent named in the request does not exist."""

    code = "unknown_agent"
    title = "No such agent"


class UnknownVersion(NotFound):
    """The agent has never had this version."""

    code = "unknown_version"
    title = "No such version"


class UnknownCall(NotFound):
    """Neither a running call nor one on record."""

    code = "unknown_call"
    title = "No such call"


class UnknownHandoff(NotFound):
    """No handoff of this id is open here."""

    code = "unknown_handoff"
    title = "No such handoff"


class MethodNotAllowed(Problem):
    """The path exists, the method on it does not."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"


class NotAcceptable(Problem):
    """The `Accept` header excludes every form this route can answer in."""

    code = "not_acceptable"
    status = 406
    title = "No acceptable form of the answer"


class TooSlow(Problem):
    """The body did not arrive within its deadline."""

    code = "body_timeout"
    status = 408
    title = "The request body did not arrive in time"


class Conflict(Problem):
    """Right in itself, but not beside what is there already."""

    code = "conflict"
    status = 409
    title = "In conflict with what is there"


class HandoffConflict(Conflict):
    """The call is not where this would need it to be: see `code`."""

    code = "handoff_conflict"
    title = "The call has moved on"


class AlreadyTaken(HandoffConflict):
    """Somebody else was quicker; `taken_by` and `name` say who."""

    code = "already_taken"
    title = "Another operator has this call"


class Gone(Problem):
    """It was there and was taken away for good (RFC 9110 §15.5.11)."""

    code = "gone"
    status = 410
    title = "Gone for good"


class PreconditionFailed(Problem):
    """The `If-Match` header names a state that is over (RFC 9110 §15.5.13)."""

    code = "changed_meanwhile"
    status = 412
    title = "Somebody has changed this meanwhile"


class PreconditionRequired(Problem):
    """The method would overwrite what the client may not have seen (RFC 6585 §3)."""

    code = "if_match_required"
    status = 428
    title = "An If-Match header is needed"


class BodyTooLarge(Problem):
    """The body is over the cap of its route."""

    code = "too_large"
    status = 413
    title = "The request body is too large"


class UnsupportedMediaType(Problem):
    """The `Content-Type` is none that this route reads."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported content type"


class InvalidBody(Problem):
    """JSON that was read, but says something that cannot be."""

    code = "invalid_body"
    status = 422
    title = "The request body has errors"

    def __init__(self, detail: str, *, errors: Sequence[FieldError], fix: str | None = None) -> None:
        found = [{"pointer": e.pointer, "detail": e.detail} for e in errors]
        super().__init__(detail, fix=fix, extra={"errors": found})


class TooManyRequests(Problem):
    """Over a rate limit; `retry_after_s` says when the next one will be taken."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"


_OFFER_STATUS: Mapping[str, int] = {
    # the offer is not one
    "no_sdp": 400,
    "not_sdp": 400,
    # it is one, but over a cap (64 KiB, 32 candidates, 4 m-lines, 64 codecs)
    "too_large": 413,
    "too_many_candidates": 413,
    "too_many_media": 413,
    "too_many_codecs": 413,
    # it is one, but no call can come of it
    "no_audio": 422,
    "no_codec": 422,
    "no_dtls": 422,
    "no_ice": 422,
}


class OfferRefused(Problem):
    """The SDP offer cannot become a call. `code` is the media leg's own word for why."""

    code = "not_sdp"
    status = 400
    title = "The offer was refused"

    def __init__(self, detail: str, *, code: str, fix: str | None = None) -> None:
        super().__init__(detail, code=code, fix=fix)
        # A code this table has not met yet: fewer than 400 it cannot be, and the offer is what is wrong.
        self.status = _OFFER_STATUS.get(code, 413 if code.startswith("too_") else 400)


class Unavailable(Problem):
    """Right request, wrong moment."""

    code = "unavailable"
    status = 503
    title = "Not available now"

    def __init__(self, detail: str, *, fix: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(detail, fix=fix, retry_after_s=retry_after_s)


class Draining(Unavailable):
    """This server is going away and takes no new calls."""

    code = "draining"
    title = "This server is shutting down"


class NoCapacity(Unavailable):
    """All lines are busy."""

    code = "no_capacity"
    title = "All lines are busy"


class RecordFull(Unavailable):
    """What is said could not be kept safely, so no new call is taken."""

    code = "record_full"
    title = "The record takes no more calls"


class ModelUnreachable(Unavailable):
    """No Realtime session could be opened, so nobody could answer the call."""

    code = "model_unreachable"
    title = "The voice model cannot be reached"


class RecordUnavailable(Unavailable):
    """Postgres is down: running calls can still be asked about, past ones cannot."""

    code = "record_unavailable"
    title = "Past calls are not available now"


class DeskUnavailable(Unavailable):
    """Redis, which knows who is at the desk, cannot be reached."""

    code = "desk_unavailable"
    title = "The desk cannot be reached"


class AgentsUnavailable(Unavailable):
    """Postgres is down: agents answer as before, drafts and versions cannot be read or written."""

    code = "agents_unavailable"
    title = "Drafts and versions are not available now"


class PagesNotBuilt(Unavailable):
    """The browser pages were not built at install time."""

    code = "pages_not_built"
    title = "The pages are not built"
