"""RTP headers (RFC 3550 section 5.1), by struct: written for every packet sent, read for every one received."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

HEADER: Final = Struct("!BBHII")
HEADER_BYTES: Final = HEADER.size
VERSION_2: Final = 0x80
MARKER: Final = 0x80
SEQUENCE_MODULUS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Packet:
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def build(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """One packet without contributing sources or extensions."""
    second = payload_type | MARKER if marker else payload_type
    return HEADER.pack(VERSION_2, second, sequence, timestamp, ssrc) + payload


def parse(data: bytes) -> Packet | None:
    """The packet in `data`, its extension and padding taken off; None where it is not RTP."""
    size = len(data)
    if size < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first & 0xC0 != VERSION_2:
        return None
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        # The last octet counts the padding, itself included; 0 or too much is not RTP.
        padding = data[-1]
        if not padding or size - padding < start:
            return None
        end -= padding
    if start > end:
        return None
    return Packet(second & 0x7F, second >= MARKER, sequence, timestamp, ssrc, data[start:end])


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 section 4: on a shared port, packet types 192-223 are RTCP."""
    return len(data) > 1 and 192 <= data[1] <= 223


def sequence_distance(later: int, earlier: int) -> int:
    """How far `later` is ahead of `earlier`, modulo 2^16: -32768 to 32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(later: int, earlier: int) -> int:
    """How far `later` is ahead of `earlier`, modulo 2^32."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000
