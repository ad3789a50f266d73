"""Candidates that arrive after the offer: RFC 8840 `application/trickle-ice-sdpfrag`, pure parsing.

Lines this does not know are skipped (RFC 8840 §9.2 says so); `a=end-of-candidates` is not passed on, since
the peer may yet be learnt from its own checks.
"""

from __future__ import annotations

from signaling.errors import BadRequest, BodyTooLarge
from signaling.web.ports import IceCandidate

MOST_CANDIDATES = 32
"""In one fragment; a browser with many interfaces gathers about a dozen."""


def parse_fragment(text: str) -> list[IceCandidate]:
    """Candidates with the `a=mid` of their m-section.

    Raises:
        BadRequest: a line that is no SDP line at all.
        BodyTooLarge: more than MOST_CANDIDATES.
    """
    found: list[IceCandidate] = []
    mid: str | None = None
    for line in text.splitlines():
        if not line.strip():
            continue
        if len(line) < 2 or line[1] != "=":
            raise BadRequest("This is not an SDP fragment.", code="not_sdp")
        if line.startswith("m="):
            mid = None
        elif line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:").strip()
        elif line.startswith("a=candidate:"):
            found.append(IceCandidate(candidate=line.removeprefix("a=").strip(), mid=mid))
    if len(found) > MOST_CANDIDATES:
        raise BodyTooLarge(f"More than {MOST_CANDIDATES} candidates.", code="too_many_candidates")
    return found
