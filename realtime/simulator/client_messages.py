"""The eleven client events: parse one text frame, check it as strictly as the service does.

The result is a plain dict that is known to have its required fields and no others.
"""

from typing import Any

import msgspec

from realtime.simulator.item_shapes import INPUT_ITEM, ITEM, TOOL_CHOICE, TOOLS
from realtime.simulator.refusal import Refusal
from realtime.simulator.session_config import (
    FORMAT,
    MAX_OUTPUT_TOKENS,
    MODALITIES,
    REASONING,
    VOICE,
    check_modalities,
)
from realtime.simulator.shapes import (
    Check,
    Fields,
    anything,
    array,
    boolean,
    integer,
    nullable,
    text,
    unsupported,
    wrong_type,
    wrong_value,
)

# The documented limit of one append.
MAX_APPEND_BYTES = 15 * 1024 * 1024


def _metadata(value: Any, path: str) -> None:
    """At most 16 pairs, keys of 64 and values of 512 characters."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    if len(value) > 16:
        raise wrong_value(path, f"Invalid '{path}': too many properties. Expected at most 16.")
    for key, element in value.items():
        text(longest=64)(key, path)
        text(longest=512)(element, f"{path}.{key}")


def _response_modalities(value: Any, path: str) -> None:
    MODALITIES(value, path)
    check_modalities(value, path)


RESPONSE = Fields(
    {
        "audio": Fields({"output": Fields({"format": FORMAT, "voice": VOICE})}),
        "conversation": text(),
        "input": array(INPUT_ITEM),
        "instructions": text(),
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "metadata": nullable(_metadata),
        "output_modalities": _response_modalities,
        "parallel_tool_calls": boolean,
        "prompt": nullable(anything),
        "reasoning": REASONING,
        "tool_choice": TOOL_CHOICE,
        "tools": TOOLS,
    }
)


def _event(*required: str, **fields: Check) -> Check:
    return Fields({"type": text(), "event_id": text(longest=512), **fields}, required=required)


_EVENTS: dict[str, Check] = {
    # `session` is checked by SessionConfig, which knows what may still change.
    "session.update": _event("session", session=anything),
    "input_audio_buffer.append": _event("audio", audio=text()),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "output_audio_buffer.clear": _event(),
    "conversation.item.create": _event("item", item=ITEM, previous_item_id=nullable(text())),
    "conversation.item.delete": _event("item_id", item_id=text()),
    "conversation.item.retrieve": _event("item_id", item_id=text()),
    "conversation.item.truncate": _event(
        "item_id",
        "content_index",
        "audio_end_ms",
        item_id=text(),
        content_index=integer(0),
        audio_end_ms=integer(0),
    ),
    "response.create": _event(response=nullable(RESPONSE)),
    "response.cancel": _event(response_id=text()),
}
CLIENT_EVENTS = tuple(_EVENTS)

_APPEND_FIELDS = frozenset({"type", "audio", "event_id"})
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def parse(frame: str | bytes) -> dict[str, Any]:
    """A text frame as JSON object.  Refusal: not JSON, or not an object."""
    try:
        return _decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refusal("invalid_event", "The event is not a valid JSON object.") from None


def check(message: dict[str, Any]) -> str:
    """The type of a message that is in order; Refusal otherwise."""
    kind: Any = message.get("type")
    if (
        kind == "input_audio_buffer.append"
        and message.keys() <= _APPEND_FIELDS
        and type(message.get("audio")) is str
    ):
        return str(kind)  # fifty times a second and call: the common case goes first
    if kind is None:
        raise Refusal("invalid_event", "The 'type' field is missing.")
    if not isinstance(kind, str):
        raise wrong_type("type", "a string", kind)
    shape = _EVENTS.get(kind)
    if shape is None:
        raise unsupported("type", kind, CLIENT_EVENTS)
    shape(message, "")
    return kind
