"""A turn on the wire: the order of events and their fields."""

import base64
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.simulator import client_messages, tone
from realtime.simulator.audio_formats import decode, encode
from realtime.simulator.script import AT_ONCE, Asked, FunctionCall, Pace, Reply, Script, Silence, Together
from realtime.simulator.server import Simulator
from realtime.simulator.session_config import UPDATE
from tests.fakes.realtime_caller import Caller, calling, types

EXAMPLES = Path(__file__).parent / "openai_examples"
SPEECH = tone.sweep(600).tobytes()
SILENCE = bytes(48 * 800)
TRANSCRIBED = {"input": {"transcription": {"model": "gpt-transcribe"}}}


async def test_the_events_of_a_spoken_turn_come_in_the_documented_order(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.audio(SPEECH + SILENCE)
        turn = await caller.until("rate_limits.updated")

    assert types(turn) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    started, stopped, committed, added = turn[:4]
    assert started["item_id"] == stopped["item_id"] == committed["item_id"] == added["item"]["id"]
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert turn[7]["previous_item_id"] == committed["item_id"]


async def test_the_audio_and_the_transcript_of_a_reply_are_complete(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.send("response.create")
        events = await caller.until("response.done")

    audio = b"".join(
        base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta"
    )
    words = "".join(e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta")
    assert audio == tone.sweep(500).tobytes()
    assert words == "Good morning, how can I help?"
    [item] = events[-1]["response"]["output"]
    assert item["content"] == [{"type": "output_audio", "transcript": words}]


async def test_parallel_function_calls_are_items_of_one_response(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.send("response.create")
        await caller.next("response.done")
        await caller.send("response.create")
        events = await caller.until("response.done")

    done = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [(event["name"], json.loads(event["arguments"]), event["output_index"]) for event in done] == [
        ("schedule_appointment", {"name": "Ann"}, 0),
        ("end_call", {}, 1),
    ]
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["function_call", "function_call"]
    assert [item["call_id"] for item in output] == [event["call_id"] for event in done]


async def test_the_output_of_a_function_reaches_the_next_answer() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(text=f"It says {asked.last_output}.", audio_ms=100)

    script = Script(says=[FunctionCall("look_up", {"x": 1}), answer], pace=AT_ONCE)
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create")
        done = await caller.next("response.done")
        call_id = done["response"]["output"][0]["call_id"]
        output = {"type": "function_call_output", "call_id": call_id, "output": "42"}
        await caller.send("conversation.item.create", item=output)
        assert types(await caller.until("conversation.item.done"))[-2:] == [
            "conversation.item.added",
            "conversation.item.done",
        ]
        await caller.send("response.create")
        done = await caller.next("response.done")

    assert done["response"]["output"][0]["content"][0]["transcript"] == "It says 42."


async def test_commentary_and_final_answer_are_two_items_with_their_phases() -> None:
    both = Together(
        Reply(text="Let me see.", audio_ms=100, phase="commentary"),
        Reply(text="It is free.", audio_ms=100, phase="final_answer"),
    )
    async with (
        Simulator(mind=Script(says=[both], pace=AT_ONCE)) as simulator,
        calling(simulator.url) as caller,
    ):
        await caller.send("response.create")
        events = await caller.until("response.done")

    assert [item["phase"] for item in events[-1]["response"]["output"]] == ["commentary", "final_answer"]
    parts = {(e["item_id"], e["output_index"]) for e in events if e["type"] == "response.output_audio.delta"}
    assert len(parts) == 2


async def test_transcription_is_off_until_it_is_asked_for(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.audio(SPEECH + SILENCE)
        await caller.next("rate_limits.updated")
        await caller.update(audio=TRANSCRIBED)
        await caller.audio(SPEECH + SILENCE)
        committed = await caller.next("input_audio_buffer.committed")
        completed = await caller.next("conversation.item.input_audio_transcription.completed")

    told = [event["type"] for event in caller.events if "transcription" in event["type"]]
    assert told == [
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert completed["item_id"] == committed["item_id"]


async def test_speech_is_reported_within_100_ms_of_its_first_sound(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.audio(bytes(48 * 500))
        await caller.audio(SPEECH[: 48 * 100], chunk_ms=20)
        started = await caller.next("input_audio_buffer.speech_started")

    assert started["audio_start_ms"] == pytest.approx(500 - 300, abs=32)


async def test_a_manual_turn_is_committed_and_answered_on_request(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(audio={"input": {"turn_detection": None}})
        await caller.audio(SPEECH)
        await caller.send("input_audio_buffer.commit")
        await caller.send("response.create")
        events = await caller.until("response.done")

    assert "input_audio_buffer.speech_started" not in types(events)
    assert types(events)[:4] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


async def test_without_create_response_a_turn_is_only_committed(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(
            audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}
        )
        await caller.audio(SPEECH + SILENCE)
        await caller.next("conversation.item.done")
        await caller.send("conversation.item.delete", item_id="nothing")

        assert (await caller.next())["type"] == "error"


async def test_an_idle_caller_is_spoken_to_after_the_reply_has_played(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(
            audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}}
        )
        await caller.send("response.create")
        await caller.next("response.done")
        await caller.audio(bytes(48 * 5400), chunk_ms=200)
        assert not [e for e in caller.events if e["type"] == "input_audio_buffer.timeout_triggered"]
        await caller.audio(bytes(48 * 200))
        events = await caller.until("response.created")

    assert [kind for kind in types(events) if kind != "rate_limits.updated"] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


@pytest.mark.parametrize("eagerness", ["low", "high"])
async def test_semantic_vad_waits_for_an_unfinished_sentence(eagerness: str) -> None:
    script = Script(hears=["I would like..."], pace=AT_ONCE)
    longest = {"low": 8000, "high": 2000}[eagerness]
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.update(
            audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}}
        )
        await caller.audio(SPEECH + bytes(48 * (longest + 100)))
        stopped = await caller.next("input_audio_buffer.speech_stopped")

    assert stopped["audio_end_ms"] == pytest.approx(600 + longest, abs=64)


async def test_semantic_vad_answers_a_finished_sentence_soon(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
        await caller.audio(SPEECH + bytes(48 * 400))
        session = await quick.session()
        await session.client_event("input_audio_buffer.append", count=10)
        await caller.audio(bytes(48 * 400), chunk_ms=20)
        stopped = await caller.next("input_audio_buffer.speech_stopped")

    assert stopped["audio_end_ms"] < 600 + 900


@pytest.mark.parametrize("wire_format", ["audio/pcmu", "audio/pcma"])
async def test_telephone_formats_are_heard_and_spoken_at_8_khz(quick: Simulator, wire_format: str) -> None:
    telephone = {"format": {"type": wire_format}}
    async with calling(quick.url) as caller:
        await caller.update(audio={"input": telephone, "output": telephone})
        data = encode(np.frombuffer(SPEECH + SILENCE, dtype=np.int16), wire_format)
        await caller.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())
        events = await caller.until("response.done")

    audio = b"".join(
        base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta"
    )
    assert len(audio) == 500 * 8
    middle = decode(audio, wire_format)[300 * 8 : 320 * 8]
    assert tone.position_ms(middle, 8000) == pytest.approx(310, abs=5)


async def test_silence_in_a_reply_is_silent_audio_without_words() -> None:
    async with (
        Simulator(mind=Script(says=[Silence(audio_ms=60)], pace=AT_ONCE)) as simulator,
        calling(simulator.url) as caller,
    ):
        await caller.send("response.create")
        events = await caller.until("response.done")

    audio = b"".join(
        base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta"
    )
    assert audio == bytes(60 * 48)


async def test_a_text_reply_has_no_audio(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(output_modalities=["text"])
        await caller.send("response.create")
        events = await caller.until("response.done")

    assert types(events)[:-1] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    [item] = events[-1]["response"]["output"]
    assert item["content"] == [{"type": "output_text", "text": "Good morning, how can I help?"}]


async def test_audio_leaves_in_a_burst_and_then_at_the_set_pace() -> None:
    script = Script(says=[Reply(text="a b c", audio_ms=1000)], pace=Pace(burst_ms=400, speed=5, chunk_ms=200))
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create")
        arrivals = []
        while (await caller.next("response.output_audio.delta", "response.output_audio.done"))[
            "type"
        ].endswith("delta"):
            arrivals.append(time.monotonic())

    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert gaps[0] < 0.03
    assert gaps[1] < 0.03
    assert sum(gaps) == pytest.approx(0.08, abs=0.06)


async def test_out_of_tokens_is_incomplete() -> None:
    script = Script(says=[Reply(text="one two three four five", audio_ms=2000)], pace=AT_ONCE)
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create", response={"max_output_tokens": 20})
        done = await caller.next("response.done")

    response = done["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] <= 20
    assert response["output"][0]["status"] == "incomplete"


async def test_usage_counts_audio_as_documented_and_caches_the_prefix(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(instructions="x" * 400)
        await caller.audio(SPEECH + SILENCE)
        first = (await caller.next("response.done"))["response"]["usage"]
        await caller.send("response.create")
        second = (await caller.next("response.done"))["response"]["usage"]

    assert first["output_token_details"]["audio_tokens"] == 500 // 50
    assert first["input_token_details"]["text_tokens"] == 100
    assert first["input_token_details"]["audio_tokens"] == pytest.approx(11, abs=1)
    assert first["input_token_details"]["cached_tokens"] == 0
    cached = second["input_token_details"]
    assert cached["cached_tokens"] == first["input_tokens"]
    assert cached["audio_tokens"] == first["input_token_details"]["audio_tokens"] + 10
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]


async def test_every_event_has_an_id_of_its_own(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.audio(SPEECH + SILENCE)
        await caller.next("rate_limits.updated")

    ids = [event["event_id"] for event in caller.events]
    assert len(set(ids)) == len(ids)


# What the published examples show in another form than the service was captured with, or only sometimes.
_NOT_ON_THE_WIRE = {"object", "logprobs"}
# The example still has the beta's shape: type "audio", format "pcm16".
_BETA_ONLY = {".item.content[].format"}


async def test_events_have_all_fields_of_openais_published_examples(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await _everything(caller)

    ours: dict[str, set[str]] = {}
    for event in caller.events:
        ours.setdefault(event["type"], set()).update(_fields(event))
    for path in sorted(EXAMPLES.glob("server.*.json")):
        example = json.loads(path.read_text())
        kind = example["type"]
        if kind in (
            "conversation.item.input_audio_transcription.failed",
            "input_audio_buffer.timeout_triggered",
        ):
            continue  # in tests of their own
        assert kind in ours, f"the simulator never sends {kind}"
        assert _fields(example) - ours[kind] - _BETA_ONLY == set(), kind


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("client.*.json")), ids=lambda path: path.stem)
def test_openais_own_client_events_are_accepted(path: Path) -> None:
    example = json.loads(path.read_text())

    assert client_messages.check(example) == example["type"]
    if "session" in example:
        UPDATE(example["session"], "session")


async def _everything(caller: Caller) -> None:
    """One of each event that goes well, and one error."""
    tools = json.loads((EXAMPLES / "server.session.updated.json").read_text())["session"]["tools"]
    await caller.update(audio=TRANSCRIBED, tools=tools)
    await caller.audio(SPEECH + SILENCE)
    await caller.next("conversation.item.input_audio_transcription.completed")
    done = next((e for e in caller.events if e["type"] == "response.done"), None) or await caller.next(
        "response.done"
    )
    item_id = done["response"]["output"][0]["id"]
    await caller.send("conversation.item.retrieve", item_id=item_id)
    await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    await caller.send("conversation.item.delete", item_id=item_id)
    await caller.send("input_audio_buffer.clear")
    await caller.next("input_audio_buffer.cleared")
    await caller.send("response.create")
    await caller.next("response.done")
    text = {"output_modalities": ["text"], "conversation": "none"}
    await caller.send("response.create", response=text)
    await caller.next("response.done")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    await caller.send("conversation.item.create", item=item)
    await caller.send("response.cancel")
    await caller.next("error")


def _fields(value: Any, path: str = "") -> set[str]:
    """The paths of all fields of an object, arrays as one."""
    if isinstance(value, dict):
        inner = {f"{path}.{name}" for name in value if name not in _NOT_ON_THE_WIRE}
        return inner.union(
            *(_fields(v, f"{path}.{n}") for n, v in value.items() if n not in _NOT_ON_THE_WIRE)
        )
    if isinstance(value, list):
        return set[str]().union(*(_fields(element, f"{path}[]") for element in value))
    return set()
