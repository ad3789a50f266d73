"""What the simulator refuses, and in which words: every client event is checked as the service does."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.simulator import client_messages, tone
from realtime.simulator.refusal import Refusal
from realtime.simulator.script import Pace, Reply, Script
from realtime.simulator.server import Simulator
from realtime.simulator.session_config import SessionConfig
from tests.fakes.realtime_caller import Caller, calling

Update = dict[str, Any]


async def refused(caller: Caller, kind: str, **fields: Any) -> dict[str, Any]:
    """Send an event that is refused; the `error` object, which names the event."""
    await caller.send(kind, event_id="mine", **fields)
    error: dict[str, Any] = (await caller.next("error"))["error"]
    assert error["event_id"] == "mine"
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "robot"}, "invalid_value", "session.type"),
        ({"type": "realtime", "colour": "red"}, "unknown_parameter", "session.colour"),
        ({"type": "realtime", "temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"type": "realtime", "instructions": 7}, "invalid_type", "session.instructions"),
        ({"type": "realtime", "model": "another"}, "invalid_value", "session.model"),
        (
            {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcm"}}}},
            "missing_required_parameter",
            "session.audio.output.format.rate",
        ),
        (
            {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "invalid_value",
            "session.audio.output.format.rate",
        ),
        (
            {"type": "realtime", "audio": {"output": {"format": {"type": "pcm16"}}}},
            "invalid_value",
            "session.audio.output.format.type",
        ),
        (
            {"type": "realtime", "audio": {"output": {"voice": "nobody"}}},
            "invalid_value",
            "session.audio.output.voice",
        ),
        (
            {"type": "realtime", "audio": {"output": {"speed": 3}}},
            "invalid_value",
            "session.audio.output.speed",
        ),
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}},
            },
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}},
            },
            "unknown_parameter",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"type": "realtime", "output_modalities": ["text", "audio"]},
            "invalid_value",
            "session.output_modalities",
        ),
        ({"type": "realtime", "max_output_tokens": 5000}, "invalid_value", "session.max_output_tokens"),
        (
            {"type": "realtime", "tools": [{"type": "function"}]},
            "missing_required_parameter",
            "session.tools[0].name",
        ),
        ({"type": "realtime", "tool_choice": "always"}, "invalid_value", "session.tool_choice"),
    ],
)
def test_a_session_update_that_is_not_in_order_is_refused_and_changes_nothing(
    session: Update, code: str, param: str
) -> None:
    config = SessionConfig(session_id="sess_1", model="gpt-realtime-2.1", expires_at=0)
    before = json.dumps(config.wire)

    with pytest.raises(Refusal) as refusal:
        config.update(session, voice_is_fixed=False)

    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert json.dumps(config.wire) == before


async def test_an_update_changes_only_what_it_names(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        first = await caller.update(
            audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}}
        )
        second = await caller.update(
            instructions="Be brief.",
            audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 300}}},
        )

    detection = second["session"]["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.7, 300)
    assert second["session"]["instructions"] == "Be brief."
    assert second["session"]["audio"]["output"] == first["session"]["audio"]["output"]


async def test_the_voice_cannot_change_after_it_was_heard(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(audio={"output": {"voice": "cedar"}})
        await caller.send("response.create")
        await caller.next("response.done")

        error = await refused(
            caller, "session.update", session={"type": "realtime", "audio": {"output": {"voice": "ash"}}}
        )

    assert error["code"] == "cannot_update_voice"


async def test_an_unknown_event_is_refused_with_the_list_of_known_ones(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        error = await refused(caller, "response.begin")

    assert (error["code"], error["param"]) == ("invalid_value", "type")
    assert "'response.create'" in error["message"]


async def test_what_is_not_json_is_refused_and_the_session_goes_on(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        for frame in ("{", "[]", '"text"', '{"event_id": "e"}'):
            await caller.socket.send(frame)
            assert (await caller.next("error"))["error"]["code"] == "invalid_event"
        await caller.update(instructions="still here")


@pytest.mark.parametrize("audio", ["not base64!", "AAA="])
async def test_an_append_that_is_not_audio_is_refused(quick: Simulator, audio: str) -> None:
    async with calling(quick.url) as caller:
        if audio == "AAA=":
            audio = "AAAA"  # three bytes: one sample and a half
        error = await refused(caller, "input_audio_buffer.append", audio=audio)

    assert (error["code"], error["param"]) == ("invalid_value", "audio")


async def test_a_commit_of_less_than_100_ms_is_refused(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(audio={"input": {"turn_detection": None}})
        await caller.audio(bytes(48 * 99))
        error = await refused(caller, "input_audio_buffer.commit")

    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "99.00ms" in error["message"]


async def test_a_cancel_while_nobody_speaks_is_refused(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        error = await refused(caller, "response.cancel")

    assert error["code"] == "response_cancel_not_active"


async def test_a_second_response_is_refused_while_the_first_runs() -> None:
    script = Script(says=[Reply(text="long", audio_ms=20_000)], pace=Pace(burst_ms=200, speed=1))
    async with Simulator(mind=script) as simulator, calling(simulator.url) as caller:
        await caller.send("response.create")
        created = await caller.next("response.created")
        error = await refused(caller, "response.create")

    assert error["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["message"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("conversation.item.retrieve", "item_retrieve_invalid_item_id"),
        ("conversation.item.delete", "item_delete_invalid_item_id"),
    ],
)
async def test_an_unknown_item_is_refused(quick: Simulator, kind: str, code: str) -> None:
    async with calling(quick.url) as caller:
        error = await refused(caller, kind, item_id="item_nowhere")

    assert error["code"] == code


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"type": "message", "role": "user", "content": [{"type": "text", "text": "a"}]}, "invalid_value"),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "audio": ""}]},
            "invalid_value",
        ),
        ({"type": "message", "role": "robot", "content": []}, "invalid_value"),
        ({"type": "message", "role": "user"}, "missing_required_parameter"),
        ({"type": "function_call_output", "call_id": "call_x", "output": "1"}, "invalid_tool_call_id"),
        ({"type": "function_call_output", "call_id": "call_x", "output": {"a": 1}}, "invalid_type"),
        ({"type": "message", "role": "user", "content": [], "id": "i" * 33}, "string_above_max_length"),
    ],
)
async def test_an_item_that_is_not_in_order_is_refused(
    quick: Simulator, item: dict[str, Any], code: str
) -> None:
    async with calling(quick.url) as caller:
        error = await refused(caller, "conversation.item.create", item=item)

    assert error["code"] == code


async def test_metadata_has_its_limits(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        too_many = {str(index): "x" for index in range(17)}
        assert (await refused(caller, "response.create", response={"metadata": too_many}))[
            "code"
        ] == "invalid_value"
        too_long = {"key": "x" * 513}
        error = await refused(caller, "response.create", response={"metadata": too_long})

    assert error["code"] == "string_above_max_length"


async def test_the_output_audio_buffer_is_not_for_websockets(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        error = await refused(caller, "output_audio_buffer.clear")

    assert "WebRTC" in error["message"]


async def test_refused_events_leave_the_audio_alone(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.audio(tone.sweep(400).tobytes())
        await refused(caller, "response.begin")
        await caller.audio(bytes(48 * 700))

        await caller.next("response.done")


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [
    "event_id",
    "session",
    "audio",
    "item",
    "item_id",
    "content_index",
    "audio_end_ms",
    "response",
    "type",
]


@given(
    st.sampled_from(client_messages.CLIENT_EVENTS),
    st.dictionaries(st.sampled_from(_FIELDS), _values, max_size=4),
)
def test_whatever_a_client_sends_is_either_in_order_or_refused(kind: str, fields: dict[str, Any]) -> None:
    message = {"type": kind, **fields}
    config = SessionConfig(session_id="sess_1", model="m", expires_at=0)

    with contextlib.suppress(Refusal):  # any other exception fails
        checked = client_messages.check(client_messages.parse(json.dumps(message)))
        assert checked == kind or message["type"] != kind
        if checked == "session.update":
            config.update(message["session"], voice_is_fixed=True)
    assert config.turn_detection is None or config.turn_detection.kind in ("server_vad", "semantic_vad")
