"""What a request outside of any call is told: a refusal, how we are, or nothing yet: it is a call to be taken.

Decides only; who sends the answer is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from signaling.sip.addresses import read_uri
from signaling.sip.call import ALLOW, EXTENSIONS, SUPPORTED
from signaling.sip.digest import Challenger
from signaling.sip.keys import KINDS
from signaling.sip.message import Headers, Request
from signaling.sip.offers import has_foreign_body
from signaling.sip.session_timer import MIN_SE, too_small

ELSEWHERE: Final = frozenset({"REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "NOTIFY", "REFER"})
"""Methods that exist and that nobody may use here outside a call: 405. Others: 501."""
WITHIN: Final = frozenset({"BYE", "INFO", "UPDATE", "PRACK"})
"""Methods that make sense only within a call: 481."""
SDP: Final = "application/sdp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The final answer. `forget`: there is too much to do; send it and keep nothing of the request."""

    status: int
    headers: Headers = ()
    forget: bool = False


def first_answer(
    request: Request, *, closed_for_s: int | None, challenger: Challenger | None, now: float
) -> Answer | None:
    """None: an INVITE that may be taken. `closed_for_s`: no call is taken; ask again after so many seconds."""
    if request.method in WITHIN:
        return Answer(status=481)
    if request.method in ELSEWHERE:
        return Answer(status=405, headers=(("Allow", ALLOW),))
    if request.method not in ("INVITE", "OPTIONS"):
        return Answer(status=501, headers=(("Allow", ALLOW),))
    unknown = [word for word in request.tokens("Require") if word.lower() not in EXTENSIONS]
    if read_uri(request.uri).scheme not in ("sip", "sips", "tel"):
        return Answer(status=416)
    if unknown:
        return Answer(status=420, headers=(("Unsupported", ", ".join(unknown)),))
    return (
        _how_we_are(closed_for_s)
        if request.method == "OPTIONS"
        else _invited(request, closed_for_s, challenger, now)
    )


def _how_we_are(closed_for_s: int | None) -> Answer:
    """The bridge's health check (RFC 3261 section 11): 503 while no call would be taken."""
    if closed_for_s is not None:
        return Answer(status=503, headers=(("Retry-After", str(closed_for_s)),))
    accepted = ", ".join((SDP, *KINDS))
    return Answer(status=200, headers=(("Allow", ALLOW), ("Accept", accepted), ("Supported", SUPPORTED)))


def _invited(
    request: Request, closed_for_s: int | None, challenger: Challenger | None, now: float
) -> Answer | None:
    if challenger is not None:
        verdict = challenger.check(request.get("Authorization"), request.method, now)
        if not verdict:
            return Answer(status=401, headers=challenger.challenge(now, stale=verdict is None))
    accepts = {word.partition(";")[0].strip().lower() for word in request.tokens("Accept")}
    if too_small(request):
        return Answer(status=422, headers=(("Min-SE", str(MIN_SE)),))
    if has_foreign_body(request):
        return Answer(status=415, headers=(("Accept", SDP), ("Accept-Encoding", "identity")))
    if accepts and not {SDP, "application/*", "*/*"} & accepts:
        return Answer(status=406)  # RFC 4475 section 3.3.15: an answer could not be given
    if closed_for_s is not None:
        # However many come: each costs one answer, and leaves nothing behind.
        return Answer(status=503, headers=(("Retry-After", str(closed_for_s)),), forget=True)
    return None
