"""The session object: its defaults, what `session.update` may change, and the values the simulator reads.

Only fields that are present change.  `turn_detection` of another type, `format` and `transcription` are
replaced as a whole; the same turn detection is merged field by field.
"""

import copy
from dataclasses import dataclass
from typing import Any, Literal

from realtime.simulator.item_shapes import TOOL_CHOICE, TOOLS
from realtime.simulator.refusal import Refusal
from realtime.simulator.shapes import (
    Check,
    Fields,
    Tagged,
    anything,
    array,
    boolean,
    either,
    integer,
    missing,
    nullable,
    number,
    one_of,
    text,
    wrong_value,
)

SAMPLE_RATES = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
DEFAULT_INSTRUCTIONS = (
    "You are a helpful, witty, and friendly AI. Talk quickly. You should always call a function if you can."
)

SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def _pcm(value: Any, path: str) -> None:
    Fields({"type": text(), "rate": integer()})(value, path)
    # Seen on the wire although the SDK's type marks it optional:
    # missing_required_parameter: 'session.audio.output.format.rate'.
    if "rate" not in value:
        raise missing(f"{path}.rate")
    if value["rate"] != 24_000:
        raise wrong_value(f"{path}.rate", f"Invalid value: '{value['rate']}'. Value must be 24000.")


_G711 = Fields({"type": text()})
FORMAT = Tagged({"audio/pcm": _pcm, "audio/pcmu": _G711, "audio/pcma": _G711})
VOICE = either({str: one_of(*VOICES), dict: Fields({"id": text()}, required=("id",))}, "a voice")
MAX_OUTPUT_TOKENS = either({int: integer(1, 4096), str: one_of("inf")}, "an integer or 'inf'")
MODALITIES = array(one_of("text", "audio"))
REASONING = Fields({"effort": one_of("minimal", "low", "medium", "high", "xhigh")})

_TURN_DETECTION = Tagged(
    {
        "server_vad": Fields(
            {
                "type": text(),
                "threshold": number(0, 1),
                "prefix_padding_ms": integer(0),
                "silence_duration_ms": integer(0),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
                "create_response": boolean,
                "interrupt_response": boolean,
            }
        ),
        "semantic_vad": Fields(
            {
                "type": text(),
                "eagerness": one_of("low", "medium", "high", "auto"),
                "create_response": boolean,
                "interrupt_response": boolean,
            }
        ),
    }
)
_TRANSCRIPTION = Fields(
    {
        "model": text(),
        "language": nullable(text()),
        "languages": array(text()),
        "keywords": array(text()),
        "prompt": nullable(text()),
        "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
_NOISE_REDUCTION = Fields({"type": one_of("near_field", "far_field"), "strength": number(0)})
_TRACING: Check = either({str: one_of("auto"), dict: anything}, "'auto' or an object")
_TRUNCATION: Check = either(
    {
        str: one_of("auto", "disabled"),
        dict: Fields(
            {
                "type": one_of("retention_ratio"),
                "retention_ratio": number(0, 1),
                "token_limits": Fields({"post_instructions": integer(0)}),
            },
            required=("type", "retention_ratio"),
        ),
    },
    "'auto', 'disabled' or an object",
)

UPDATE = Fields(
    {
        "type": text(),
        "model": text(),
        "instructions": text(),
        "output_modalities": MODALITIES,
        "audio": Fields(
            {
                "input": Fields(
                    {
                        "format": FORMAT,
                        "transcription": nullable(_TRANSCRIPTION),
                        "noise_reduction": nullable(_NOISE_REDUCTION),
                        "turn_detection": nullable(_TURN_DETECTION),
                    }
                ),
                "output": Fields({"format": FORMAT, "voice": VOICE, "speed": number(0.25, 1.5)}),
            }
        ),
        "include": nullable(array(one_of("item.input_audio_transcription.logprobs"))),
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "parallel_tool_calls": boolean,
        "prompt": nullable(anything),
        "reasoning": REASONING,
        "tool_choice": TOOL_CHOICE,
        "tools": TOOLS,
        "tracing": nullable(_TRACING),
        "truncation": _TRUNCATION,
    },
    required=("type",),
)


def check_modalities(modalities: list[str], path: str) -> None:
    """Audio (which includes its transcript) or text, never both."""
    if modalities not in (["audio"], ["text"]):
        raise wrong_value(
            path, f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio']."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """The turn detection in force, with every field filled in."""

    kind: Literal["server_vad", "semantic_vad"]
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    idle_timeout_ms: int | None
    eagerness: str
    create_response: bool
    interrupt_response: bool


SessionKind = Literal["realtime", "transcription"]


class SessionConfig:
    """The session object of one connection.  `update` changes it or raises `Refusal` and changes nothing."""

    def __init__(
        self, *, session_id: str, model: str, expires_at: int, kind: SessionKind = "realtime"
    ) -> None:
        self.kind = kind
        self.wire: dict[str, Any] = {
            "type": kind,
            "object": f"realtime.{'transcription_' if kind == 'transcription' else ''}session",
            "id": session_id,
            "model": model,
            "output_modalities": ["audio"],
            "instructions": DEFAULT_INSTRUCTIONS,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "prompt": None,
            "truncation": "auto",
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(SERVER_VAD),
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "voice": "marin",
                    "speed": 1.0,
                },
            },
            "include": None,
        }

    def update(self, change: Any, *, voice_is_fixed: bool) -> None:
        """Apply the `session` object of a `session.update`.

        `voice_is_fixed`: the session has already spoken, the voice cannot change any more.
        """
        UPDATE(change, "session")
        if change["type"] != self.kind:
            raise wrong_value(
                "session.type",
                f"Passing a {change['type']} session update event to a {self.kind} session is not allowed.",
            )
        if change.get("model", self.wire["model"]) != self.wire["model"]:
            raise wrong_value("session.model", "The model of a session cannot be changed.")
        if "output_modalities" in change:
            check_modalities(change["output_modalities"], "session.output_modalities")
        voice = change.get("audio", {}).get("output", {}).get("voice")
        if voice is not None and voice != self.wire["audio"]["output"]["voice"] and voice_is_fixed:
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        if (
            self.wire["tracing"] is not None
            and change.get("tracing", self.wire["tracing"]) != self.wire["tracing"]
        ):
            raise wrong_value("session.tracing", "Tracing cannot be changed once it is enabled.")
        merged = copy.deepcopy(self.wire)
        for name, value in change.items():
            if name != "audio":
                merged[name] = value
        for side in ("input", "output"):
            for name, value in change.get("audio", {}).get(side, {}).items():
                merged["audio"][side][name] = (
                    _merged_turn_detection(merged["audio"]["input"]["turn_detection"], value)
                    if name == "turn_detection"
                    else value
                )
        self.wire = merged

    @property
    def turn_detection(self) -> TurnDetection | None:
        """None: the client commits and asks for responses itself."""
        wire = self.wire["audio"]["input"]["turn_detection"]
        if wire is None:
            return None
        full = {**SERVER_VAD, "eagerness": "auto", **wire}
        return TurnDetection(
            kind=full["type"],
            threshold=full["threshold"],
            prefix_padding_ms=full["prefix_padding_ms"],
            silence_duration_ms=full["silence_duration_ms"],
            idle_timeout_ms=full["idle_timeout_ms"] if full["type"] == "server_vad" else None,
            eagerness=full["eagerness"],
            create_response=full["create_response"] and self.kind == "realtime",
            interrupt_response=full["interrupt_response"],
        )

    @property
    def input_format(self) -> str:
        """`audio/pcm`, `audio/pcmu` or `audio/pcma`."""
        return str(self.wire["audio"]["input"]["format"]["type"])

    @property
    def transcribes(self) -> bool:
        """Whether the client asked to be told the caller's words.  Off by default, as with the service."""
        return self.wire["audio"]["input"]["transcription"] is not None


def _merged_turn_detection(
    current: dict[str, Any] | None, change: dict[str, Any] | None
) -> dict[str, Any] | None:
    if change is None:
        return None
    defaults = SERVER_VAD if change["type"] == "server_vad" else SEMANTIC_VAD
    base = current if current is not None and current["type"] == change["type"] else defaults
    return {**base, **change}
