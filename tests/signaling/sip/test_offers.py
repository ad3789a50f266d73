"""What a later offer changes, and where SDP may be found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.sdp import OfferRejected
from signaling.sip.keys import key_body, read_key
from signaling.sip.message import Request, reply, with_header
from signaling.sip.offers import answer_again, has_foreign_body, offer_again, same_leg, sdp_of, sound_of
from signaling.sip.reliable import ReliableProvisional, reliable_headers
from signaling.sip.timers import PATIENCE
from tests.signaling.sip.phone import ANSWER, OFFER
from tests.signaling.sip.wire import request

MULTIPART = (
    "--b\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + "\r\n--b\r\nContent-Type: application/isup\r\n"
    "Content-Disposition: signal;handling=optional\r\n\r\nxyz\r\n--b--\r\n"
)


def carrying(body: str, content_type: str, **headers: str) -> Request:
    bare = with_header(request(**headers), "Content-Type", content_type)
    return Request(method="INVITE", uri=bare.uri, headers=bare.headers, body=body.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("change", "stays", "held"),
    [
        (("a=sendrecv", "a=sendonly"), True, True),
        (("a=sendrecv", "a=inactive"), True, True),
        (("a=sendrecv", "a=recvonly"), True, False),
        (("c=IN IP4 192.0.2.5", "c=IN IP4 0.0.0.0"), True, True),
        (("192.0.2.5 4000", "192.0.2.6 5000"), True, False),
        (("ice-pwd:0123", "ice-pwd:4567"), False, False),
        (("AB:AB", "CD:CD"), False, False),
        (("SAVPF 8 101", "SAVPF 0 101"), False, False),
    ],
)
def test_what_an_offer_changes(change: tuple[str, str], stays: bool, held: bool) -> None:
    before, _ = sound_of(OFFER)
    now, _ = sound_of(OFFER.replace(*change))

    assert same_leg(before, now) is stays
    assert now.held is held


def test_an_offer_that_waits_for_its_candidates_is_no_hold() -> None:
    sound, _ = sound_of(
        OFFER.replace("c=IN IP4 192.0.2.5", "c=IN IP4 0.0.0.0").replace("audio 4000", "audio 9")
    )

    assert not sound.held


def test_the_same_offer_gets_the_same_answer() -> None:
    _, offer = sound_of(OFFER)
    first = answer_again(ANSWER, offer, "sendrecv")

    assert answer_again(first, offer, "sendrecv") == first


@given(st.lists(st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]), max_size=6))
def test_answers_grow_neither_lines_nor_codecs_however_often_the_direction_changes(
    changes: list[str],
) -> None:
    answer = ANSWER
    for direction in changes:
        offered = OFFER.replace("a=sendrecv", f"a={direction}")
        _, offer = sound_of(offered)
        answer = answer_again(answer, offer, direction)
        assert len(answer.split("\r\n")) <= len(ANSWER.split("\r\n")) + 2
        assert answer.count("a=rtpmap") == 2
        assert answer.count("m=audio") == 1


def test_a_section_that_comes_later_is_refused_in_its_place() -> None:
    """T.38 beside the audio, RFC 3264 section 6."""
    _, offer = sound_of(OFFER + "m=image 4002 udptl t38\r\n")
    answer = answer_again(ANSWER, offer, "sendrecv")

    assert "m=image 0 udptl t38" in answer


def test_our_side_as_an_offer_leaves_open_who_begins() -> None:
    assert "a=setup:actpass" in offer_again(ANSWER)
    assert "a=setup:active" not in offer_again(ANSWER)


def test_sdp_is_found_among_other_parts() -> None:
    several = carrying(MULTIPART, 'multipart/mixed;boundary="b"')

    assert (sdp_of(several) or "").strip() == OFFER.strip()
    assert not has_foreign_body(several)


def test_a_body_of_another_kind_is_foreign_unless_it_may_be_ignored() -> None:
    assert has_foreign_body(carrying("x", "text/plain"))
    assert not has_foreign_body(carrying("x", "text/plain", Content_Disposition="render; handling=optional"))
    assert has_foreign_body(carrying("--b--", "multipart/mixed;boundary=b"))
    assert not has_foreign_body(carrying(OFFER, 'application/sdp;x="'))


@given(st.text(max_size=40), st.text(max_size=200))
def test_no_content_type_and_no_body_can_do_harm(kind: str, body: str) -> None:
    for content_type in (kind, f"multipart/mixed;boundary={kind}", f"application/sdp;{kind}"):
        sdp_of(carrying(body, content_type))


def test_there_is_nothing_to_do_with_a_picture_alone() -> None:
    with pytest.raises(OfferRejected):
        sound_of(OFFER.replace("m=audio", "m=video"))


@given(st.sampled_from("0123456789*#ABCD"), st.integers(40, 9999))
def test_a_key_is_read_as_it_was_written(key: str, duration_ms: int) -> None:
    assert read_key("application/dtmf-relay", key_body(key, duration_ms)) == (key, duration_ms)


@given(st.binary(max_size=60), st.sampled_from(["application/dtmf-relay", "application/dtmf", "text/plain"]))
def test_noise_is_no_key_or_one(body: bytes, kind: str) -> None:
    pressed = read_key(kind, body)

    assert pressed is None or (pressed[0] in "0123456789*#ABCD" and pressed[1] >= 0)


def test_a_reliable_response_is_repeated_ever_more_slowly_for_32_seconds() -> None:
    invite = request()
    response = ReliableProvisional(reply(invite, 183, tag="t", headers=reliable_headers(7)), 7, 0.0)
    times = []
    while (at := response.next_at) is not None:
        if response.wake(at) is not None:
            times.append(at)

    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert response.lost
    assert times[-1] < PATIENCE
