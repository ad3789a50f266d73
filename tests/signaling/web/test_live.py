"""The live feed over a real WebSocket: snapshot, order, replay, slow clients, and its end."""

import asyncio

import pytest
from aiohttp import ClientWSTimeout, WSMsgType, WSServerHandshakeError

from signaling.web import live
from storage.events import DtmfReceived
from tests.fakes.call_desk import RECORD_IS_DOWN
from tests.fakes.call_story import ended, said, started, whole_call


def feed_of(house, **query):
    """A client that is read from no longer must not make its test wait for a polite goodbye."""
    return house.client.ws_connect(
        "/v1/events",
        headers=house.bearer("operator"),
        params=query,
        timeout=ClientWSTimeout(ws_close=0.2),
    )


async def receive(socket, count):
    async with asyncio.timeout(5):
        return [await socket.receive_json() for _ in range(count)]


async def test_first_comes_what_is_the_case_and_then_what_happens(house):
    call = house.desk.running_call()
    call.tell(started(), said(0, "Hello"))

    async with feed_of(house) as socket:
        (snapshot,) = await receive(socket, 1)
        call.tell(said(1, "Hi"))
        (event,) = await receive(socket, 1)

    assert snapshot["type"] == "snapshot"
    assert [view["id"] for view in snapshot["data"]["calls"]] == [call.id]
    assert snapshot["data"]["last_seq"] == {call.id: 1}
    assert event == {
        "v": 1, "id": f"{call.id}:2", "tenant": "default", "call_id": call.id, "seq": 2,
        "at": event["at"], "type": "transcript.final", "data": event["data"],
    }  # fmt: skip
    assert event["data"]["text"] == "Hi"


async def test_a_call_waiting_for_a_person_is_among_the_handoffs(house):
    call = house.desk.running_call()
    call.tell(*whole_call()[:-1])

    async with feed_of(house, topics="handoffs") as socket:
        (snapshot,) = await receive(socket, 1)
        call.tell(said(5, "not a matter of handoffs"), ended())
        house.desk.running_call().tell(*whole_call()[:-1])
        (event,) = await receive(socket, 1)

    assert snapshot["data"]["calls"] == []
    (handoff,) = snapshot["data"]["handoffs"]
    assert (handoff["call_id"], handoff["state"]) == (call.id, "requested")
    assert event["type"] == "handoff.requested"


async def test_who_asks_for_one_call_hears_no_other(house):
    call, other = house.desk.running_call(), house.desk.running_call()

    async with feed_of(house, topics=f"call:{call.id}") as socket:
        await receive(socket, 1)
        other.tell(started())
        call.tell(started())
        (event,) = await receive(socket, 1)

    assert event["call_id"] == call.id


async def test_since_replays_what_was_missed_and_goes_on_without_a_gap(house):
    call = house.desk.running_call()
    call.tell(started(), said(0, "a"), said(1, "b"))

    async with feed_of(house, topics=f"call:{call.id}", since="0") as socket:
        snapshot, *replay = await receive(socket, 3)
        call.tell(said(2, "c"))
        (event,) = await receive(socket, 1)

    assert snapshot["data"]["last_seq"] == {call.id: 2}
    assert [message["seq"] for message in [*replay, event]] == [1, 2, 3]


async def test_since_minus_one_replays_a_call_that_is_over_from_the_record(house):
    call = house.archive.file(*whole_call())

    async with feed_of(house, topics=f"call:{call.id}", since="-1") as socket:
        snapshot, *replay = await receive(socket, 1 + len(call.after(-1)))

    assert snapshot["data"]["calls"][0]["state"] == "ended"
    assert snapshot["data"]["last_seq"] == {call.id: replay[-1]["seq"]}
    assert [message["seq"] for message in replay] == list(range(len(replay)))


async def test_a_record_that_is_down_leaves_past_calls_out_and_the_feed_works(house):
    house.archive.down = RECORD_IS_DOWN
    running = house.desk.running_call()

    async with feed_of(house, topics=f"calls,call:{'0' * 8}-0000-7000-8000-{'0' * 12}") as socket:
        (snapshot,) = await receive(socket, 1)
        running.tell(started())
        (event,) = await receive(socket, 1)

    assert [view["id"] for view in snapshot["data"]["calls"]] == [running.id]
    assert event["type"] == "call.started"


ONE = "call:01990000-0000-7000-8000-000000000000"
TWO = "call:01990000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    "query",
    [
        {"topics": "calls", "since": "3"},
        {"since": "3"},
        {"topics": f"{ONE},{TWO}", "since": "3"},
        {"topics": f"calls,{ONE}", "since": "3"},
        {"topics": f"handoffs,{ONE}", "since": "3"},
        {"topics": ONE, "since": "x"},
        {"topics": ONE, "since": "-2"},
        {"topics": "weather"},
        {"topics": ""},
        {"topics": "call:abc"},
        {"topics": ",".join(f"call:01990000-0000-7000-8000-{n:012}" for n in range(33))},
    ],
)
async def test_topics_and_since_that_make_no_sense_are_400(house, query):
    with pytest.raises(WSServerHandshakeError) as refused:
        await feed_of(house, **query)

    assert refused.value.status == 400


@pytest.mark.parametrize("query", [{"topics": ONE, "since": "3"}, {"topics": f"{ONE},{ONE}", "since": "-1"}])
async def test_since_goes_with_exactly_one_call(house, query):
    async with feed_of(house, **query) as socket:
        assert (await receive(socket, 1))[0]["type"] == "snapshot"


async def test_a_plain_get_is_told_that_this_is_a_websocket(house):
    response = await house.client.get("/v1/events", headers=house.bearer())

    assert response.status == 400
    assert response.content_type == "application/problem+json"


async def test_a_client_that_reads_too_slowly_learns_how_much_it_missed(house):
    call = house.desk.running_call()
    async with feed_of(house) as socket:
        await receive(socket, 1)
        # Nothing is sent between these: the writer gets its turn only when the test waits.
        call.tell(*[DtmfReceived(digit="1", duration_ms=100) for _ in range(300)])
        messages = await receive(socket, 257)

    kinds = [message["type"] for message in messages]
    assert kinds.count("resync") == 1
    assert messages[0] == {"type": "resync", "data": {"dropped": 44}}
    assert [message["seq"] for message in messages[1:]] == list(range(44, 300))


async def test_a_client_that_takes_nothing_is_cut_off_and_nobody_else_notices(house, monkeypatch):
    monkeypatch.setattr(live, "SEND_DEADLINE_S", 0.3)
    call = house.desk.running_call()
    call.tell(started())
    async with feed_of(house) as stuck, feed_of(house) as good:
        await receive(good, 1)
        await receive(stuck, 1)
        assert house.feed.subscribers == 2
        stuck._response.connection.transport.pause_reading()
        big = "x" * 20_000
        seen = 0
        async with asyncio.timeout(20):
            while house.feed.subscribers == 2:
                call.tell(*[said(n, big) for n in range(20)])
                seen += len(await receive(good, 20))

        call.tell(said(1, "still here"))
        (event,) = await receive(good, 1)

    assert event["data"]["text"] == "still here"
    assert seen >= 20


async def test_leaving_ends_the_subscription(house):
    async with feed_of(house) as socket:
        await receive(socket, 1)
        assert house.feed.subscribers == 1

    async with asyncio.timeout(5):
        while house.feed.subscribers:  # noqa: ASYNC110 - the feed tells nobody who leaves
            await asyncio.sleep(0)


async def test_when_the_server_stops_a_client_gets_the_last_events_and_a_close(house):
    call = house.desk.running_call()
    async with feed_of(house) as socket:
        await receive(socket, 1)
        call.tell(started(), ended())
        house.feed.stop()
        last = await receive(socket, 2)
        async with asyncio.timeout(5):
            closing = await socket.receive()

    assert last[-1]["type"] == "call.ended"
    assert closing.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    assert socket.close_code == 1001


async def test_the_feed_ends_with_the_credentials_that_opened_it(house):
    credentials = house.bearer("operator", lasts_s=60)
    house.clock.at += 60  # within the minute of leeway, so admitted; the life of the feed is the token's own

    async with house.client.ws_connect("/v1/events", headers=credentials) as socket:
        async with asyncio.timeout(5):
            while (await socket.receive()).type is WSMsgType.TEXT:
                pass

    assert socket.close_code == live.CREDENTIALS_EXPIRED


async def test_a_client_that_talks_too_much_is_closed(house):
    async with feed_of(house) as socket:
        await receive(socket, 1)
        await socket.send_str("x" * (live.LARGEST_INCOMING + 1))
        async with asyncio.timeout(5):
            while (await socket.receive()).type is WSMsgType.TEXT:
                pass

    assert socket.close_code == 1009
