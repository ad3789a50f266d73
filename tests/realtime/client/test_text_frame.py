"""The frames we write, read by the library's own server."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from realtime.client.text_frame import MASK_BYTES, text_frame


def read(data: bytes) -> list[Frame]:
    server = Protocol(SERVER, max_size=None)
    server.receive_data(data)
    return [event for event in server.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1_327, 65_535, 65_536, 200_000])
def test_a_message_of_any_length_arrives_whole(size: int) -> None:
    message = os.urandom(size // 2).hex().encode().ljust(size, b"x")

    assert read(text_frame(message, os.urandom(MASK_BYTES))) == [Frame(Opcode.TEXT, message)]


@given(st.text(), st.binary(min_size=MASK_BYTES, max_size=MASK_BYTES))
def test_it_is_the_frame_that_the_library_would_have_made(text: str, mask: bytes) -> None:
    frame = text_frame(text.encode(), mask)

    assert read(frame) == [Frame(Opcode.TEXT, text.encode())]
    assert len(frame) == len(Frame(Opcode.TEXT, text.encode()).serialize(mask=True))


def test_frames_follow_one_another() -> None:
    frames = text_frame(b"one", b"abcd") + text_frame(b"two", b"efgh")

    assert [frame.data for frame in read(frames)] == [b"one", b"two"]
