"""What the doors need from the rest of the server, as small Protocols.

The media server implements `CallDesk`, the record implements `CallArchive`; the two books hold agents and
tools. Methods without `async` answer from memory and never block.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from media.patchbay import Role
from signaling.caller import AnsweredCall, CallerIdentity
from signaling.operators import Joined, Operator, Person, Presence
from storage.agent_versions import Document, Draft, Version
from storage.call_filter import EVERY_CALL, CallFilter
from storage.envelope import Envelope
from storage.metric_sums import Grain, Sums, Window
from storage.people import Person as KnownPerson
from storage.projection import CallView, TranscriptEntry
from storage.search import Hit, Query

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

    async def reattach(self, call_id: str, offer_sdp: str) -> str:
        """A new leg for the caller of a running call: offer in, answer out. Raises UnknownCall, OfferRefused."""

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


class OperatorDesk(Protocol):
    """The people who take calls. Every method may raise DeskUnavailable, HandoffConflict (AlreadyTaken), UnknownCall,
    UnknownHandoff; those with an offer also OfferRefused."""

    async def accept(self, handoff_id: str, who: Person, offer_sdp: str, offer_id: str | None) -> Joined: ...

    async def decline(self, handoff_id: str, who: Person, offer_id: str | None, reason: str) -> None: ...

    async def take_over(self, call_id: str, who: Person, offer_sdp: str) -> Joined: ...

    async def sit_in(self, call_id: str, who: Person, role: Role, offer_sdp: str) -> Joined: ...

    async def reattach(self, call_id: str, who: Person, offer_sdp: str) -> Joined: ...

    async def leave(self, call_id: str, who: Person) -> None: ...

    async def change(self, call_id: str, who: Person, *, muted: bool | None, hold: bool | None) -> None: ...

    async def give_back(self, call_id: str, who: Person, note: str) -> None: ...

    async def end(self, call_id: str, who: Person) -> bool:
        """False: this person does not talk on it; end it as anybody else would."""

    async def say(self, call_id: str, who: Person, text: str) -> None: ...

    async def wrap_up(self, handoff_id: str, who: Person, outcome: str | None, notes: str) -> None: ...

    async def set_presence(self, who: Person, presence: Presence) -> Operator | None: ...

    async def presence(self, who: Person) -> Operator | None: ...

    async def operators(self) -> list[Operator]: ...


class CallArchive(Protocol):
    """Calls on record. Any method raises `RecordUnavailable`, OSError or TimeoutError while it is down."""

    async def get_call(self, call_id: str) -> CallView | None: ...

    async def list_calls(
        self, which: CallFilter = EVERY_CALL, *, cursor: str | None = None, limit: int = 50
    ) -> Page[CallView]:
        """Newest first. Raises ValueError for a cursor that is not one of its own."""

    async def search(
        self,
        query: Query,
        *,
        since: datetime,
        until: datetime,
        agent: str | None = None,
        speaker: str | None = None,
        outcome: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Hit]:
        """Utterances of [since, until) that hold the query, newest call first.

        Raises ValueError for a cursor that is not one of its own, SearchTooSlow.
        """

    async def transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        """In spoken order; None where the call is not on record."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope] | None:
        """Events with seq > after, in order, at most `limit`; None where the call is not on record."""

    async def metrics(self, call_id: str) -> Mapping[str, Any] | None: ...

    async def metric_sums(self, window: Window) -> Sums:
        """All calls of the window, summed up."""

    async def metric_series(
        self, window: Window, grain: Grain, histograms: Sequence[str]
    ) -> Sequence[tuple[datetime, Sums]]:
        """The same by the hour or day, oldest first, with these histograms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """What there is of a call's recording."""

    state: Literal["recording", "finished", "elsewhere", "deleted"]
    bytes: int = 0  # of a finished one
    node: str | None = None  # elsewhere: the server whose disk it is on
    deleted_because: Literal["refused", "erased", "expired"] | None = None


class RecordingArchive(Protocol):
    """Recorded calls. Raises OSError while it cannot be asked."""

    async def find(self, call_id: str) -> RecordingView | None:
        """None: nothing was recorded."""

    def read(self, call_id: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes of a finished recording from `start` on."""

    async def heard_by(self, call_id: str, who: str) -> None:
        """Puts on record that this user has listened."""


class Unstored(Protocol):
    """Events of this node's calls that are not known to be on record yet."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        """Numbered events with seq > after, in order, at most `limit`; may begin beyond after + 1."""


class NothingUnstored:
    """For a server without an outbox that can be read."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        return []


class OtherNodes(Protocol):
    """The calls of other nodes, as far as this one has heard of them. All of it is a moment old."""

    def live_calls(self) -> list[CallView]:
        """Those that are running."""

    def live_call(self, call_id: str) -> CallView | None:
        """Running, or ended a moment ago."""

    def last_seq(self, call_id: str) -> int:
        """Up to here the view is complete; -1 for an unknown call."""

    def events_after(self, call_id: str, after: int) -> list[Envelope]:
        """The latest events, in order; older ones are on record only, and there may be holes."""


class NoOtherNodes:
    """This node is the only one."""

    def live_calls(self) -> list[CallView]:
        return []

    def live_call(self, call_id: str) -> CallView | None:
        return None

    def last_seq(self, call_id: str) -> int:
        return -1

    def events_after(self, call_id: str, after: int) -> list[Envelope]:
        return []


class AgentBook(Protocol):
    """The agents that can be called."""

    def list_agents(self) -> Sequence[AgentSummary]: ...

    def agent_document(self, agent_id: str) -> Mapping[str, Any] | None:
        """The whole document as JSON-ready values; None for an unknown agent."""


class AgentDrafts(Protocol):
    """Agents as they are written and published. `by` is who does it, for drafts, versions and the audit log.

    `seen`: draft revisions of which one must be the current one, else DraftChanged; None: whatever is there.
    Every method may raise OSError or TimeoutError while the database is down. The refusals are those of
    `storage.agent_versions`; a document that cannot be an agent is `realtime.agent.InvalidAgent`.
    """

    async def create(self, document: Document, *, by: str) -> Draft:
        """A new agent's first draft. Raises AgentExists, InvalidAgent."""

    async def drafts(self) -> list[Draft]:
        """Every agent's, by id."""

    async def draft(self, agent_id: str) -> Draft:
        """Revision 0: the agent is a file that was never saved here. Raises AgentUnknown."""

    async def save_draft(
        self, agent_id: str, document: Document, *, seen: Sequence[int] | None, by: str
    ) -> Draft:
        """Raises AgentUnknown, DraftChanged, InvalidAgent."""

    async def publish(self, agent_id: str, *, seen: Sequence[int] | None, note: str, by: str) -> Version:
        """The draft takes new calls from now on, on every node. Raises AgentUnknown, DraftChanged,
        NothingToPublish, InvalidAgent (also for a tool that this server does not have)."""

    async def roll_back(self, agent_id: str, number: int, *, note: str, by: str) -> Version:
        """An older version's document takes new calls, as a new version; the draft stays. Raises AgentUnknown,
        VersionUnknown, NothingToPublish, InvalidAgent."""

    async def versions(self, agent_id: str, *, before: int | None, limit: int) -> list[Version]:
        """Newest first, numbers < `before`. Raises AgentUnknown."""

    async def document(self, agent_id: str, name: str) -> Document:
        """By `draft`, `published`, `file` or a version (`v3`, `3`). Raises AgentUnknown, VersionUnknown."""


class People(Protocol):
    """Who may sign in with a password. May raise OSError or TimeoutError while the database is down."""

    async def find(self, id: str) -> tuple[KnownPerson, str] | None:
        """The person and the password's argon2 hash; None where nobody is called that."""


class ToolBook(Protocol):
    """The tools that agents may be given."""

    def list_tools(self) -> Sequence[ToolSummary]: ...


class EmptyToolBook:
    """No tools at all."""

    def list_tools(self) -> Sequence[ToolSummary]:
        return ()
