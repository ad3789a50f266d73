"""Interruption and truncation, cancelling, responses out of band."""

import base64
from collections.abc import AsyncIterator

import pytest

from realtime.simulator import tone
from realtime.simulator.script import AT_ONCE, Asked, Pace, Reply, Script
from realtime.simulator.server import Simulator
from tests.fakes.realtime_caller import calling, types

SPEECH = tone.sweep(300).tobytes()
SLOW = Script(says=[Reply(text="one two three four", audio_ms=20_000)], pace=Pace(burst_ms=400, speed=1))


@pytest.fixture
async def slow() -> AsyncIterator[Simulator]:
    """A simulator that speaks in real time: a response lasts until it is cut."""
    async with Simulator(mind=SLOW) as simulator:
        yield simulator


async def test_speech_cancels_the_running_response_and_closes_its_parts(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        await caller.send("response.create")
        await caller.next("response.output_audio.delta")
        await caller.audio(SPEECH)
        await caller.next("input_audio_buffer.speech_started")
        events = await caller.until("response.done")

    assert types(events) == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = events[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"


async def test_without_interrupt_response_the_answer_goes_on(slow: Simulator) -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    async with calling(slow.url) as caller:
        await caller.update(audio={"input": {"turn_detection": detection}})
        await caller.send("response.create")
        await caller.next("response.output_audio.delta")
        await caller.audio(SPEECH + bytes(48 * 600))
        error = await caller.next("error", "response.done")
        await caller.next("response.output_audio.delta")

    assert error["error"]["code"] == "conversation_already_has_active_response"


async def test_a_client_cancels(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        await caller.send("response.create")
        created = await caller.next("response.created")
        await caller.send("response.cancel", response_id=created["response"]["id"])
        done = await caller.next("response.done")

    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_a_cancelled_response_makes_room_for_the_next(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        await caller.send("response.create")
        await caller.next("response.created")
        await caller.send("response.cancel")
        await caller.send("response.create")
        await caller.next("response.done")

        await caller.next("response.output_audio.delta")


async def test_a_truncated_message_loses_its_rest_and_its_words() -> None:
    heard: list[Asked] = []

    def listen(asked: Asked) -> Reply:
        heard.append(asked)
        return Reply(text="next", audio_ms=20)

    script = Script(says=[Reply(text="a b c d e", audio_ms=1000), listen], pace=AT_ONCE)
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create")
        item_id = (await caller.next("response.done"))["response"]["output"][0]["id"]
        cut = {"item_id": item_id, "content_index": 0, "audio_end_ms": 250}
        await caller.send("conversation.item.truncate", **cut)
        truncated = await caller.next("conversation.item.truncated")
        await caller.send("conversation.item.retrieve", item_id=item_id)
        retrieved = await caller.next("conversation.item.retrieved")
        [item] = simulator.sessions[0].items

    assert {name: truncated[name] for name in cut} == cut
    assert len(base64.b64decode(retrieved["item"]["content"][0]["audio"])) == 250 * 48
    assert (item.cut_at_ms, item.text) == (250, "")


async def test_no_more_can_be_truncated_than_was_sent(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        await caller.send("response.create")
        delta = await caller.next("response.output_audio.delta")
        at = {"item_id": delta["item_id"], "content_index": 0}
        await caller.send("conversation.item.truncate", event_id="t", audio_end_ms=19_000, **at)
        error = (await caller.next("error"))["error"]
        await caller.send("conversation.item.truncate", audio_end_ms=200, **at)
        await caller.next("conversation.item.truncated")

    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio_end_ms", "t")
    assert error["message"].endswith("ms is already shorter than 19000ms")


async def test_only_a_message_of_the_assistant_can_be_truncated(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        item = {
            "id": "msg_1",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}],
        }
        await caller.send("conversation.item.create", item=item)
        for item_id, code in (("msg_1", "invalid_value"), ("msg_2", "item_truncate_invalid_item_id")):
            await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
            assert (await caller.next("error"))["error"]["code"] == code


async def test_a_response_out_of_band_runs_beside_and_leaves_no_item(slow: Simulator) -> None:
    async with calling(slow.url) as caller:
        await caller.send("response.create")
        await caller.next("response.output_audio.delta")
        overrides = {
            "conversation": "none",
            "output_modalities": ["text"],
            "metadata": {"purpose": "summary"},
            "input": [],
            "tools": [],
            "instructions": "Summarize.",
        }
        await caller.send("response.create", response=overrides)
        await caller.audio(SPEECH)
        events = await caller.until("response.done")
        events += await caller.until("response.done")
        session = slow.sessions[0]

    done = {e["response"]["conversation_id"]: e["response"] for e in events if e["type"] == "response.done"}
    aside = done.pop(None)
    assert (aside["status"], aside["metadata"]) == ("completed", {"purpose": "summary"})
    assert aside["output"][0]["content"][0]["type"] == "output_text"
    [other] = done.values()
    assert other["status"] == "cancelled"
    own = {item["id"] for item in aside["output"]}
    assert not own & {item.id for item in session.items}
    assert not [e for e in events if e["type"].startswith("conversation.item") and e["item"]["id"] in own]


async def test_input_of_a_response_replaces_the_conversation() -> None:
    def repeat(asked: Asked) -> Reply:
        return Reply(text=f"{asked.instructions} {asked.heard}", audio_ms=20)

    async with (
        Simulator(mind=Script(says=[repeat, repeat], pace=AT_ONCE)) as simulator,
        calling(simulator.url) as caller,
    ):
        await caller.update(instructions="Session.")
        for name in ("first", "second"):
            content = [{"type": "input_text", "text": name}]
            item = {"id": name, "type": "message", "role": "user", "content": content}
            await caller.send("conversation.item.create", item=item)
        await caller.send("response.create", response={"input": [{"type": "item_reference", "id": "first"}]})
        first = await caller.next("response.done")
        await caller.send("response.create", response={"instructions": "Mine."})
        second = await caller.next("response.done")

    said = [done["response"]["output"][0]["content"][0]["transcript"] for done in (first, second)]
    assert said == ["Session. first", "Mine. second"]


async def test_items_stand_where_the_client_puts_them(slow: Simulator) -> None:
    def message(name: str) -> dict[str, object]:
        return {
            "id": name,
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": name}],
        }

    async with calling(slow.url) as caller:
        await caller.send("conversation.item.create", item=message("b"))
        await caller.send("conversation.item.create", item=message("c"))
        await caller.send("conversation.item.create", item=message("a"), previous_item_id="root")
        await caller.send("conversation.item.create", item=message("bb"), previous_item_id="b")
        for _ in range(4):
            await caller.next("conversation.item.done")
        await caller.send("conversation.item.delete", item_id="c")
        await caller.next("conversation.item.deleted")
        last = caller.events[-2]

        assert [item.id for item in slow.sessions[0].items] == ["a", "b", "bb"]
        assert last["previous_item_id"] == "b"
        await caller.send("conversation.item.create", item=message("a"))
        assert (await caller.next("error"))["error"]["code"] == "invalid_value"
