"""Every event that we build is one that the API knows, field by field, by the SDK's own types."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from realtime import client_events
from realtime.session_config import session_config
from tests.fakes.realtime_story import TOOLS, checked_client_event, receptionist

AGENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "semantic": {
        "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
        "voice": "cedar",
        "speed": 1.2,
    },
    "server": {
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.7,
            "prefix_padding_ms": 200,
            "silence_duration_ms": 800,
        }
    },
    "one language": {"transcription": {"model": "whisper-1", "languages": ["de"]}},
    "two languages": {"transcription": {"languages": ["ja", "en"]}, "language": "ja-JP"},
}


@pytest.mark.parametrize("name", sorted(AGENTS))
@pytest.mark.parametrize("tools", [(), TOOLS])
def test_the_whole_session_update_is_valid(name: str, tools: tuple[Any, ...]) -> None:
    config = session_config(receptionist(**AGENTS[name]), instructions="Be brief.\n„ü“", tools=tools)
    event = checked_client_event(client_events.session_update("ev_1", config))

    assert event["event_id"] == "ev_1"
    assert event["session"]["type"] == "realtime"
    assert event["session"]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert event["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


@pytest.mark.parametrize("size", [0, 1, 2, 960, 1921])
def test_appended_audio_arrives_as_it_was(size: int) -> None:
    pcm = bytes(index % 256 for index in range(size))
    event = checked_client_event(client_events.append_audio(pcm))

    assert event["type"] == "input_audio_buffer.append"
    assert base64.b64decode(event["audio"], validate=True) == pcm


def test_every_other_event_is_valid_and_carries_its_event_id() -> None:
    events = [
        client_events.commit_audio("ev_1"),
        client_events.create_response("ev_1", "req_1", {}),
        client_events.create_response("ev_1", "req_1", {"instructions": 'Say "hi"\n', "tool_choice": "none"}),
        client_events.cancel_response("ev_1", "resp_1"),
        client_events.truncate_item("ev_1", "item_1", 0, 1234),
        client_events.function_call_output("ev_1", "out_1", "call_1", '{"ok":true}'),
        client_events.text_item("ev_1", "dtmf_1", "user", "[The caller pressed 1 on the keypad.]"),
        client_events.text_item("ev_1", "note_1", "system", "The operator is gone."),
    ]

    assert [checked_client_event(event)["event_id"] for event in events] == ["ev_1"] * len(events)


def test_a_response_carries_the_request_that_it_answers() -> None:
    event = json.loads(client_events.create_response("ev_1", "req_1", {"tool_choice": "none"}))

    assert event["response"] == {"tool_choice": "none", "metadata": {"request": "req_1"}}


def test_a_field_that_the_api_does_not_know_would_be_noticed() -> None:
    """The check itself is checked: the SDK's models let unknown fields pass."""
    with pytest.raises(AssertionError):
        checked_client_event(b'{"type":"response.create","response":{"modalities":["audio"]}}')
    with pytest.raises(ValueError):
        checked_client_event(b'{"type":"conversation.item.truncate","item_id":"a"}')
