"""A call as the desk sees it, and operators who take whatever rings. No audio."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media.patchbay import Ear, Role
from realtime.agent import Agent, read_agent
from signaling.operators import Person
from storage.call_ids import new_call_id
from storage.events import Event, HandoffConnected, HandoffOffered, HandoffRequested

if TYPE_CHECKING:
    from signaling.server.desk import Desk

AGENT = read_agent(
    {"id": "front", "name": "Front desk", "instructions": "Help.", "handoff": {"max_wait_s": 60}},
    source="test",
    version="v1",
)
EVERYBODY = frozenset({"*"})


def person(id: str) -> Person:
    return Person(id=id, name=id.title(), queues=EVERYBODY)


@dataclass
class DeskCallFake:
    """Implements DeskCall. `heard`: an operator's leg is up as soon as it is attached."""

    call_id: str = field(default_factory=new_call_id)
    agent: Agent = AGENT
    heard: bool = True
    over: bool = False
    desk: Desk | None = None
    events: list[Event] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    ears: list[Ear] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)
    whispers: list[str] = field(default_factory=list)
    hung_up: str | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, event: Event) -> None:
        self.events.append(event)
        self.news.set()
        if isinstance(event, HandoffRequested) and event.method != "operator":
            assert self.desk is not None
            self.desk.requested(self, event)

    async def attach_operator(self, operator: str, role: Role, offer_sdp: str) -> str:
        self.roles[operator] = role
        if self.heard and self.desk is not None:
            asyncio.get_running_loop().call_soon(self.desk.operator_heard, self.call_id, operator)
        return "answer"

    def role_of(self, operator: str) -> Role | None:
        return self.roles.get(operator)

    def mute_operator(self, operator: str, muted: bool) -> None: ...

    def drop_operator(self, operator: str) -> None:
        self.roles.pop(operator, None)

    def give_ear(self, ear: Ear) -> None:
        self.ears.append(ear)

    def person_joined(self, name: str) -> None:
        self.people.append(name)

    def person_left(self, note: str) -> None:
        self.people.append(f"left: {note}")

    def tell_agent(self, moment: str, detail: str) -> None:
        self.told.append((moment, detail))
        self.news.set()

    def whisper(self, text: str) -> None:
        self.whispers.append(text)

    def hang_up(self, reason: str) -> None:
        self.hung_up, self.over = reason, True
        if self.desk is not None:
            self.desk.caller_left(self.call_id)

    # For tests

    def ask(self, reason: str = "a person please") -> str:
        """As the model's tool does it; the handoff's id."""
        handoff_id = new_call_id()
        self.publish(HandoffRequested(handoff_id=handoff_id, reason=reason, summary="", method="ai"))
        return handoff_id

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]

    async def until(self, kind: type[Event] | str, *, within_s: float = 10.0) -> None:
        """Until such an event was published, or the agent was told of this moment."""
        async with asyncio.timeout(within_s):
            while not (
                kind in [moment for moment, _ in self.told]
                if isinstance(kind, str)
                else any(isinstance(event, kind) for event in self.events)
            ):
                self.news.clear()
                await self.news.wait()


async def takes_whatever_rings(
    desk: Desk,
    who: str,
    calls: dict[str, DeskCallFake],
    *,
    talks_s: float,
    taken: asyncio.Queue[tuple[str, str, float]],
) -> None:
    """An operator, for ever: accepts what is offered, talks, ends, notes, is available again."""
    me = person(who)
    await desk.set_presence(me, "available")
    served: set[str] = set()
    while True:
        await asyncio.sleep(0.005)
        for call in list(calls.values()):
            for event in call.events:
                if (
                    isinstance(event, HandoffOffered)
                    and event.operator == who
                    and event.offer_id not in served
                ):
                    served.add(event.offer_id)
                    await desk.accept(event.handoff_id, me, "offer", event.offer_id)
                    await call.until(HandoffConnected)
                    taken.put_nowait((who, call.call_id, asyncio.get_running_loop().time()))
                    await asyncio.sleep(talks_s)
                    await desk.end(call.call_id, me)
                    await desk.wrap_up(event.handoff_id, me, "resolved", "")
