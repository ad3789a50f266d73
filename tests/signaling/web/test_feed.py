"""The feed without sockets: bounded, ordered, and honest about what it dropped."""

import asyncio
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from signaling.web.feed import Feed, Overflow, Subscription
from signaling.web.topics import parse_topics
from storage.desk_events import PresenceChanged, desk_envelope
from tests.fakes.call_desk import ToldCall
from tests.fakes.call_story import ended, said, started

ALL = parse_topics("calls")


@given(steps=st.lists(st.one_of(st.just("take"), st.integers(1, 8)), max_size=60), capacity=st.integers(1, 6))
def test_what_is_taken_and_what_is_reported_dropped_is_everything_in_order(steps, capacity):
    async def story():
        subscription = Subscription(ALL, capacity=capacity)
        offered, accounted = 0, 0
        for step in [*steps, *["take"] * (capacity + 1)]:
            if step != "take":
                for _ in range(step):
                    subscription.offer(str(offered))
                    offered += 1
                assert len(subscription) <= capacity
            elif len(subscription):
                taken = await subscription.take()
                if isinstance(taken, Overflow):
                    accounted += taken.dropped
                else:
                    assert taken == str(accounted)
                    accounted += 1
        assert accounted == offered

    asyncio.run(story())


async def test_taking_waits_for_the_next_message():
    subscription = Subscription(ALL)
    taking = asyncio.create_task(subscription.take())
    await asyncio.sleep(0)
    assert not taking.done()

    subscription.offer("news")

    assert await taking == "news"


async def test_a_take_that_is_cancelled_loses_nothing():
    subscription = Subscription(ALL)
    taking = asyncio.create_task(subscription.take())
    await asyncio.sleep(0)
    subscription.offer("news")
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)

    assert await subscription.take() == "news" if taking.cancelled() else taking.result() == "news"


async def test_stopping_lets_the_backlog_be_taken_first():
    feed = Feed()
    subscription = feed.subscribe(ALL)
    ToldCall(feed).tell(started())

    feed.stop()

    assert isinstance(await subscription.take(), str)
    assert await subscription.take() is None


async def test_publishing_without_listeners_encodes_nothing_and_remembers_where_calls_are():
    feed = Feed()
    call = ToldCall(feed)

    call.tell(started(), said(0, "a"))
    assert feed.last_seq([call.id, "unseen"]) == {call.id: 1, "unseen": -1}

    call.tell(ended())
    assert feed.last_seq([call.id]) == {call.id: -1}


def test_calls_whose_end_was_never_heard_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr("signaling.web.feed.MOST_CALLS", 2)
    feed = Feed()
    calls = [ToldCall(feed) for _ in range(3)]
    for call in calls:
        call.tell(started())

    assert list(feed.last_seq([call.id for call in calls]).values()) == [-1, 0, 0]


async def test_who_asked_for_the_handoffs_hears_of_the_desk_and_nobody_else() -> None:
    feed = Feed()
    desk, calls = feed.subscribe(parse_topics("handoffs")), feed.subscribe(parse_topics("calls"))
    event = PresenceChanged(operator="sato", name="佐藤", presence="available")
    feed.publish_desk(desk_envelope(event, tenant="default", at=datetime.now(UTC)))
    message = await desk.take()
    assert isinstance(message, str)
    assert msgspec.json.decode(message)["type"] == "presence.changed"
    assert len(calls) == 0
