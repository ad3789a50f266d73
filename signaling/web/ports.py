"""What the doors need from the rest of the server, as small Protocols.

The media server implements `CallDesk`, the record implements `CallArchive`; the two books hold agents and
tools. Methods without `async` answer from memory and never block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from signaling.caller import AnsweredCall, CallerIdentity
from storage.envelope import Envelope
from storage.projection import CallView, TranscriptEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class IceCandidate:
    """One trickled candidate: RFC 8839 `candidate:…` without the `a=`, and the m-section it belongs to."""

    candidate: str
    mid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a new call could be answered now."""

    ready: bool
    degraded: Sequence[str] = ()  # parts that are down while calls still work: "redis", "postgres"
    reasons: Sequence[str] = ()  # why not ready, one sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first; `next` is the cursor of the following page, None at the end."""

    items: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSummary:
    """What anyone who may call is told of an agent."""

    id: str
    name: str
    language: str
    direction: str  # inbound, outbound, both
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSummary:
    """A registered tool: the JSON Schema of its arguments is what the model sees."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    source: str  # "built-in" or the module or package it came from


class CallDesk(Protocol):
    """The calls this node owns."""

    async def answer(self, *, agent_id: str, offer_sdp: str, caller: CallerIdentity) -> AnsweredCall:
        """Take a call: offer in, answer out. The caller is heard from here on.

        Raises:
            UnknownAgent, OfferRefused, Draining, NoCapacity, ModelUnreachable: from `signaling.errors`.
        """

    async def trickle(self, call_id: str, candidates: Sequence[IceCandidate]) -> None:
        """Add late candidates. Raises UnknownCall for a call that is not running here."""

    async def hang_up(self, call_id: str, by: str) -> bool:
        """End a running call; `by` is "caller", "operator" or "admin". False: not running here (any more)."""

    def live_calls(self) -> list[CallView]:
        """Every running call known to this node."""

    def live_call(self, call_id: str) -> CallView | None: ...

    def live_events(self, call_id: str, after: int) -> list[Envelope] | None:
        """Numbered events with seq > after, in order, without gaps; None for a call not running here."""

    def live_transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        """In spoken order (`position`); None for a call not running here."""

    def readiness(self) -> Readiness: ...


class CallArchive(Protocol):
    """Calls on record. Any method raises `RecordUnavailable`, OSError or TimeoutError while it is down."""

    async def get_call(self, call_id: str) -> CallView | None: ...

    async def list_calls(
        self, *, state: str | None, agent: str | None, cursor: str | None, limit: int
    ) -> Page[CallView]:
        """Newest first. Raises ValueError for a cursor that is not one of its own."""

    async def transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        """In spoken order; None where the call is not on record."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope] | None:
        """Events with seq > after, in order, at most `limit`; None where the call is not on record."""

    async def metrics(self, call_id: str) -> Mapping[str, Any] | None: ...


class AgentBook(Protocol):
    """The agents that can be called."""

    def list_agents(self) -> Sequence[AgentSummary]: ...

    def agent_document(self, agent_id: str) -> Mapping[str, Any] | None:
        """The whole document as JSON-ready values; None for an unknown agent."""


class ToolBook(Protocol):
    """The tools that agents may be given."""

    def list_tools(self) -> Sequence[ToolSummary]: ...


class EmptyToolBook:
    """No tools at all."""

    def list_tools(self) -> Sequence[ToolSummary]:
        return ()
