"""What a client may put into a conversation: the shapes of items, tools and tool choices."""

from realtime.simulator.shapes import (
    Check,
    Fields,
    Tagged,
    anything,
    array,
    boolean,
    either,
    nullable,
    one_of,
    text,
)

ITEM_ID = text(longest=32)  # the service refuses longer ids
_STATUS = one_of("completed", "incomplete", "in_progress")
_BASE: dict[str, Check] = {
    "id": ITEM_ID,
    "object": one_of("realtime.item"),
    "type": text(),
    "status": _STATUS,
}

_INPUT_TEXT = Fields({"type": text(), "text": text()}, required=("text",))
_INPUT_AUDIO = Fields({"type": text(), "audio": text(), "transcript": nullable(text())}, required=("audio",))
_INPUT_IMAGE = Fields(
    {"type": text(), "image_url": text(), "detail": one_of("auto", "low", "high")}, required=("image_url",)
)
_USER_CONTENT = Tagged({"input_text": _INPUT_TEXT, "input_audio": _INPUT_AUDIO, "input_image": _INPUT_IMAGE})
_SYSTEM_CONTENT = Tagged({"input_text": _INPUT_TEXT})
# Assistant audio cannot be given back to the service: only its words can.
_ASSISTANT_CONTENT = Tagged({"output_text": _INPUT_TEXT})


def _message(content: Check) -> Check:
    fields = {**_BASE, "role": text(), "content": array(content), "phase": anything}
    return Fields(fields, required=("role", "content"))


_MESSAGE = Tagged(
    {
        "user": _message(_USER_CONTENT),
        "assistant": _message(_ASSISTANT_CONTENT),
        "system": _message(_SYSTEM_CONTENT),
    },
    tag="role",
)
_FUNCTION_CALL = Fields(
    {**_BASE, "name": text(), "arguments": text(), "call_id": ITEM_ID}, required=("name", "arguments")
)
_FUNCTION_CALL_OUTPUT = Fields(
    {**_BASE, "call_id": ITEM_ID, "output": text()}, required=("call_id", "output")
)
_ITEM_REFERENCE = Fields({"type": text(), "id": ITEM_ID}, required=("id",))

ITEM = Tagged(
    {"message": _MESSAGE, "function_call": _FUNCTION_CALL, "function_call_output": _FUNCTION_CALL_OUTPUT}
)
# Only `response.create` may point at an item instead of carrying one.
INPUT_ITEM = Tagged(
    {
        "message": _MESSAGE,
        "function_call": _FUNCTION_CALL,
        "function_call_output": _FUNCTION_CALL_OUTPUT,
        "item_reference": _ITEM_REFERENCE,
    }
)

_FUNCTION_TOOL = Fields(
    {
        "type": text(),
        "name": text(longest=64),
        "description": text(),
        "parameters": either({dict: anything}, "an object"),
        "strict": nullable(boolean),
    },
    required=("name",),
)
TOOLS = array(Tagged({"function": _FUNCTION_TOOL}))
TOOL_CHOICE = either(
    {
        str: one_of("none", "auto", "required"),
        dict: Tagged({"function": Fields({"type": text(), "name": text()}, required=("name",))}),
    },
    "one of 'none', 'auto', 'required' or an object",
)
