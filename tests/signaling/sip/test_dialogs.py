"""Route sets, numbers and targets: RFC 3261 section 12, behind a proxy that stays in the way."""

from __future__ import annotations

import pytest

from signaling.sip.dialogs import Dialog, dialog_of
from signaling.sip.message import Request, reply, with_header
from tests.signaling.sip.wire import request

FIRST = "<sip:192.0.2.20:5060;transport=tcp;lr>"
SECOND = "<sip:198.51.100.1;lr>"


def recorded() -> Request:
    return with_header(request(), "Record-Route", FIRST, SECOND)


def test_who_was_called_goes_back_the_way_the_invite_came() -> None:
    dialog = Dialog.of_server(recorded(), "ours", first_seq=5)
    bye = dialog.request("BYE")

    assert bye.uri == "sip:caller@192.0.2.1:5060"
    assert bye.every("Route") == [FIRST, SECOND]
    assert bye.cseq == (6, "BYE")
    assert "tag=ours" in (bye.get("From") or "")
    assert "tag=theirs" in (bye.get("To") or "")
    assert dialog.next_hop().host == "192.0.2.20"


def test_who_calls_goes_the_other_way() -> None:
    answer = with_header(reply(recorded(), 200, tag="callee"), "Contact", "<sip:callee@203.0.113.5>")
    dialog = Dialog.of_client(recorded(), answer)

    assert dialog.request("BYE").every("Route") == [SECOND, FIRST]
    assert dialog.request("INFO").cseq == (3, "INFO")
    assert dialog.ack(1).cseq == (1, "ACK")


def test_a_strict_router_gets_itself_in_the_request_line() -> None:
    dialog = Dialog.of_server(
        with_header(request(), "Record-Route", "<sip:old.example>", SECOND), "ours", first_seq=1
    )
    bye = dialog.request("BYE")

    assert bye.uri == "sip:old.example"
    assert bye.every("Route") == [SECOND, "<sip:caller@192.0.2.1:5060>"]


def test_an_older_request_does_not_follow() -> None:
    dialog = Dialog.of_server(request(cseq=10), "ours", first_seq=1)

    assert not dialog.follows(request("INFO", cseq=9, to_tag="ours"))
    assert not dialog.follows(request("INFO", cseq=10, to_tag="ours"))
    assert dialog.follows(request("INFO", cseq=12, to_tag="ours"))
    assert dialog.follows(request("ACK", cseq=10, to_tag="ours"))


def test_the_target_moves_with_a_reinvite() -> None:
    dialog = Dialog.of_server(request(), "ours", first_seq=1)
    dialog.moved(with_header(request(cseq=2), "Contact", "<sip:caller@192.0.2.77>"))

    assert dialog.request("BYE").uri == "sip:caller@192.0.2.77"


def test_without_a_contact_there_is_no_dialog() -> None:
    with pytest.raises(ValueError):
        Dialog.of_server(with_header(request(), "Contact"), "ours", first_seq=1)


def test_a_request_names_its_dialog_from_our_side() -> None:
    dialog = Dialog.of_server(request(), "ours", first_seq=1)

    assert dialog_of(request("BYE", to_tag="ours")) == dialog.id
    assert dialog_of(request()) is None
