"""What comes over the wire: the 49 messages of RFC 4475, what they do not think of, and noise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.addresses import split_list
from signaling.sip.message import Message, Request, Response
from signaling.sip.reader import Limits, Malformed, read

TORTURE = Path(__file__).parent / "rfc4475"
"""The messages of RFC 4475, one file each, named as in its appendix A."""

VALID = {
    "wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports",
    "mpart01", "unreason", "noreason",  # section 3.1.1
    "badbranch", "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01", "bcast", "zeromf", "cparam01",
    "cparam02", "regescrt", "sdp01", "inv2543",  # sections 3.2 to 3.4: well formed; what they ask is another matter
    "baddate",  # section 3.1.2.12: the Date is wrong, and nothing here reads it
}  # fmt: skip
REFUSED = {
    "clerr": 400, "ncl": 400, "scalar02": 400, "quotbal": 400, "ltgtruri": 400, "lwsruri": 400, "lwsstart": 400,
    "trws": 400, "escruri": 400, "regbadct": 400, "badaspec": 400, "baddn": 400, "badvers": 505,
    "mismatch01": 400, "mismatch02": 400, "insuf": 400, "multi01": 400, "mcl01": 400,
}  # fmt: skip
DROPPED = {"badinv01", "scalarlg", "bigcode"}

INVITE = (
    b"INVITE sip:+81312345678@cordboard.example SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n"
    b"From: <sip:+819012345678@trunk.example>;tag=one\r\n"
    b"To: <sip:+81312345678@cordboard.example>\r\n"
    b"i: call-1@trunk.example\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"bodyand more"
)


def torture(name: str) -> bytes:
    return (TORTURE / f"{name}.dat").read_bytes()


def test_there_are_49_messages() -> None:
    assert {path.stem for path in TORTURE.glob("*.dat")} == VALID | REFUSED.keys() | DROPPED
    assert len(VALID | REFUSED.keys() | DROPPED) == 49


@pytest.mark.parametrize("name", sorted(VALID))
def test_a_valid_message_is_read(name: str) -> None:
    assert isinstance(read(torture(name)), Request | Response)


@pytest.mark.parametrize(("name", "status"), sorted(REFUSED.items()))
def test_an_invalid_request_is_refused_with_an_answer(name: str, status: int) -> None:
    with pytest.raises(Malformed) as refused:
        read(torture(name))

    assert refused.value.request is not None
    assert refused.value.status == status


@pytest.mark.parametrize("name", sorted(DROPPED))
def test_what_cannot_be_answered_is_dropped(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(torture(name))

    assert refused.value.request is None


def test_folded_and_compact_headers_are_the_same_as_others() -> None:
    """RFC 4475 section 3.1.1.1."""
    message = read(torture("wsinv"))

    assert message.cseq == (9, "INVITE")
    assert message.get("Subject") == ""
    assert len(split_list(", ".join(message.every("Via")))) == 3
    assert message.body.startswith(b"v=0")


def test_a_body_ends_where_its_length_says() -> None:
    assert read(INVITE).body == b"body"
    assert read(torture("dblreq")).body == b""


def test_a_message_is_written_as_it_was_read() -> None:
    message = read(INVITE)

    assert read(message.write()) == message
    assert message.write().startswith(
        b"INVITE sip:+81312345678@cordboard.example SIP/2.0\r\nVia: SIP/2.0/UDP"
    )


def test_too_much_is_refused() -> None:
    with pytest.raises(Malformed) as body:
        read(INVITE, Limits(header=4096, body=3))
    with pytest.raises(Malformed) as head:
        read(INVITE, Limits(header=64, body=64))
    with pytest.raises(Malformed):
        read(INVITE.replace(b"CSeq", b"X: y\r\n" * 300 + b"CSeq"))

    assert body.value.status == 513
    assert head.value.request is None


def test_a_header_cannot_be_smuggled_in_with_a_bare_line_end() -> None:
    for end in (b"\r", b"\n"):
        with pytest.raises(Malformed):
            read(INVITE.replace(b"tag=one", b"tag=one" + end + b"X-Evil: 1"))


def test_an_ack_is_never_answered() -> None:
    """RFC 3261 section 17.1.1.3."""
    with pytest.raises(Malformed) as refused:
        read(INVITE.replace(b"INVITE", b"ACK").replace(b"CSeq: 7 ACK", b"CSeq: 7 BYE"))

    assert refused.value.request is None


@given(st.binary(max_size=400))
def test_noise_is_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@given(st.sampled_from(sorted(VALID | REFUSED.keys())), st.data())
def test_a_damaged_message_is_read_or_malformed(name: str, data: st.DataObject) -> None:
    whole = bytearray(torture(name))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    message = readable(bytes(whole))
    if message is not None:
        written = read(message.write())
        assert (written.body, written.get("Via")) == (message.body, message.get("Via"))
        assert len(written.headers) <= len(message.headers) + 1


def readable(data: bytes) -> Message | None:
    """Anything but Malformed fails the test."""
    try:
        return read(data)
    except Malformed as refused:
        if refused.request is not None and not 400 <= refused.status < 600:
            raise
        return None
