"""The ports of the doors, in memory: calls are stories that a test tells event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from signaling.caller import AnsweredCall, CallerIdentity
from signaling.errors import Problem, RecordUnavailable, UnknownAgent, UnknownCall
from signaling.web.feed import Feed
from signaling.web.ports import AgentSummary, IceCandidate, Page, Readiness, ToolSummary
from storage.call_filter import EVERY_CALL, CallFilter
from storage.call_ids import new_call_id
from storage.contribution import HISTOGRAMS, Sum, contribution_of
from storage.envelope import Envelope, Sequencer
from storage.events import Event
from storage.metric_sums import Grain, Sums, Window, added_up
from storage.metrics import measure
from storage.projection import CallProjection, CallView, TranscriptEntry
from storage.search import Hit, Query, write_place
from tests.fakes.call_story import NOON

ANSWER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


class ToldCall:
    """A call whose events the test says."""

    def __init__(self, feed: Feed, call_id: str | None = None) -> None:
        self.id = call_id or new_call_id()
        self.events: list[Envelope] = []
        self.projection = CallProjection(self.id)
        self._sequencer = Sequencer(self.id)
        self._feed = feed

    def tell(self, *events: Event) -> None:
        for event in events:
            envelope = self._sequencer.stamp(event, NOON + timedelta(seconds=len(self.events)))
            self.events.append(envelope)
            self.projection.fold(envelope)
            self._feed.publish(envelope)

    def after(self, seq: int) -> list[Envelope]:
        return [event for event in self.events if event.seq is not None and event.seq > seq]


class FakeDesk:
    """Implements CallDesk. `refusal` makes `answer` raise it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.calls: dict[str, ToldCall] = {}
        self.answered: list[tuple[str, str, CallerIdentity]] = []
        self.reattached: list[tuple[str, str]] = []
        self.trickled: list[IceCandidate] = []
        self.hung_up: list[tuple[str, str]] = []
        self.refusal: Problem | Exception | None = None
        self.state = Readiness(ready=True)

    def running_call(self) -> ToldCall:
        call = ToldCall(self.feed)
        self.calls[call.id] = call
        return call

    async def answer(self, *, agent_id: str, offer_sdp: str, caller: CallerIdentity) -> AnsweredCall:
        self.answered.append((agent_id, offer_sdp, caller))
        if self.refusal is not None:
            raise self.refusal
        if agent_id not in ("dental", "sales"):
            raise UnknownAgent(f"There is no agent {agent_id}.")
        return AnsweredCall(call_id=self.running_call().id, answer_sdp=ANSWER)

    async def reattach(self, call_id: str, offer_sdp: str) -> str:
        if call_id not in self.calls:
            raise UnknownCall("Not running.", code="call_over")
        self.reattached.append((call_id, offer_sdp))
        return ANSWER

    async def trickle(self, call_id: str, candidates: Sequence[IceCandidate]) -> None:
        if call_id not in self.calls:
            raise UnknownCall("Not running.")
        self.trickled += candidates

    async def hang_up(self, call_id: str, by: str) -> bool:
        self.hung_up.append((call_id, by))
        return self.calls.pop(call_id, None) is not None

    def live_calls(self) -> list[CallView]:
        return [call.projection.view for call in self.calls.values()]

    def live_call(self, call_id: str) -> CallView | None:
        call = self.calls.get(call_id)
        return call.projection.view if call else None

    def live_events(self, call_id: str, after: int) -> list[Envelope] | None:
        call = self.calls.get(call_id)
        return call.after(after) if call else None

    def live_transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        call = self.calls.get(call_id)
        return call.projection.transcript if call else None

    def readiness(self) -> Readiness:
        return self.state


class FakeArchive:
    """Implements CallArchive. `down` makes everything fail as Postgres being away does."""

    def __init__(self) -> None:
        self.calls: dict[str, ToldCall] = {}
        self.down: Exception | None = None
        self.hits: list[Hit] = []  # what every search finds
        self.searched: list[dict[str, Any]] = []

    def file(self, *events: Event) -> ToldCall:
        call = ToldCall(Feed())
        call.tell(*events)
        self.calls[call.id] = call
        return call

    def _call(self, call_id: str) -> ToldCall | None:
        if self.down is not None:
            raise self.down
        return self.calls.get(call_id)

    async def get_call(self, call_id: str) -> CallView | None:
        call = self._call(call_id)
        return call.projection.view if call else None

    async def list_calls(
        self, which: CallFilter = EVERY_CALL, *, cursor: str | None = None, limit: int = 50
    ) -> Page[CallView]:
        self._call("")
        if cursor is not None and cursor not in self.calls:
            raise ValueError("not a cursor")
        views = [
            call.projection.view
            for call_id, call in sorted(self.calls.items(), reverse=True)
            if cursor is None or call_id < cursor
        ]
        views = [view for view in views if which.takes(view)]
        return Page(items=views[:limit], next=views[limit - 1].id if len(views) > limit else None)

    async def search(self, query: Query, *, cursor: str | None, limit: int, **asked: Any) -> Page[Hit]:
        self._call("")
        self.searched.append(asked | {"query": query})
        start = 0 if cursor is None else [write_place(hit.place) for hit in self.hits].index(cursor) + 1
        shown = self.hits[start : start + limit]
        more = len(self.hits) > start + limit
        return Page(items=shown, next=write_place(shown[-1].place) if more else None)

    async def transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        call = self._call(call_id)
        return call.projection.transcript if call else None

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope] | None:
        call = self._call(call_id)
        return call.after(after)[:limit] if call else None

    async def metrics(self, call_id: str) -> Mapping[str, Any] | None:
        call = self._call(call_id)
        return call.events[-1].data.get("metrics") if call else None

    async def metric_sums(self, window: Window) -> Sums:
        return added_up([sums for _, sums in await self.metric_series(window, "hour", HISTOGRAMS)])

    async def metric_series(
        self, window: Window, grain: Grain, histograms: Sequence[str]
    ) -> list[tuple[datetime, Sums]]:
        self._call("")
        by_time: dict[datetime, Sum] = {}
        for call in self.calls.values():
            metrics = measure(call.events)
            began = datetime.fromisoformat(metrics.started_at or "")
            if not window.since <= began < window.until or window.agent not in (None, metrics.agent):
                continue
            at = began.replace(minute=0, second=0, microsecond=0)
            at = at if grain == "hour" else at.replace(hour=0)
            by_time.setdefault(at, Sum()).add(contribution_of(metrics))
        return [
            (at, Sums(counters=each.counters, histograms={name: found[name] for name in histograms}))
            for at, each in sorted(by_time.items())
            for found in [each.dense_histograms()]
        ]


class FakeBooks:
    """Implements AgentBook and ToolBook."""

    def list_agents(self) -> Sequence[AgentSummary]:
        return [
            AgentSummary(id="sales", name="Sales", language="en", direction="inbound", version="2"),
            AgentSummary(id="dental", name="Reception", language="en", direction="both", version="1"),
            AgentSummary(id="campaign", name="Campaign", language="ja", direction="outbound", version="1"),
        ]

    def agent_document(self, agent_id: str) -> Mapping[str, Any] | None:
        return {"id": "dental", "greeting": "Good morning"} if agent_id == "dental" else None

    def list_tools(self) -> Sequence[ToolSummary]:
        return [
            ToolSummary(
                name="end_call", description="Ends.", parameters={"type": "object"}, source="built-in"
            )
        ]


RECORD_IS_DOWN = RecordUnavailable("The record cannot be reached.")
