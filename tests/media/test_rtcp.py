from __future__ import annotations

from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from media import rtcp

WORD = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.builds(
    rtcp.ReportBlock,
    ssrc=WORD,
    fraction_lost=st.integers(0, 255),
    lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=WORD,
    jitter=WORD,
    last_report=WORD,
    delay=WORD,
)


def build(packets: int, block: rtcp.ReportBlock | None) -> bytes:
    return rtcp.build(
        ssrc=7,
        ntp=rtcp.ntp_time(12.5),
        rtp_timestamp=99,
        packets=packets,
        octets=5,
        cname=b"name",
        block=block,
    )


@given(BLOCKS)
def test_aiortc_reads_our_sender_report(block: rtcp.ReportBlock) -> None:
    report, description = RtcpPacket.parse(build(3, block))

    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert report.sender_info.packet_count == 3
    assert report.sender_info.ntp_timestamp >> 32 == 12
    (theirs,) = report.reports
    assert (theirs.packets_lost, theirs.fraction_lost) == (block.lost, block.fraction_lost)
    assert (theirs.jitter, theirs.lsr, theirs.dlsr) == (block.jitter, block.last_report, block.delay)
    assert description.chunks[0].items == [(1, b"name")]


def test_before_anything_was_sent_the_report_is_a_receivers() -> None:
    report, _ = RtcpPacket.parse(build(0, None))

    assert isinstance(report, RtcpRrPacket)
    assert report.reports == []


@given(BLOCKS)
def test_we_read_aiortcs_receiver_report(block: rtcp.ReportBlock) -> None:
    info = RtcpReceiverInfo(
        ssrc=block.ssrc,
        fraction_lost=block.fraction_lost,
        packets_lost=block.lost,
        highest_sequence=block.highest_sequence,
        jitter=block.jitter,
        lsr=block.last_report,
        dlsr=block.delay,
    )

    assert rtcp.parse(bytes(RtcpRrPacket(ssrc=1, reports=[info]))).blocks == (block,)


@given(BLOCKS)
def test_we_read_our_own(block: rtcp.ReportBlock) -> None:
    reports = rtcp.parse(build(3, block))

    assert reports.blocks == (block,)
    assert [sender.ssrc for sender in reports.senders] == [7]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    rtcp.parse(data)
    rtcp.parse(b"\x81\xc9" + data)
