"""Everything that a server may send parses, whatever is missing, null or new; and nothing raises."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from realtime.server_events import (
    EVENT_TYPES,
    IGNORED_TYPES,
    AudioDelta,
    Ignored,
    Malformed,
    ResponseDone,
    SpeechStopped,
    parse,
)

SERVER_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def _members(union: Any) -> list[type[BaseModel]]:
    while get_origin(union) is Annotated:
        union = get_args(union)[0]
    return [
        member for arg in get_args(union) for member in (_members(arg) or [arg]) if isinstance(member, type)
    ]


UNION: Any = RealtimeServerEvent
EVENTS = {get_args(model.model_fields["type"].annotation)[0]: model for model in _members(UNION)}


def example(annotation: Any, *, fullness: str) -> Any:
    """A value of an SDK type. `fullness`: `bare` leaves options out, `null` sends null, `full` fills them."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return example(args[0], fullness=fullness)
    if origin is Literal:
        return args[0]
    if origin in (Union, types.UnionType):
        return example(next(arg for arg in args if arg is not type(None)), fullness=fullness)
    if origin is list:
        return [example(args[0], fullness=fullness)]
    if origin is dict:
        return {"key": example(args[1], fullness=fullness)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        document = {}
        for name, field in annotation.model_fields.items():
            if field.is_required() or fullness == "full":
                document[field.alias or name] = example(field.annotation, fullness=fullness)
            elif fullness == "null":
                document[field.alias or name] = None
        return document
    simple: dict[Any, Any] = {str: "QUJD", int: 3, float: 0.5, bool: True, object: {}, Any: {}}
    return simple[annotation]


def test_every_type_of_the_sdks_union_is_known() -> None:
    assert len(EVENTS) >= 46
    assert set(EVENTS) <= set(EVENT_TYPES) | IGNORED_TYPES
    assert not set(EVENT_TYPES) & IGNORED_TYPES


@pytest.mark.parametrize("fullness", ["bare", "null", "full"])
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_of_the_sdk_parses(name: str, fullness: str) -> None:
    document = example(EVENTS[name], fullness=fullness)
    if name in ("response.created", "response.done"):
        # Optional in the SDK's type; without it nothing could be tied to the response, so we insist on it.
        document["response"]["id"] = "resp_1"
    assert SERVER_EVENTS.validate_python(document).type == name
    event = parse(json.dumps({**document, "obfuscation": "x", "tomorrow": {"new": [1]}}))

    expected = EVENT_TYPES.get(name, Ignored)
    assert type(event) is expected, event


def test_what_is_read_is_what_was_sent() -> None:
    delta = parse(
        b'{"type":"response.output_audio.delta","event_id":"e","response_id":"r","item_id":"i",'
        b'"output_index":0,"content_index":1,"delta":"AAECAw=="}'
    )
    assert delta == AudioDelta(response_id="r", item_id="i", content_index=1, delta=b"\x00\x01\x02\x03")

    stopped = parse('{"type":"input_audio_buffer.speech_stopped","item_id":"i","audio_end_ms":1200}')
    assert stopped == SpeechStopped(item_id="i", audio_end_ms=1200)

    done = parse(
        json.dumps(
            {
                "type": "response.done",
                "response": {
                    "id": "r",
                    "status": "failed",
                    "metadata": {"request": "req_1"},
                    "output": [{"id": "i", "type": "message", "phase": "commentary"}],
                    "status_details": {"error": {"type": None, "code": "inference_rate_limit_exceeded"}},
                    "usage": {"input_tokens": 7, "input_token_details": {"cached_tokens": 4}},
                },
            }
        )
    )
    assert isinstance(done, ResponseDone)
    assert done.response.metadata == {"request": "req_1"}
    assert done.response.output is not None
    assert done.response.output[0].phase == "commentary"
    assert done.response.status_details is not None
    assert done.response.status_details.error is not None
    assert done.response.status_details.error.code == "inference_rate_limit_exceeded"


def test_the_beta_name_of_an_added_item_is_understood() -> None:
    item = {"type": "conversation.item.created", "item": {"id": "i", "type": "message"}}

    assert type(parse(json.dumps(item))) is EVENT_TYPES["conversation.item.added"]


def test_an_unknown_type_is_told_from_a_known_one_that_is_passed_over() -> None:
    assert parse('{"type":"response.cancelled"}') == Ignored(type="response.cancelled", known=False)
    assert parse('{"type":"rate_limits.updated"}') == Ignored(type="rate_limits.updated", known=True)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"type":3}',
        b'{"type":"error"}',
        b'{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"not base64!"}',
        b'{"type":"response.done","response":{"id":7}}',
        b'{"type":"session.created","session":[]}',
        b'{"type":"error","error":{"code":"\\ud800"}}',
        b"[" * 100_000,
        b'{"type":"response.created","response":' + b'{"a":' * 100_000,
    ],
)
def test_what_is_not_an_event_is_malformed_and_says_why(message: bytes) -> None:
    event = parse(message)

    assert isinstance(event, Malformed)
    assert 0 < len(event.problem) <= 200


@given(st.binary(max_size=200))
def test_no_bytes_raise(message: bytes) -> None:
    assert parse(message) is not None


@given(
    st.sampled_from(sorted(EVENT_TYPES)),
    st.dictionaries(
        st.sampled_from(
            ["response", "item", "item_id", "delta", "error", "session", "response_id", "transcript"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["id", "type", "output", "status", "error"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
    ),
)
def test_no_fields_raise(name: str, fields: dict[str, Any]) -> None:
    event = parse(msgspec.json.encode({**fields, "type": name}))

    assert type(event) in (EVENT_TYPES[name], Malformed)
