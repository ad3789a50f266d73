from __future__ import annotations

from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media import rtp


@given(
    st.integers(0, 127).filter(lambda kind: not 64 <= kind < 96),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=300),
)
def test_what_is_built_is_read_back_by_us_and_by_aiortc(
    kind: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    data = rtp.build(kind, marker, sequence, timestamp, ssrc, payload)

    assert rtp.parse(data) == rtp.Packet(kind, marker, sequence, timestamp, ssrc, payload)
    theirs = RtpPacket.parse(data)
    assert (theirs.payload_type, bool(theirs.marker), theirs.sequence_number) == (kind, marker, sequence)
    assert (theirs.timestamp, theirs.ssrc, theirs.payload) == (timestamp, ssrc, payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_aiortc_reads_them_or_not_at_all(data: bytes) -> None:
    data = b"\x80" + data
    ours = rtp.parse(data)

    try:
        theirs = RtpPacket.parse(data)
    except ValueError:
        assert ours is None
    else:
        assert ours is not None
        assert ours.payload == theirs.payload


def test_extension_padding_and_contributors_are_taken_off() -> None:
    header = bytes((0x80 | 0x20 | 0x10 | 1, 96)) + bytes(10)
    data = header + b"CSRC" + b"\xbe\xde\x00\x01" + b"ext!" + b"voice" + b"\0\0\3"

    packet = rtp.parse(data)

    assert packet is not None
    assert packet.payload == b"voice"


@given(st.integers(0, 0xFFFF), st.integers(-0x7FFF, 0x7FFF))
def test_distances_go_the_short_way_round(start: int, step: int) -> None:
    assert rtp.sequence_distance((start + step) & 0xFFFF, start) == step
    assert rtp.timestamp_distance((start + step) & 0xFFFFFFFF, start) == step
