"""From an agent to the body of `session.update`. Source: API reference, "session.update" (GA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.agent import Agent, SemanticVad
from realtime.tool_spec import ToolSpec

# The one PCM rate that the API takes. `rate` is required on the wire although the SDK's type marks it optional.
PCM_24K = {"type": "audio/pcm", "rate": 24000}


def session_config(
    agent: Agent, *, instructions: str, tools: Sequence[ToolSpec], listening: bool = True
) -> dict[str, Any]:
    """The whole configuration of a call's session; not `listening`: it takes no turn before it is told to."""
    noise_reduction = {"type": agent.noise_reduction} if agent.noise_reduction is not None else None
    return {
        "type": "realtime",
        "instructions": instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM_24K,
                "transcription": transcription(agent),
                "noise_reduction": noise_reduction,  # before the voice detection, which then hears less echo
                "turn_detection": turn_detection(agent) if listening else None,
            },
            "output": {"format": PCM_24K, "voice": agent.voice, "speed": agent.speed},
        },
        "tools": [tool.as_session_tool() for tool in tools],
        "tool_choice": "auto",
    }


def transcription(agent: Agent) -> dict[str, Any]:
    """How a voice on this agent's calls is written down."""
    told: dict[str, Any] = {"model": agent.transcription.model}
    # Without one, noise is written down as words of whatever language it resembles.
    languages = agent.transcription.languages or [agent.language.split("-")[0]]
    if len(languages) == 1:
        told["language"] = languages[0]
    else:
        told["languages"] = languages
    return told


def listening_config(agent: Agent, *, instructions: str) -> dict[str, Any]:
    """What a session that was configured without listening is told in the end; who it is, too."""
    listening = {"input": {"turn_detection": turn_detection(agent)}}
    return {"type": "realtime", "instructions": instructions, "audio": listening}


def deaf_config(*, instructions: str) -> dict[str, Any]:
    """What a session is told that takes no turn until it is listening again."""
    return {
        "type": "realtime",
        "instructions": instructions,
        "audio": {"input": {"turn_detection": None}},
    }


def returning_config(agent: Agent, *, instructions: str, tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The whole configuration again, but for the voice: it cannot be set after the session has spoken."""
    config = session_config(agent, instructions=instructions, tools=tools)
    del config["audio"]["output"]
    return config


def turn_detection(agent: Agent) -> dict[str, Any]:
    """The server answers each turn by itself and stops speaking when the caller does, unless we decide that."""
    server_decides = not takes_turns_itself(agent)
    return {
        **agent.turn_detection.model_dump(),
        "create_response": server_decides,
        # Both or none: with only one of them off the server still cancels by itself.
        "interrupt_response": server_decides,
    }


def takes_turns_itself(agent: Agent) -> bool:
    """Whether what is an interruption, and when to answer, is decided here and not by the server."""
    return agent.interruption.min_speech_ms > 0


def leading_padding_ms(agent: Agent) -> int:
    """How much of the audio after `audio_start_ms` was before the speech; 0 where not known."""
    detection = agent.turn_detection
    return 0 if isinstance(detection, SemanticVad) else detection.prefix_padding_ms


def ending_silence_ms(agent: Agent) -> int:
    """How much of the audio before `speech_stopped` was the silence that proved the end; 0 where not known."""
    detection = agent.turn_detection
    return 0 if isinstance(detection, SemanticVad) else detection.silence_duration_ms


def format_mismatch(configured: Any) -> str | None:
    """What is wrong with the audio formats that `session.updated` reports, or None.

    A server that silently keeps another format turns the call into static, so it is checked.
    """
    for way in ("input", "output"):
        got = _member(_member(configured, way), "format")
        if got is not None and (
            _member(got, "type") != "audio/pcm" or _member(got, "rate") not in (None, 24000)
        ):
            return f"audio.{way}.format is {got!r}, asked for {PCM_24K!r}"
    return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
