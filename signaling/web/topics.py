"""What a client of the live feed asked to hear: all calls, the handoffs, or single calls by id."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from signaling.errors import BadRequest
from storage.envelope import Envelope

MOST_CALLS = 32
"""Single calls in one subscription; who wants more takes `calls`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """A parsed `topics=` parameter."""

    all_calls: bool
    handoffs: bool
    call_ids: frozenset[str]

    @property
    def single_call(self) -> str | None:
        """The call id where the topics are exactly one `call:ID`, else None."""
        if self.all_calls or self.handoffs or len(self.call_ids) != 1:
            return None
        return next(iter(self.call_ids))

    def wants(self, envelope: Envelope) -> bool:
        if self.all_calls or envelope.call_id in self.call_ids:
            return True
        return self.handoffs and envelope.type.startswith(("handoff.", "operator.", "presence."))


def parse_topics(value: str) -> Topics:
    """Read `calls,handoffs,call:ID`.

    Raises:
        BadRequest: for an empty list, an unknown word or an id that is no UUID.
    """
    words = [word.strip() for word in value.split(",") if word.strip()]
    call_ids = {_call_id(word.removeprefix("call:")) for word in words if word.startswith("call:")}
    unknown = [w for w in words if w not in ("calls", "handoffs") and not w.startswith("call:")]
    if unknown or not words:
        said = f"Unknown topic {unknown[0]!r}." if unknown else "No topics were named."
        raise BadRequest(said, fix="Ask for topics=calls, handoffs or call:ID, separated by commas.")
    if len(call_ids) > MOST_CALLS:
        raise BadRequest(f"More than {MOST_CALLS} single calls.", fix="Ask for topics=calls.")
    return Topics(all_calls="calls" in words, handoffs="handoffs" in words, call_ids=frozenset(call_ids))


def _call_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise BadRequest(f"{text[:64]!r} is not a call id.", fix="Call ids are UUIDs.") from None


def parse_since(value: str | None, topics: Topics) -> int | None:
    """Read `since=SEQ`: the last seq the client already has.

    Raises:
        BadRequest: for no whole number, or when the topics are not exactly one `call:ID`; seq counts within
            one call, so over several calls it would mean nothing.
    """
    if value is None:
        return None
    if topics.single_call is None:
        raise BadRequest(
            "since= was given with more than one call.", fix="Use it with exactly one call:ID topic."
        )
    try:
        since = int(value)
    except ValueError:
        raise BadRequest(f"since={value[:32]!r} is not a whole number.") from None
    if since < -1:
        raise BadRequest("since= counts from -1 (nothing seen yet).")
    return since
