"""The desk's directory, in a real Redis, as several nodes see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from signaling.operators import Waiting
from signaling.roster import roster as roster_module
from signaling.roster.roster import DirectoryLost, Roster
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer

DEFAULT = frozenset({"default"})
Open = Callable[[str], Roster]


@pytest.fixture
async def open_roster(redis_url: str) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        def make(node: str, on_change: Callable[[], None] | None = None) -> Roster:
            made = Roster(redis_url, tenant="default", node=node, on_change=on_change)
            stack.push_async_callback(made.stop)
            made.start()
            return made

        yield make


async def there(roster: Roster, *ids: str, presence: str = "available") -> None:
    for place, id in enumerate(ids):
        await roster.present(id=id, name=id.title(), queues=DEFAULT, presence=presence, now=100.0 + place)  # type: ignore[arg-type]


async def test_every_node_sees_who_is_there(open_roster: Open) -> None:
    one, two = open_roster("one"), open_roster("two")
    await there(one, "sato")
    (seen,) = await two.operators()
    assert (seen.id, seen.name, seen.queues, seen.presence) == ("sato", "Sato", DEFAULT, "available")
    assert (seen.since, seen.idle_since, seen.handoff_id) == (100.0, 100.0, None)


async def test_presence_keeps_its_age_until_it_changes(open_roster: Open) -> None:
    roster = open_roster("one")
    await there(roster, "sato")
    await roster.present(id="sato", name="Sato", queues=DEFAULT, presence="available", now=150.0)
    assert (await roster.operators())[0].since == 100.0
    await roster.present(id="sato", name="Sato", queues=DEFAULT, presence="busy", now=160.0)
    (seen,) = await roster.operators()
    assert (seen.presence, seen.since, seen.idle_since) == ("busy", 160.0, 100.0)


async def test_who_leaves_is_gone_for_everybody(open_roster: Open) -> None:
    one, two = open_roster("one"), open_roster("two")
    await there(one, "sato", "mori")
    await one.leave("sato")
    assert [each.id for each in await two.operators()] == ["mori"]
    assert not await one.keep_alive("sato")
    assert await one.keep_alive("mori")


async def test_of_many_nodes_that_want_one_operator_exactly_one_gets_them(open_roster: Open) -> None:
    nodes = [open_roster(f"node{number}") for number in range(8)]
    await there(nodes[0], "sato")
    got = await asyncio.gather(*(node.reserve("sato", f"h{place}") for place, node in enumerate(nodes)))
    assert got.count(True) == 1
    (seen,) = await nodes[0].operators()
    assert seen.handoff_id == f"h{got.index(True)}"


@pytest.mark.parametrize("presence", ["busy", "wrap_up", "offline"])
async def test_who_is_not_available_is_not_reserved(open_roster: Open, presence: str) -> None:
    roster = open_roster("one")
    await there(roster, "sato", presence=presence)
    assert not await roster.reserve("sato", "h1")
    assert not await roster.reserve("nobody", "h1")


async def test_an_operator_may_take_a_call_unasked_but_only_one(open_roster: Open) -> None:
    one, two = open_roster("one"), open_roster("two")
    await there(one, "sato", presence="busy")
    assert await one.take("sato", "h1") is None
    assert await one.take("sato", "h1") is None
    assert await two.take("sato", "h2") == "h1"


async def test_a_lease_is_given_back_by_its_holder_only(open_roster: Open) -> None:
    one, two = open_roster("one"), open_roster("two")
    await there(one, "sato")
    await one.reserve("sato", "h1")
    assert not await two.release("sato", "h1", presence="available", now=200.0)
    assert not await one.release("sato", "h9", presence="available", now=200.0)
    assert (await one.operators())[0].handoff_id == "h1"
    assert await one.release("sato", "h1", presence="wrap_up", now=200.0)
    (seen,) = await one.operators()
    assert (seen.handoff_id, seen.presence, seen.since, seen.idle_since) == (None, "wrap_up", 200.0, 200.0)


async def test_who_did_not_answer_is_busy_and_told_why(open_roster: Open) -> None:
    roster = open_roster("one")
    await there(roster, "sato")
    await roster.reserve("sato", "h1")
    await roster.release("sato", "h1", presence="busy", why="not_responding", now=200.0)
    (seen,) = await roster.operators()
    assert (seen.presence, seen.why) == ("busy", "not_responding")
    await there(roster, "sato")
    assert (await roster.operators())[0].why is None


async def test_the_line_is_one_for_all_nodes(open_roster: Open) -> None:
    one, two = open_roster("one"), open_roster("two")
    first = Waiting(
        handoff_id="h1", call_id="c1", queue="default", requested_at=10.0, excluded=frozenset({"sato"})
    )
    second = Waiting(handoff_id="h2", call_id="c2", queue="billing", requested_at=5.0, urgent=True)
    await one.join_line(first)
    await two.join_line(second)
    assert await one.line() == await two.line() == [first, second]
    await one.leave_line("h1")
    await one.leave_line("h1")
    assert await two.line() == [second]


async def test_a_node_that_stops_leaves_nobody_reserved_and_nothing_in_the_line(redis_url: str) -> None:
    dying, living = (Roster(redis_url, tenant="default", node=name) for name in ("dying", "living"))
    await there(living, "sato")
    await dying.reserve("sato", "h1")
    await dying.join_line(Waiting(handoff_id="h1", call_id="c1", queue="default", requested_at=1.0))
    await dying.stop()
    assert await living.reserve("sato", "h2")
    assert await living.line() == []
    await living.stop()


async def test_a_node_that_dies_keeps_nobody_for_longer_than_its_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster_module, "LEASE_S", 0.2)  # 30 s in earnest
    dead, living = (Roster(redis_url, tenant="default", node=name) for name in ("dead", "living"))
    await there(living, "sato")
    assert await dead.reserve("sato", "h1")
    await dead.join_line(Waiting(handoff_id="h1", call_id="c1", queue="default", requested_at=1.0))
    await eventually(lambda: living.reserve("sato", "h2"))
    assert await living.line() == []
    await living.stop()
    await dead._client.aclose()


async def test_a_lease_outlives_its_life_while_its_node_lives(
    open_roster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster_module, "LEASE_S", 0.5)
    monkeypatch.setattr(roster_module, "RENEW_EVERY_S", 0.05)
    roster = open_roster("one")
    await there(roster, "sato")
    await roster.reserve("sato", "h1")
    for _ in range(12):
        await asyncio.sleep(0.1)  # the passing of time itself is what is tested
        assert (await roster.operators())[0].handoff_id == "h1"


async def test_everybody_hears_of_a_change(open_roster: Open) -> None:
    heard = asyncio.Event()
    one = open_roster("one")
    open_roster("two", heard.set)  # type: ignore[call-arg]
    async with asyncio.timeout(10):
        await heard.wait()  # the subscription stands
        heard.clear()
        await there(one, "sato")
        await heard.wait()
        heard.clear()
        await one.reserve("sato", "h1")
        await heard.wait()


async def test_without_redis_nobody_is_reserved_and_it_is_said_so(redis_server: RedisServer) -> None:
    roster = Roster(redis_server.url, tenant="default", node="one")
    await there(roster, "sato")
    redis_server.kill()
    with pytest.raises(DirectoryLost):
        await roster.reserve("sato", "h1")
    with pytest.raises(DirectoryLost):
        await roster.operators()
    await roster.stop()


async def test_a_redis_that_forgot_everything_is_told_again_what_this_node_holds(
    open_roster: Open, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    roster = open_roster("one")
    await there(roster, "sato")
    await roster.reserve("sato", "h1")
    waiting = Waiting(handoff_id="h2", call_id="c2", queue="default", requested_at=5.0)
    await roster.join_line(waiting)
    await roster._client.flushall()
    await there(roster, "sato")
    await roster._renew()
    assert (await roster.operators())[0].handoff_id == "h1"
    assert await roster.line() == [waiting]


async def test_what_an_earlier_life_had_reserved_is_free_and_nothing_else(redis_url: str) -> None:
    before, now = (Roster(redis_url, tenant="default", node="one") for _ in range(2))
    await there(now, "sato", "mori")
    assert await before.reserve("sato", "h1")
    assert await before.reserve("mori", "h2")
    await before.join_line(Waiting(handoff_id="h3", call_id="c3", queue="default", requested_at=1.0))
    await now.free(["h1", "h3"])
    assert {each.id: each.handoff_id for each in await now.operators()} == {"sato": None, "mori": "h2"}
    assert await now.line() == []
    await before._client.aclose()
    await now.stop()
