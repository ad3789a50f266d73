"""Offers as they come: captured ones, odd ones, hostile ones."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from media.sdp import MAX_BYTES, Offer, OfferRejected, behind_nat, read_offer

OFFERS = Path(__file__).parent / "offers"
MICROPHONE = (OFFERS / "chromium_microphone.sdp").read_text()
CAPTURED = sorted(OFFERS.glob("*.sdp"))
FINGERPRINT = next(line for line in MICROPHONE.splitlines() if line.startswith("a=fingerprint"))

ANSWER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
a=msid-semantic:WMS *
m=audio 40000 UDP/TLS/RTP/SAVPF 111
c=IN IP4 203.0.113.9
a=sendrecv
a=mid:0
a=rtpmap:111 opus/48000/2
a=candidate:1 1 udp 2130706431 203.0.113.9 40000 typ host
a=end-of-candidates
"""


def simple(*lines: str, media: str = "m=audio 9 UDP/TLS/RTP/SAVPF 111") -> str:
    """A small good offer with these lines at the end of its audio section."""
    return "\r\n".join(
        [
            "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0", media, "a=mid:0", "a=rtcp-mux", FINGERPRINT,
            "a=setup:actpass", "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv", "a=rtpmap:111 opus/48000/2",
            *lines, "",
        ]
    )  # fmt: skip


def understood_by_aiortc(offer: Offer) -> SessionDescription:
    return SessionDescription.parse(offer.sdp)


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_captured_offers_become_offers_that_aiortc_reads(path: Path) -> None:
    offer = read_offer(path.read_text())

    (media,) = understood_by_aiortc(offer).media
    assert media.kind == "audio"
    assert media.ice.usernameFragment
    assert media.dtls is not None
    assert media.dtls.fingerprints
    assert not media.ice_candidates_complete


def test_chromiums_opus_and_keys_are_chosen_at_one_clock() -> None:
    offer = read_offer(MICROPHONE)

    assert (offer.codec.name, offer.codec.payload_type) == ("opus", 111)
    assert offer.events is not None
    assert (offer.events.payload_type, offer.events.clock_rate) == (110, 48_000)


def test_a_bridges_g711_is_taken_as_offered() -> None:
    offer = read_offer((OFFERS / "rtpengine_pcma.sdp").read_text())

    assert offer.codec.name == "pcma"
    assert offer.events is not None
    assert offer.events.payload_type == 101
    assert understood_by_aiortc(offer).media[0].ice.iceLite


def test_local_names_are_left_out_so_that_nobody_waits_for_them() -> None:
    text = (OFFERS / "chromium_listener_mdns.sdp").read_text()
    assert ".local" in text

    offer = read_offer(text)

    assert "candidate" not in offer.sdp
    assert not offer.sends
    assert offer.receives


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("no_sdp", ""),
        ("no_sdp", " \r\n\t"),
        ("not_sdp", "hello"),
        ("not_sdp", '{"type": "offer"}'),
        ("not_sdp", simple(media="m=audio nine UDP/TLS/RTP/SAVPF 111")),
        ("no_audio", "v=0\r\ns=-\r\n"),
        ("no_audio", simple(media="m=video 9 UDP/TLS/RTP/SAVPF 111")),
        ("no_audio", simple(media="m=audio 0 UDP/TLS/RTP/SAVPF 111")),
        ("no_codec", simple(media="m=audio 9 UDP/TLS/RTP/SAVPF 9")),
        ("no_codec", simple(media="m=audio 9 UDP/TLS/RTP/SAVPF 72 300")),
        ("no_ice", simple().replace("a=ice-ufrag:abcd\r\n", "")),
        ("no_dtls", simple().replace(FINGERPRINT, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc")),
        ("no_dtls", simple().replace("sha-256", "sha-1")),
        ("no_dtls", simple().replace("a=setup:actpass", "a=setup:holdconn")),
        ("no_rtcp_mux", simple().replace("a=rtcp-mux\r\n", "")),
        ("too_large", simple("a=x:" + "y" * MAX_BYTES)),
        ("too_large", "v=0\r\n" + "é" * (MAX_BYTES // 2)),
        ("too_many_candidates", simple(*["a=candidate:1 1 udp 1 192.0.2.1 9 typ host"] * 33)),
        ("too_many_media", simple(*["m=video 9 UDP/TLS/RTP/SAVPF 96"] * 4)),
        ("too_many_codecs", simple(*[f"a=rtpmap:{n} opus/48000/2" for n in range(65)])),
    ],
)
def test_what_cannot_become_a_call_is_refused_by_name(code: str, text: str) -> None:
    with pytest.raises(OfferRejected) as refused:
        read_offer(text)

    assert refused.value.code == code
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("a=candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host", True),
        ("a=candidate:1 1 UDP 2130706431 2001:db8::1 4000 typ host generation 0", True),
        ("a=candidate:1 1 udp 99 192.0.2.7 4000 typ prflx raddr 0.0.0.0 rport 0", True),
        ("a=candidate:1 1 tcp 99 192.0.2.7 9 typ host tcptype active", False),
        ("a=candidate:1 2 udp 99 192.0.2.7 4000 typ host", False),
        ("a=candidate:1 1 udp 99 caller.example 4000 typ host", False),
        ("a=candidate:1 1 udp 99 999.0.2.7 4000 typ host", False),
        ("a=candidate:1 1 udp 99 192.0.2.7 70000 typ host", False),
        ("a=candidate:1 1 udp 99 224.0.0.1 4000 typ host", False),
        ("a=candidate:1 1 udp 99 0.0.0.0 4000 typ host", False),
        ("a=candidate:short", False),
    ],
)
def test_only_candidates_that_can_be_called_are_kept(line: str, kept: bool) -> None:
    offer = read_offer(simple(line))

    assert len(understood_by_aiortc(offer).media[0].ice_candidates) == kept


@pytest.mark.parametrize(
    "line",
    [
        "a=fmtp:18 annexb=no",
        "a=fmtp:111 useinbandfec=yes",
        "a=extmap:x y",
        "a=rtcp-fb:* nack",
        "a=ssrc:abc cname",
        "a=rtpmap:garbage",
        "a=end-of-candidates",
        "a=max-message-size:lots",
        "b=AS:many",
        "k=clear:key",
        "nonsense",
    ],
)
def test_lines_that_upset_aiortc_do_not_reach_it(line: str) -> None:
    understood_by_aiortc(read_offer(simple(line)))


def test_a_missing_direction_means_both_ways_and_the_sessions_own_counts() -> None:
    assert (read_offer(simple()).sends, read_offer(simple()).receives) == (True, True)
    session_wide = simple().replace("t=0 0", "t=0 0\r\na=sendonly")
    assert (read_offer(session_wide).sends, read_offer(session_wide).receives) == (True, False)


def test_static_payload_types_need_no_map() -> None:
    offer = read_offer(simple(media="m=audio 9 UDP/TLS/RTP/SAVPF 0 8"))

    assert offer.codec.name == "pcmu"
    assert understood_by_aiortc(offer).media[0].rtp.codecs[0].mimeType == "audio/PCMU"


def test_session_wide_keys_and_credentials_count() -> None:
    lines = simple().split("\r\n")
    shared = [line for line in lines if line.startswith(("a=ice", "a=fingerprint", "a=setup"))]
    rest = [line for line in lines if line not in shared]

    read_offer("\r\n".join([*rest[:4], *shared, *rest[4:]]))


def test_the_offers_order_of_codecs_is_honoured_within_what_is_allowed() -> None:
    text = simple("a=rtpmap:8 PCMA/8000", media="m=audio 9 UDP/TLS/RTP/SAVPF 8 111")

    assert read_offer(text).codec.name == "pcma"
    assert read_offer(text, ("opus",)).codec.name == "opus"


def test_the_answer_asks_for_error_correction_and_names_the_keys_last() -> None:
    answer = read_offer(MICROPHONE).complete(ANSWER)

    lines = answer.split("\r\n")
    assert "m=audio 40000 UDP/TLS/RTP/SAVPF 111 110" in lines
    assert any(line.startswith("a=fmtp:111 ") and "useinbandfec=1" in line for line in lines)
    assert "a=rtpmap:110 telephone-event/48000" in lines
    assert "a=group:BUNDLE 0" in lines
    SessionDescription.parse(answer)


def test_other_sections_are_refused_in_their_place() -> None:
    text = (OFFERS / "chromium_audio_video_data.sdp").read_text()
    offered = [line.split(" ")[0] for line in text.splitlines() if line.startswith("m=")]
    assert offered == ["m=audio", "m=video", "m=application"]

    answer = read_offer(text).complete(ANSWER)

    sections = [line for line in answer.split("\r\n") if line.startswith("m=")]
    assert sections[0].startswith("m=audio 40000 ")
    assert sections[1].startswith("m=video 0 UDP/TLS/RTP/SAVPF ")
    assert sections[2] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert answer.count("a=inactive") == 2
    assert "a=group:BUNDLE 0\r\n" in answer


def test_audio_behind_a_refused_section_keeps_its_place() -> None:
    text = simple().replace("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\nm=audio")

    answer = read_offer(text).complete(ANSWER)

    sections = [line for line in answer.split("\r\n") if line.startswith("m=")]
    assert [section.split(" ")[:2] for section in sections] == [["m=video", "0"], ["m=audio", "40000"]]


def test_hostile_sizes_are_refused_at_once() -> None:
    hostile = [
        simple(*["a=candidate:1 1 udp 1 192.0.2.1 9 typ host"] * 14_000),
        simple(*["m=audio 9 UDP/TLS/RTP/SAVPF 111"] * 10_000),
        simple("a=candidate:" + "1 " * 30_000),
        simple(media="m=audio 9 UDP/TLS/RTP/SAVPF " + " ".join(["111"] * 15_000)),
    ]
    for text in hostile:
        begin = time.process_time()
        with suppress(OfferRejected):
            read_offer(text)
        assert time.process_time() - begin < 0.02


LINES = st.sampled_from([line for path in CAPTURED for line in path.read_text().splitlines()])
MANGLED = st.lists(
    st.one_of(
        LINES,
        st.text(max_size=40),
        st.builds(lambda line, cut: line[:cut], LINES, st.integers(0, 30)),
        st.builds(lambda line, more: line + more, LINES, st.text(max_size=10)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(MANGLED, st.booleans())
def test_any_text_is_refused_or_becomes_an_offer_that_aiortc_reads(
    lines: list[str], begin_well: bool
) -> None:
    text = "\r\n".join(["v=0", *lines] if begin_well else lines)
    check(text)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_to_a_good_offer_is_refused_or_survived(data: st.DataObject) -> None:
    lines = MICROPHONE.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(lines) - 1))
        lines[where] = data.draw(st.one_of(st.just(""), st.text(max_size=60), st.just(lines[where] * 2)))
    check("\r\n".join(lines))


def check(text: str) -> None:
    try:
        offer = read_offer(text)
    except OfferRejected:
        return  # anything else would fail the test
    (media,) = understood_by_aiortc(offer).media
    assert media.rtp.codecs
    SessionDescription.parse(offer.complete(ANSWER))


def test_behind_a_nat_the_answer_names_the_public_address() -> None:
    answer = "\r\n".join(
        [
            "v=0",
            "a=candidate:1 1 udp 2130706431 10.0.3.7 40000 typ host",
            "a=candidate:2 1 udp 2130706431 fd00::2 40002 typ host",
            "a=candidate:3 1 udp 1694498815 198.51.100.9 40000 typ srflx raddr 10.0.3.7 rport 40000",
            "",
        ]
    )

    told = behind_nat(answer, "203.0.113.5")

    assert "203.0.113.5 40000 typ host" in told
    assert "10.0.3.7 40000 typ host" not in told
    assert told.splitlines()[2:] == answer.splitlines()[2:]
    assert behind_nat(answer, None) == answer
