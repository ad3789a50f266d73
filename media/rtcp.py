"""RTCP reports (RFC 3550 section 6.4) by struct: ours written, the peer's read.

NTP timestamps here count seconds of our steady clock, which RFC 3550 section 4 allows: a step of the wall clock
then changes no round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202

_HEADER: Final = Struct("!BBH")
_SENDER_INFO: Final = Struct("!IQIII")  # ssrc, NTP, RTP, packets, octets
_BLOCK: Final = Struct("!IIIIII")  # ssrc, loss, highest, jitter, LSR, DLSR


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """One receiver's view of one stream."""

    ssrc: int
    fraction_lost: int  # 256ths since the last report
    lost: int
    highest_sequence: int
    jitter: int  # timestamp units
    last_report: int  # middle 32 bits of the NTP time of the sender report it has seen last; 0: none
    delay: int  # since that report came, 1/65536 s


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    ssrc: int
    ntp: int


@dataclass(frozen=True, slots=True)
class Reports:
    """What one compound packet said."""

    senders: tuple[SenderReport, ...]
    blocks: tuple[ReportBlock, ...]


def ntp_time(seconds: float) -> int:
    """64-bit NTP timestamp of a number of seconds."""
    return int(seconds * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def middle(ntp: int) -> int:
    """The part of an NTP timestamp that report blocks quote (LSR)."""
    return (ntp >> 16) & 0xFFFFFFFF


def build(
    *,
    ssrc: int,
    ntp: int,
    rtp_timestamp: int,
    packets: int,
    octets: int,
    cname: bytes,
    block: ReportBlock | None,
) -> bytes:
    """A compound packet: sender report (receiver report before anything was sent), then the CNAME."""
    blocks = b"" if block is None else _build_block(block)
    count = 0 if block is None else 1
    if packets:
        body = (
            _SENDER_INFO.pack(
                ssrc, ntp, rtp_timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
            )
            + blocks
        )
        report = _HEADER.pack(0x80 | count, SENDER_REPORT, len(body) // 4) + body
    else:
        body = ssrc.to_bytes(4, "big") + blocks
        report = _HEADER.pack(0x80 | count, RECEIVER_REPORT, len(body) // 4) + body
    chunk = ssrc.to_bytes(4, "big") + bytes((1, len(cname))) + cname
    chunk += bytes(4 - len(chunk) % 4)  # RFC 3550 section 6.5: one null octet at least, to the boundary
    return report + _HEADER.pack(0x81, SOURCE_DESCRIPTION, len(chunk) // 4) + chunk


def _build_block(block: ReportBlock) -> bytes:
    loss = (block.fraction_lost << 24) | (block.lost & 0xFFFFFF)
    return _BLOCK.pack(
        block.ssrc, loss, block.highest_sequence, block.jitter, block.last_report, block.delay & 0xFFFFFFFF
    )


def parse(data: bytes) -> Reports:
    """The reports in a compound packet; whatever cannot be read is left out."""
    senders: list[SenderReport] = []
    blocks: list[ReportBlock] = []
    position = 0
    while position + 4 <= len(data):
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first & 0xC0 != 0x80 or end > len(data):
            break
        start = position + 4
        if kind == SENDER_REPORT and end - start >= _SENDER_INFO.size:
            ssrc, ntp, _, _, _ = _SENDER_INFO.unpack_from(data, start)
            senders.append(SenderReport(ssrc=ssrc, ntp=ntp))
            blocks += _parse_blocks(data, start + _SENDER_INFO.size, end, first & 0x1F)
        elif kind == RECEIVER_REPORT and end - start >= 4:
            blocks += _parse_blocks(data, start + 4, end, first & 0x1F)
        position = end
    return Reports(tuple(senders), tuple(blocks))


def _parse_blocks(data: bytes, start: int, end: int, count: int) -> list[ReportBlock]:
    blocks = []
    for _ in range(count):
        if start + _BLOCK.size > end:
            break
        ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(data, start)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=loss >> 24,
                lost=lost - (1 << 24) if lost & 0x800000 else lost,
                highest_sequence=highest,
                jitter=jitter,
                last_report=last_report,
                delay=delay,
            )
        )
        start += _BLOCK.size
    return blocks
