"""Messages out of a stream, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.framing import Framing, StreamBroken
from signaling.sip.reader import Limits

LIMITS = Limits(header=200, body=50)


def message(body: bytes, length: bytes = b"Content-Length") -> bytes:
    return b"OPTIONS sip:x SIP/2.0\r\n%s: %d\r\n\r\n%s" % (length, len(body), body)


@given(
    st.lists(st.binary(max_size=50), max_size=6),
    st.sampled_from([b"Content-Length", b"content-length", b"l", b"L"]),
    st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
def test_the_same_messages_come_out_however_the_stream_is_cut(
    bodies: list[bytes], name: bytes, cuts: list[int]
) -> None:
    framing, out = Framing(LIMITS), []
    sent = [message(body, name) for body in bodies]
    stream = b"".join(sent)
    while stream:
        size = cuts[len(stream) % len(cuts)]
        piece, stream = stream[:size], stream[size:]
        out += framing.receive(piece)

    assert out == sent
    assert framing.waiting_bytes == 0


def test_keep_alives_are_counted_and_empty_lines_are_nothing() -> None:
    framing = Framing(LIMITS)

    assert framing.receive(b"\r\n") == []
    assert framing.receive(b"\r\n") == []
    assert framing.pongs == 1
    assert framing.receive(b"\r\n" + message(b"x")) == [message(b"x")]
    assert framing.pongs == 1


@pytest.mark.parametrize(
    "stream",
    [
        b"X" * 201,
        b"OPTIONS sip:x SIP/2.0\r\nl: 51\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nl: -1\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nl: 1, 2\r\n\r\n",
    ],
)
def test_a_stream_that_cannot_be_cut_is_over(stream: bytes) -> None:
    with pytest.raises(StreamBroken):
        Framing(LIMITS).receive(stream)
