"""Reading envelopes: anything that is not one raises EnvelopeError, and only that."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.codec import EnvelopeError, decode, encode
from tests.fakes.call_story import stamped, started, whole_call

GOOD = msgspec.json.decode(encode(stamped([started()])[0]))


@given(st.binary() | st.text().map(str.encode))
@example(b"[" * 100_000)
@example(b'{"v":1,"call_id":"\\ud800"}')
def test_garbage_raises_one_kind_of_error(raw: bytes) -> None:
    with pytest.raises(EnvelopeError):
        decode(raw)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 2}, "version 2"),
        ({"seq": -1, "id": GOOD["call_id"] + ":-1"}, "negative"),
        ({"seq": 4}, "id is not"),
        ({"id": None}, "come together"),
        ({"at": "yesterday"}, "not an RFC 3339 time"),
        ({"at": "2026-11-22T09:30:01.120"}, "no zone"),
        ({"data": []}, "Expected `object`"),
        ({"seq": "0"}, "Expected `int"),
    ],
)
def test_each_wrong_part_is_named(change: dict[str, object], reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        decode(msgspec.json.encode(GOOD | change))


def test_what_a_newer_writer_adds_is_let_through() -> None:
    envelope = decode(msgspec.json.encode(GOOD | {"type": "call.levitated", "extra": 1}))

    assert envelope.type == "call.levitated"


def test_every_event_of_a_call_survives_the_journey() -> None:
    envelopes = stamped(whole_call())

    assert [decode(encode(envelope)) for envelope in envelopes] == envelopes
