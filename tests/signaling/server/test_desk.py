"""The desk of a process with a real Redis and calls without audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from signaling.errors import AlreadyTaken, DeskUnavailable, HandoffConflict, UnknownCall, UnknownHandoff
from signaling.roster.roster import Roster
from signaling.server.desk import Desk
from storage.desk_events import DeskEnvelope
from storage.events import (
    CallAnnotated,
    HandoffAbandoned,
    HandoffConnected,
    HandoffDeclined,
    HandoffOffered,
    HandoffRequested,
    HandoffReturned,
)
from tests.fakes.desk_call import DeskCallFake, person, takes_whatever_rings
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer


class Node:
    """One process's desk and its calls."""

    def __init__(self, redis_url: str, name: str) -> None:
        self.calls: dict[str, DeskCallFake] = {}
        self.announced: list[DeskEnvelope] = []
        self.roster = Roster(redis_url, tenant="default", node=name, on_change=lambda: self.desk.changed())
        self.desk = Desk(
            self.roster,
            tenant="default",
            call_of=self.calls.get,
            annotate=self._annotate,
            announce=self.announced.append,
        )

    def call(self, **given: object) -> DeskCallFake:
        call = DeskCallFake(desk=self.desk, **given)  # type: ignore[arg-type]
        self.calls[call.call_id] = call
        return call

    def _annotate(self, call_id: str, fact: CallAnnotated) -> bool:
        self.calls[call_id].publish(fact)
        return True


Open = Callable[..., Node]


@pytest.fixture
async def open_node() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        def make(redis_url: str, name: str = "one") -> Node:
            node = Node(redis_url, name)
            stack.push_async_callback(node.roster.stop)
            stack.push_async_callback(node.desk.stop)
            node.roster.start()
            node.desk.start()
            return node

        yield make


SATO, MORI = person("sato"), person("mori")


async def test_twenty_calls_and_five_operators_nobody_twice_and_the_line_in_order(
    open_node: Open, redis_url: str
) -> None:
    node = open_node(redis_url)
    taken: asyncio.Queue[tuple[str, str, float]] = asyncio.Queue()
    calls = [node.call() for _ in range(20)]
    desks = [
        asyncio.create_task(takes_whatever_rings(node.desk, f"op{n}", node.calls, talks_s=0.05, taken=taken))
        for n in range(5)
    ]
    await eventually(lambda: len(node.announced) >= 5)
    for call in calls:
        call.ask()
    async with asyncio.timeout(60):
        served = [await taken.get() for _ in calls]
    for desk in desks:
        desk.cancel()
    await asyncio.gather(*desks, return_exceptions=True)

    assert sorted(call_id for _, call_id, _ in served) == sorted(call.call_id for call in calls)
    for call in calls:
        assert call.kinds().count("handoff.connected") == 1
        assert "handoff.declined" not in call.kinds()
    # First come, first served: no call is offered before one that had waited longer.
    offered = {
        call.call_id: next(event for event in call.events if isinstance(event, HandoffOffered)).until
        for call in calls
    }
    assert list(offered.values()) == sorted(offered.values())


async def test_two_servers_that_want_the_same_operator_ask_only_once(open_node: Open, redis_url: str) -> None:
    one, two = open_node(redis_url, "one"), open_node(redis_url, "two")
    await one.desk.set_presence(SATO, "available")
    first, second = one.call(), two.call()
    first.ask()
    second.ask()
    await eventually(lambda: "handoff.offered" in first.kinds() + second.kinds())
    waiting = second if "handoff.offered" in first.kinds() else first
    busy = first if waiting is second else second
    owner = one if busy is first else two
    offer = next(event for event in busy.events if isinstance(event, HandoffOffered))
    assert "handoff.offered" not in waiting.kinds()
    await owner.desk.accept(offer.handoff_id, SATO, "offer", offer.offer_id)
    await busy.until(HandoffConnected)
    await owner.desk.end(busy.call_id, SATO)
    await owner.desk.wrap_up(offer.handoff_id, SATO, None, "")
    await waiting.until(HandoffOffered)


async def test_without_redis_the_agent_keeps_the_caller_and_says_so(
    open_node: Open, redis_server: RedisServer
) -> None:
    node = open_node(redis_server.url)
    redis_server.kill()
    call = node.call()
    call.ask()
    await call.until("unavailable")
    assert call.told == [("unavailable", "directory_lost")]
    assert call.ears == []
    with pytest.raises(DeskUnavailable):
        await node.desk.take_over(call.call_id, SATO, "offer")
    with pytest.raises(DeskUnavailable):
        await node.desk.set_presence(SATO, "available")


async def test_redis_that_goes_while_somebody_waits_and_comes_back_serves_them_after_all(
    open_node: Open, redis_server: RedisServer
) -> None:
    node = open_node(redis_server.url)
    await node.desk.set_presence(SATO, "busy")
    await node.desk.set_presence(MORI, "available")
    first, call = node.call(), node.call()
    first.ask()
    await first.until(HandoffOffered)
    call.ask()
    await eventually(lambda: "handoff.queued" in call.kinds())
    redis_server.kill()
    redis_server.start()
    await eventually(lambda: _available(node), within=20)
    await call.until(HandoffOffered, within_s=20)


async def _available(node: Node) -> bool:
    try:
        await node.desk.set_presence(SATO, "available")
    except DeskUnavailable:
        return False
    return True


async def test_an_accepted_call_whose_offer_was_out_elsewhere_frees_the_other(
    open_node: Open, redis_url: str
) -> None:
    node = open_node(redis_url)
    await node.desk.set_presence(SATO, "available")
    call = node.call()
    handoff_id = call.ask()
    await call.until(HandoffOffered)
    await node.desk.set_presence(MORI, "busy")
    joined = await node.desk.accept(handoff_id, MORI, "offer", None)
    assert (joined.call_id, joined.handoff_id) == (call.call_id, handoff_id)
    await call.until(HandoffConnected)
    with pytest.raises(AlreadyTaken) as taken:
        await node.desk.accept(handoff_id, SATO, "offer", None)
    assert taken.value.extra == {"taken_by": "mori", "name": "Mori"}
    seen = {each.id: each.handoff_id for each in await node.desk.operators()}
    assert seen == {"mori": handoff_id, "sato": None}


async def test_who_is_on_a_call_cannot_take_another(open_node: Open, redis_url: str) -> None:
    node = open_node(redis_url)
    first, second = node.call(), node.call()
    await node.desk.set_presence(SATO, "available")
    await node.desk.take_over(first.call_id, SATO, "offer")
    with pytest.raises(HandoffConflict) as busy:
        await node.desk.take_over(second.call_id, SATO, "offer")
    assert busy.value.code == "on_another_call"
    assert second.events == []


async def test_a_leg_that_never_comes_is_not_the_operators_fault(
    open_node: Open, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = open_node(redis_url)
    await node.desk.set_presence(SATO, "available")
    call = node.call(heard=False)
    handoff_id = call.ask()
    await call.until(HandoffOffered)
    await node.desk.accept(handoff_id, SATO, "offer", None)
    handoff = node.desk._of_call[call.call_id]
    handoff.do(lambda h, now: h.wake(now + 8.0))
    await call.until(HandoffDeclined)
    declined = next(event for event in call.events if isinstance(event, HandoffDeclined))
    assert (declined.operator, declined.reason) == ("sato", "no_media")
    await eventually(lambda: call.kinds().count("handoff.offered") == 2)  # asked again, at once


async def test_who_does_not_answer_is_busy_and_told_why_and_the_call_rings_elsewhere(
    open_node: Open, redis_url: str
) -> None:
    node = open_node(redis_url)
    await node.desk.set_presence(SATO, "available")
    await node.desk.set_presence(MORI, "available")
    call = node.call()
    call.ask()
    await call.until(HandoffOffered)
    first = next(event for event in call.events if isinstance(event, HandoffOffered))
    node.desk._of_call[call.call_id].do(lambda h, now: h.wake(now + 20.0))
    await eventually(lambda: call.kinds().count("handoff.offered") == 2)
    second = [event for event in call.events if isinstance(event, HandoffOffered)][1]
    assert {first.operator, second.operator} == {"sato", "mori"}

    async def told() -> bool:
        seen = {each.id: each for each in await node.desk.operators()}[first.operator]
        return (seen.presence, seen.why) == ("busy", "not_responding")

    await eventually(told)
    news = [each.data for each in node.announced if each.data["operator"] == first.operator]
    assert news[-1]["why"] == "not_responding"


async def test_returned_to_the_agent_the_call_goes_on_and_the_notes_follow(
    open_node: Open, redis_url: str
) -> None:
    node = open_node(redis_url)
    call = node.call()
    await node.desk.set_presence(SATO, "available")
    joined = await node.desk.take_over(call.call_id, SATO, "offer")
    await call.until(HandoffConnected)
    await node.desk.give_back(call.call_id, SATO, "paid by card")
    await call.until(HandoffReturned)
    assert call.people == ["Sato", "left: paid by card"]
    assert call.ears == ["operator", "agent"]
    node.desk.agent_speaks(call.call_id)
    assert joined.handoff_id is not None
    await eventually(lambda: _presence_is(node, "wrap_up"))
    await node.desk.wrap_up(joined.handoff_id, SATO, "resolved", "all well")
    annotated = next(event for event in call.events if isinstance(event, CallAnnotated))
    assert annotated.by == "sato"
    assert annotated.value == {"handoff_id": joined.handoff_id, "outcome": "resolved", "notes": "all well"}
    await eventually(lambda: _presence_is(node, "available"))


async def _presence_is(node: Node, state: str) -> bool:
    seen = await node.desk.presence(SATO)
    return seen is not None and seen.presence == state


@pytest.mark.parametrize("stage", ["queued", "offered", "connecting"])
async def test_a_caller_who_leaves_has_abandoned_at_that_stage_and_nobody_stays_reserved(
    open_node: Open, redis_url: str, stage: str
) -> None:
    node = open_node(redis_url)
    await node.desk.set_presence(SATO, "wrap_up" if stage == "queued" else "available")
    call = node.call(heard=False)
    handoff_id = call.ask()
    await eventually(lambda: "handoff.queued" in call.kinds())
    if stage != "queued":
        await call.until(HandoffOffered)
    if stage == "connecting":
        await node.desk.accept(handoff_id, SATO, "offer", None)
    node.desk.caller_left(call.call_id)
    gone = next(event for event in call.events if isinstance(event, HandoffAbandoned))
    assert (gone.stage, gone.why) == (stage, "caller_left")

    async def free() -> bool:
        seen = await node.desk.presence(SATO)
        return seen is not None and seen.handoff_id is None

    async def nobody_waits() -> bool:
        return await node.roster.line() == []

    await eventually(free)
    await eventually(nobody_waits)


async def test_asking_twice_is_asking_once(open_node: Open, redis_url: str) -> None:
    node = open_node(redis_url)
    await node.desk.set_presence(SATO, "busy")
    await node.desk.set_presence(MORI, "available")
    call = node.call()
    call.ask()
    await call.until(HandoffOffered)
    assert node.desk.state_of(call.call_id) is not None
    call.ask("still a person")
    assert call.kinds().count("handoff.queued") == 1


async def test_a_request_of_the_machine_is_told_to_the_caller(open_node: Open, redis_url: str) -> None:
    node = open_node(redis_url)
    call = node.call()
    call.publish(HandoffRequested(handoff_id="h9", reason="no model answers", summary="", method="failure"))
    await call.until("unavailable")
    assert [moment for moment, _ in call.told] == ["requested", "unavailable"]


async def test_a_callback_is_booked_only_where_a_person_was_asked_for(
    open_node: Open, redis_url: str
) -> None:
    node = open_node(redis_url)
    call = node.call()
    assert not node.desk.book_callback(call.call_id, "+81312345678", None)
    call.ask()
    await call.until("unavailable")
    assert node.desk.book_callback(call.call_id, "+81312345678", "tomorrow")
    assert call.kinds()[-1] == "handoff.callback_booked"
    assert not node.desk.withdraw(call.call_id, "never mind")


async def test_what_is_not_there_is_said_to_be_missing(open_node: Open, redis_url: str) -> None:
    node = open_node(redis_url)
    call = node.call()
    with pytest.raises(UnknownHandoff):
        await node.desk.accept("h0", SATO, "offer", None)
    with pytest.raises(UnknownCall):
        await node.desk.sit_in("c0", SATO, "listen", "offer")
    for verb in (
        lambda: node.desk.give_back(call.call_id, SATO, ""),
        lambda: node.desk.change(call.call_id, SATO, muted=True, hold=None),
        lambda: node.desk.reattach(call.call_id, SATO, "offer"),
    ):
        with pytest.raises(HandoffConflict) as not_on:
            await verb()
        assert not_on.value.code == "not_on_call"


async def test_barging_in_is_an_event_and_listening_is_not(open_node: Open, redis_url: str) -> None:
    node = open_node(redis_url)
    call = node.call()
    await node.desk.sit_in(call.call_id, SATO, "listen", "offer")
    assert call.events == []
    await node.desk.sit_in(call.call_id, SATO, "barge", "offer")
    await node.desk.leave(call.call_id, SATO)
    assert call.kinds() == ["operator.joined", "operator.left"]
    assert call.roles == {}
