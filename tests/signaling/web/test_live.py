"""The live feed over a real WebSocket: snapshot, order, replay, slow clients, other servers, and its end."""

import asyncio
import socket as sockets
from datetime import UTC, datetime

import pytest
from aiohttp import ClientWSTimeout, WSMsgType, WSServerHandshakeError

from signaling.other_calls import OtherCalls
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


class Stuck:
    """A client that has shaken hands and never reads again: a real socket, whose buffers fill up."""

    def __init__(self, house) -> None:
        self._socket = sockets.socket()
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self._socket.setblocking(False)
        self._house = house

    async def connect(self) -> None:
        loop, server = asyncio.get_running_loop(), self._house.client.server
        await loop.sock_connect(self._socket, (server.host, server.port))
        request = (
            f"GET /v1/events HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: {self._house.bearer('operator')['Authorization']}\r\n\r\n"
        )
        await loop.sock_sendall(self._socket, request.encode())
        assert (await loop.sock_recv(self._socket, 12)).endswith(b"101")

    def close(self) -> None:
        self._socket.close()


async def test_one_that_never_reads_costs_twenty_others_not_a_single_event(house, monkeypatch):
    """Counted, not timed: all twenty have every event while the stuck one is still there, and after it was cut."""
    monkeypatch.setattr(live, "SEND_DEADLINE_S", 1.0)
    call = house.desk.running_call()
    call.tell(started())
    stuck = Stuck(house)
    others = [await feed_of(house) for _ in range(20)]
    await stuck.connect()
    for other in others:
        await receive(other, 1)
    assert house.feed.subscribers == 21

    big, rounds, seen_beside_it = "x" * 20_000, 0, 0
    async with asyncio.timeout(30):
        while house.feed.subscribers == 21:
            call.tell(*[said(n, big) for n in range(20)])
            got = [await receive(other, 20) for other in others]
            last = call.events[-1].seq
            assert all([each["seq"] for each in seen] == list(range(last - 19, last + 1)) for seen in got)
            rounds += 1
            seen_beside_it += house.feed.subscribers == 21
    call.tell(said(0, "after it was cut"))
    got = [await receive(other, 1) for other in others]

    assert [seen[0]["data"]["text"] for seen in got] == ["after it was cut"] * 20
    assert seen_beside_it >= 10, f"{rounds} rounds: too few to say anything"
    stuck.close()
    for other in others:
        await other.close()


class Elsewhere:
    """Implements OtherNodes: what another server's calls tell."""

    def __init__(self) -> None:
        self.calls = OtherCalls()
        self.live_calls = self.calls.running
        self.live_call = self.calls.view
        self.last_seq = self.calls.last_seq
        self.events_after = self.calls.events_after

    def hear(self, house, *events) -> None:
        for event in events:
            if self.calls.hear(event, datetime.now(UTC)):
                house.feed.publish(event)


@pytest.fixture
async def elsewhere(build):
    others = Elsewhere()
    house = await build(others=others)
    return others, house


async def test_calls_of_other_servers_are_in_the_snapshot_and_in_what_follows(elsewhere):
    others, house = elsewhere
    theirs = house.archive.file(*whole_call())
    house.archive.calls.clear()
    others.hear(house, *theirs.events[:3])
    ours = house.desk.running_call()
    ours.tell(started())

    async with feed_of(house) as socket:
        (snapshot,) = await receive(socket, 1)
        others.hear(house, theirs.events[2], theirs.events[4])
        (event,) = await receive(socket, 1)

    assert {view["id"] for view in snapshot["data"]["calls"]} == {ours.id, theirs.id}
    assert snapshot["data"]["last_seq"] == {ours.id: 0, theirs.id: 2}
    assert (event["call_id"], event["seq"]) == (theirs.id, theirs.events[4].seq), (
        "and the one it knew not again"
    )


async def test_since_for_a_call_of_another_server_joins_record_and_what_was_heard(elsewhere):
    others, house = elsewhere
    theirs = house.archive.file(*whole_call())
    numbered = theirs.after(-1)
    others.calls.found(theirs.projection.view, 3, datetime.now(UTC))
    theirs.events = numbered[:5]  # the record is behind
    others.hear(house, *numbered[4:7])

    async with feed_of(house, topics=f"call:{theirs.id}", since="1") as socket:
        snapshot, *replay = await receive(socket, 1 + 5)
        others.hear(house, numbered[7])
        (event,) = await receive(socket, 1)

    assert snapshot["data"]["last_seq"] == {theirs.id: 6}
    assert [each["seq"] for each in [*replay, event]] == [2, 3, 4, 5, 6, 7]


async def test_after_redis_was_away_a_new_snapshot_comes_before_anything_else(elsewhere):
    others, house = elsewhere
    theirs = house.archive.file(*whole_call())
    numbered = theirs.after(-1)
    async with feed_of(house) as socket:
        (first,) = await receive(socket, 1)
        others.hear(house, numbered[0])
        others.calls.fill(theirs.id, numbered[1:4], datetime.now(UTC))  # missed, then read from the record
        house.feed.renew()
        house.feed.renew()
        again, event = await receive(socket, 2)

    assert first["data"]["calls"] == []
    assert again["type"] == "snapshot"
    assert again["data"]["last_seq"] == {theirs.id: 3}
    assert event["seq"] == 0, "older than the snapshot, so the client leaves it alone"
