"""From an agent to a session: what is asked for, and whether it was given."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.session_config import ending_silence_ms, format_mismatch, session_config
from tests.fakes.realtime_story import TOOLS, receptionist


def configured(**changes: Any) -> dict[str, Any]:
    return session_config(receptionist(**changes), instructions="Be brief.", tools=TOOLS)


def test_the_server_answers_each_turn_and_stops_for_the_caller() -> None:
    for detection in ({"type": "server_vad"}, {"type": "semantic_vad"}):
        asked = configured(turn_detection=detection)["audio"]["input"]["turn_detection"]

        assert asked["type"] == detection["type"]
        assert asked["create_response"] is True
        assert asked["interrupt_response"] is True


@pytest.mark.trap(16)
def test_the_caller_is_transcribed_in_the_agents_language_unless_told_otherwise() -> None:
    def transcription(**changes: Any) -> dict[str, Any]:
        asked: dict[str, Any] = configured(**changes)["audio"]["input"]["transcription"]
        return asked

    assert transcription(language="en-GB") == {"model": "gpt-transcribe", "language": "en"}
    assert transcription(transcription={"languages": ["ja"]})["language"] == "ja"
    several = transcription(transcription={"languages": ["ja", "en"]})
    assert several["languages"] == ["ja", "en"]
    assert "language" not in several


def test_voice_speed_and_tools_are_the_agents() -> None:
    config = configured(voice="cedar", speed=1.25)

    assert config["audio"]["output"]["voice"] == "cedar"
    assert config["audio"]["output"]["speed"] == 1.25
    assert config["output_modalities"] == ["audio"]
    assert config["tools"][0] == {
        "type": "function",
        "name": "look_up",
        "description": "look_up.",
        "parameters": {"type": "object", "properties": {}},
    }


def test_the_silence_that_ends_a_turn_is_known_for_server_vad_only() -> None:
    server = receptionist(turn_detection={"type": "server_vad", "silence_duration_ms": 700})
    semantic = receptionist(turn_detection={"type": "semantic_vad"})

    assert (ending_silence_ms(server), ending_silence_ms(semantic)) == (700, 0)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"type": "audio/pcm", "rate": 24000}, False),
        ({"type": "audio/pcm"}, False),
        ({"type": "audio/pcm", "rate": None}, False),
        (None, False),
        ({"type": "audio/pcm", "rate": 8000}, True),
        ({"type": "audio/pcmu"}, True),
        ({}, True),
        ("pcm16", True),
    ],
)
@pytest.mark.parametrize("way", ["input", "output"])
def test_another_format_than_ours_is_named(way: str, given: Any, wrong: bool) -> None:
    problem = format_mismatch({way: {"format": given}})

    assert (problem is not None) == wrong
    if problem is not None:
        assert problem.startswith(f"audio.{way}.format is ")
