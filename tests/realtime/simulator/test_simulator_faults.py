"""Connecting, and everything that goes wrong on order."""

import json

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.simulator import tone
from realtime.simulator.faults import ALL_FAULTS, Faults
from realtime.simulator.script import AT_ONCE, Failure, Reply, Script
from realtime.simulator.server import Simulator, serve
from tests.fakes.realtime_caller import calling

SPEECH = tone.sweep(300).tobytes() + bytes(48 * 700)
TRANSCRIBED = {"input": {"transcription": {"model": "gpt-transcribe"}}}


async def refusal(url: str, **headers: str) -> tuple[int, str]:
    """Status and error code of a connection that is refused."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{url}/realtime?model=m", additional_headers=headers, proxy=None)
    body = json.loads(refused.value.response.body or b"")
    return refused.value.response.status_code, body["error"]["code"]


async def test_a_wrong_key_is_401_with_openais_body() -> None:
    async with Simulator(mind=Script(), api_keys=frozenset({"right"})) as simulator:
        assert await refusal(simulator.url, Authorization="Bearer wrong") == (401, "invalid_api_key")
        assert await refusal(simulator.url) == (401, "missing_api_key")
        async with calling(simulator.url, key="right"):
            pass


async def test_the_beta_protocol_is_refused_after_the_upgrade(quick: Simulator) -> None:
    headers = {"Authorization": "Bearer x", "OpenAI-Beta": "realtime=v1"}
    async with connect(f"{quick.url}/realtime?model=m", additional_headers=headers, proxy=None) as socket:
        event = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()

    assert event["error"]["code"] == "beta_api_shape_disabled"
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 4000


@pytest.mark.parametrize(("kind", "status"), [("refuse_401", 401), ("refuse_429", 429), ("refuse_500", 500)])
async def test_a_connection_is_refused_on_order_once(quick: Simulator, kind: str, status: int) -> None:
    quick.faults.next(kind)  # type: ignore[arg-type]  # one of the three

    assert (await refusal(quick.url, Authorization="Bearer x"))[0] == status
    async with calling(quick.url):
        pass


async def test_the_socket_closes_with_1011_after_the_third_audio_delta(quick: Simulator) -> None:
    quick.faults.next("drop_1011", after="response.output_audio.delta", count=3)

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        assert await caller.closed() == 1011

    assert len([event for event in caller.events if event["type"] == "response.output_audio.delta"]) == 3
    assert quick.sessions[0].close_code == 1011


async def test_an_abort_ends_without_a_close_frame(quick: Simulator) -> None:
    quick.faults.next("abort", after="response.created")

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        assert await caller.closed() == 1006


async def test_an_expired_session_says_so_and_closes_with_1001(quick: Simulator) -> None:
    quick.faults.next("session_expired", after="response.done")

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        assert await caller.closed() == 1001

    error = caller.events[-1]["error"]
    assert error["code"] == "session_expired"


async def test_the_longest_duration_of_a_session_can_be_set() -> None:
    async with Simulator(mind=Script(), max_session_s=0.1) as simulator, calling(simulator.url) as caller:
        assert await caller.closed() == 1001

    assert caller.events[-1]["error"]["code"] == "session_expired"


async def test_a_failed_response_tells_the_rate_limit_and_the_next_is_well(quick: Simulator) -> None:
    quick.faults.next("rate_limit_failure")

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        failed = (await caller.next("response.done"))["response"]
        await caller.send("response.create")
        well = (await caller.next("response.done"))["response"]

    assert failed["status"] == "failed"
    assert failed["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"
    assert well["status"] == "completed"


async def test_a_script_can_fail_too() -> None:
    async with Simulator(mind=Script(says=[Failure()])) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create")
        done = await caller.next("response.done")

    assert done["response"]["status_details"]["error"]["code"] == "server_error"


async def test_two_items_come_in_one_response(quick: Simulator) -> None:
    quick.faults.next("two_items")

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        done = await caller.next("response.done")

    assert [item["phase"] for item in done["response"]["output"]] == ["commentary", "final_answer"]


async def test_the_first_audio_is_late(quick: Simulator) -> None:
    quick.faults.next("slow_first_audio", delay_ms=300)

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        await caller.next("response.created")
        with pytest.raises(AssertionError, match=r"no response\.output_audio\.delta"):
            await caller.next("response.output_audio.delta", timeout=0.15)
        await caller.next("response.output_audio.delta")


async def test_a_transcription_fails(quick: Simulator) -> None:
    quick.faults.next("transcription_failed")

    async with calling(quick.url) as caller:
        await caller.update(audio=TRANSCRIBED)
        await caller.audio(SPEECH)
        failed = await caller.next("conversation.item.input_audio_transcription.failed")

    assert failed["error"]["code"] == "audio_unintelligible"


async def test_a_transcription_is_late(quick: Simulator) -> None:
    quick.faults.next("transcription_late", delay_ms=200)

    async with calling(quick.url) as caller:
        await caller.update(audio=TRANSCRIBED)
        await caller.audio(SPEECH)
        await caller.next("response.done")
        assert not [event for event in caller.events if "transcription" in event["type"]]
        await caller.next("conversation.item.input_audio_transcription.completed")


async def test_malformed_and_unknown_and_huge_events_are_sent_on_order(quick: Simulator) -> None:
    quick.faults.next("malformed_json", after="response.created")
    quick.faults.next("unknown_event", after="response.created")
    quick.faults.next("huge_event", after="response.created", bytes=2_000_000)
    frames: list[str] = []

    async with calling(quick.url) as caller:
        for _ in range(3):
            await caller.send("response.create")
            while True:
                frame = str(await caller.socket.recv())
                if '"response.done"' in frame:
                    break
                frames.append(frame)

    assert [frame for frame in frames if frame.startswith('{"type":"simulator.unheard_of"')]
    assert [frame for frame in frames if len(frame) > 2_000_000]
    with pytest.raises(json.JSONDecodeError):
        [json.loads(frame) for frame in frames]


async def test_a_response_is_never_answered(quick: Simulator) -> None:
    quick.faults.next("never_answer")

    async with calling(quick.url) as caller:
        await caller.send("response.create")
        session = await quick.session()
        await session.client_event("response.create")
        await caller.update(instructions="still here")
        assert not [event for event in caller.events if event["type"] == "response.created"]
        await caller.send("response.create")
        await caller.next("response.created")


async def test_no_session_created_comes_on_order(quick: Simulator) -> None:
    quick.faults.next("no_session_created")
    headers = {"Authorization": "Bearer x"}

    async with connect(f"{quick.url}/realtime?model=m", additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps({"type": "response.cancel"}))

        assert json.loads(await socket.recv())["type"] == "error"


async def test_a_close_frame_is_not_answered_on_order(quick: Simulator) -> None:
    quick.faults.next("silent_close")

    async with calling(quick.url) as caller:
        await caller.update(instructions="x")
        caller.socket.close_timeout = 0.2
        await caller.socket.close()

    assert caller.socket.close_code == 1006
    assert await quick.sessions[0].ended() == 1000


async def test_a_stalled_socket_sends_nothing_more(quick: Simulator) -> None:
    quick.faults.next("stall", after="session.updated")

    async with calling(quick.url) as caller:
        await caller.update(instructions="x")
        await caller.send("response.create")
        await (await quick.session()).client_event("response.create")
        with pytest.raises(AssertionError):
            await caller.next(timeout=0.1)


def test_an_order_that_makes_no_sense_is_refused() -> None:
    faults = Faults()

    with pytest.raises(ValueError, match="choose one of"):
        faults.next("explode")  # type: ignore[arg-type]  # the point
    with pytest.raises(ValueError, match="its own place"):
        faults.next("refuse_401", after="response.done")
    with pytest.raises(ValueError, match="start at 1"):
        faults.next("abort", count=0)


def test_orders_are_carried_out_in_turn_and_as_often_as_asked() -> None:
    faults = Faults()
    faults.next("server_error", times=2)
    faults.next("two_items")

    taken = [fault.kind if (fault := faults.take(ALL_FAULTS)) else None for _ in range(4)]

    assert taken == ["server_error", "server_error", "two_items", None]


async def test_faults_are_ordered_over_http_from_this_machine(quick: Simulator) -> None:
    control = quick.url.replace("ws:", "http:").removesuffix("/v1") + "/_simulator/faults"
    async with aiohttp.ClientSession() as http:
        async with http.post(control, json={"kind": "explode"}) as response:
            assert response.status == 400
        async with http.post(control, json={"kind": "drop_1011", "after": "session.created"}) as response:
            assert [fault["kind"] for fault in (await response.json())["waiting"]] == ["drop_1011"]
        async with calling(quick.url) as caller:
            assert await caller.closed() == 1011
        async with http.post(control, json={"kind": "abort"}) as response:
            assert response.status == 200
        async with http.delete(control) as response:
            assert (await response.json())["waiting"] == []


async def test_sessions_are_independent_and_each_starts_the_script_anew() -> None:
    script = Script(says=[Reply(text="first", audio_ms=20), Reply(text="second", audio_ms=20)], pace=AT_ONCE)
    async with (
        Simulator(mind=script) as simulator,
        calling(simulator.url) as one,
        calling(simulator.url) as two,
    ):
        for caller in (one, two, one):
            await caller.send("response.create")
            await caller.next("response.done")

    said = [
        [
            e["response"]["output"][0]["content"][0]["transcript"]
            for e in c.events
            if e["type"] == "response.done"
        ]
        for c in (one, two)
    ]
    assert said == [["first", "second"], ["first"]]


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(quick: Simulator) -> None:
    port = int(quick.url.removesuffix("/v1").rpartition(":")[2])

    with pytest.raises(OSError, match="address already in use"):
        await serve("127.0.0.1", port, mind=Script())


async def test_the_end_of_the_simulator_closes_its_sessions_with_1001() -> None:
    async with Simulator(mind=Script()) as simulator:
        context = calling(simulator.url)
        caller = await context.__aenter__()
        await caller.update(instructions="x")

    assert await caller.closed() == 1001
    await context.__aexit__(None, None, None)
