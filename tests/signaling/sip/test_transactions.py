"""Every request gets exactly one final answer, whatever the network does, and nothing is left over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sip import transactions
from signaling.sip.message import Response, reply, with_header
from signaling.sip.reader import read
from signaling.sip.transactions import (
    AckArrived,
    Answered,
    Arrived,
    Cancelled,
    Effect,
    Send,
    Unacknowledged,
    Unanswered,
)
from tests.signaling.sip.wire import TCP, UDP, Wire, layer, request

FATES = st.lists(
    st.lists(st.floats(0, 3), max_size=2),  # each datagram: lost, delivered late, delivered twice
    min_size=1,
    max_size=40,
)


def sent(effects: list[Effect]) -> list[str]:
    """The start lines of what goes out."""
    return [each.data.split(b"\r\n")[0].decode() for each in effects if isinstance(each, Send)]


def finals(effects: list[Effect]) -> list[Effect]:
    return [
        each
        for each in effects
        if isinstance(each, Unanswered) or (isinstance(each, Answered) and each.response.status >= 200)
    ]


@settings(max_examples=150, deadline=None)
@given(
    FATES, st.sampled_from(["OPTIONS", "INVITE"]), st.sampled_from([200, 486]), st.booleans(), st.booleans()
)
def test_whatever_is_lost_copied_or_late_there_is_one_outcome_and_nothing_left(
    fates: list[list[float]], method: str, status: int, cancels: bool, over_tcp: bool
) -> None:
    # After what was drawn the network is well: each datagram once, at once.
    wire = Wire(fate=lambda n: fates[n] if n < len(fates) else [0.01], flow=TCP if over_tcp else UDP)
    if over_tcp:
        wire.fate = lambda n: [0.01]
    ours, theirs = wire.sides
    asked = with_header(request(method), "Via")
    key = ours.request(asked, wire.flow, "192.0.2.9:5060", 0.0)
    acked: list[bytes] = []

    def act(side: int, effect: Effect) -> None:
        if isinstance(effect, Arrived):
            theirs.respond(effect.key, reply(effect.request, 180, tag="t"), wire.now)
            if cancels and method == "INVITE":
                ours.cancel(key, wire.now)
            theirs.respond(effect.key, reply(effect.request, status, tag="t"), wire.now)
            act.answered = effect.key  # type: ignore[attr-defined]
        elif isinstance(effect, Cancelled):
            raise AssertionError("a call that has been answered cannot be cancelled")
        elif isinstance(effect, AckArrived):
            theirs.acknowledged(act.answered, wire.now)  # type: ignore[attr-defined]
        elif isinstance(effect, Answered) and method == "INVITE" and 200 <= effect.response.status < 300:
            ack = with_header(with_header(request("ACK", to_tag="t"), "Via"), "CSeq", "1 ACK")
            acked.append(ours.acknowledge(ack, wire.flow, "192.0.2.9:5060"))

    wire.on_effect = act
    wire.run()

    outcome = finals(wire.told[0])
    different = {each.response.status if isinstance(each, Answered) else each.cause for each in outcome}
    assert len(different) == 1
    assert len(outcome) == 1 or status == 200  # a 2xx goes up each time: its ACK is the dialog's to repeat
    # Only a copy that outlives its transaction is a request of its own, and then nothing was heard for 32 s.
    assert len([each for each in wire.told[1] if isinstance(each, Arrived)]) <= 1 or "timeout" in different
    assert len(ours) == len(theirs) == 0
    assert ours.next_deadline() is None
    assert theirs.next_deadline() is None


def test_a_copy_of_a_request_gets_the_copy_of_its_answer() -> None:
    table = layer()
    table.receive(request(), UDP, 0.0)
    (arrived,) = [each for each in table.effects() if isinstance(each, Arrived)]
    table.respond(arrived.key, reply(arrived.request, 183, tag="t"), 0.1)
    table.effects()

    table.receive(request(), UDP, 0.2)

    assert sent(table.effects()) == ["SIP/2.0 183 Session Progress"]


def test_an_answer_goes_to_where_the_request_came_from() -> None:
    """RFC 3581: whatever address the Via claims."""
    table = layer()
    natted = with_header(request("OPTIONS"), "Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;rport;RPORT=9")
    table.receive(natted, UDP, 0.0)
    (arrived,) = table.effects()
    assert isinstance(arrived, Arrived)

    table.respond(arrived.key, reply(arrived.request, 200, tag="t"), 0.0)

    (answer,) = table.effects()
    assert isinstance(answer, Send)
    assert answer.address == ("192.0.2.1", 5060)
    assert b"received=192.0.2.1" in answer.data


def test_a_cancel_before_the_answer_is_passed_on_and_one_after_it_changes_nothing() -> None:
    table = layer()
    table.receive(request(), UDP, 0.0)
    key = next(each.key for each in table.effects() if isinstance(each, Arrived))

    table.receive(request("CANCEL"), UDP, 1.0)
    early = table.effects()
    table.respond(key, reply(request(), 487, tag="t"), 1.0)
    table.receive(request("CANCEL", cseq=1, branch="z9hG4bKone"), UDP, 1.1)
    late = [each for each in table.effects() if isinstance(each, Cancelled)]

    assert sent(early) == ["SIP/2.0 200 OK"]
    assert [each for each in early if isinstance(each, Cancelled)] == [Cancelled(key=key)]
    assert late == []


def test_a_cancel_of_nothing_is_481() -> None:
    table = layer()
    table.receive(request("CANCEL"), UDP, 0.0)

    assert sent(table.effects()) == ["SIP/2.0 481 Call/Transaction Does Not Exist"]


def test_the_same_request_by_two_ways_is_answered_once() -> None:
    """RFC 3261 section 8.2.2.2."""
    table = layer()
    table.receive(request(), UDP, 0.0)
    table.effects()

    table.receive(request(branch="z9hG4bKtwo"), UDP, 0.1)

    assert sent(table.effects())[-1] == "SIP/2.0 482 Loop Detected"


def test_a_2xx_is_repeated_until_its_ack_over_tcp_too() -> None:
    table = layer()
    table.receive(request(), TCP, 0.0)
    key = next(each.key for each in table.effects() if isinstance(each, Arrived))
    table.respond(key, reply(request(), 200, tag="t"), 0.0)
    table.effects()

    table.wake(0.5)
    again = sent(table.effects())
    table.acknowledged(key, 0.6)
    table.wake(1.5)

    assert again == ["SIP/2.0 200 OK"]
    assert sent(table.effects()) == []


@pytest.mark.parametrize("status", [200, 486])
def test_an_answer_without_ack_is_reported_after_32_seconds(status: int) -> None:
    table = layer()
    table.receive(request(), UDP, 0.0)
    key = next(each.key for each in table.effects() if isinstance(each, Arrived))
    table.respond(key, reply(request(), status, tag="t"), 0.0)
    told: list[Effect] = []
    while (at := table.next_deadline()) is not None:
        table.wake(at)
        told += table.effects()

    assert at is None
    assert told[-1] == Unacknowledged(key=key, status=status)
    # T1, 2 T1, … up to T2: at 0.5, 1.5, 3.5, 7.5, 11.5 … 31.5 s.
    assert len(sent(told)) == 1 + 10
    assert len(table) == 0


def test_a_cancel_waits_for_the_first_provisional_answer() -> None:
    """RFC 3261 section 9.1."""
    table = layer()
    key = table.request(with_header(request(), "Via"), UDP, "192.0.2.9", 0.0)
    invite = table.effects()
    table.cancel(key, 0.1)
    before = sent(table.effects())
    asked = read(next(each for each in invite if isinstance(each, Send)).data)
    assert not isinstance(asked, Response)

    table.receive(reply(asked, 180, tag="t"), UDP, 0.2)

    assert before == []
    assert sent(table.effects()) == ["CANCEL sip:+81312345678@cordboard.example SIP/2.0"]


def test_answers_nobody_has_asked_for_are_nothing() -> None:
    table = layer()
    table.receive(reply(request("OPTIONS"), 200, tag="t"), UDP, 0.0)

    assert table.effects() == []


def test_beyond_its_bound_the_table_drops_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_SERVER", 3)
    table = layer()
    for number in range(5):
        table.receive(
            with_header(request("OPTIONS", branch=f"z9hG4bK{number}"), "Call-ID", str(number)), UDP, 0.0
        )

    assert len([each for each in table.effects() if isinstance(each, Arrived)]) == 3
    assert table.dropped == 2


def test_a_shed_request_leaves_nothing_behind_and_its_copy_is_asked_again() -> None:
    table = layer()
    for _ in range(2):
        table.receive(request(), UDP, 0.0)
        (arrived,) = [each for each in table.effects() if isinstance(each, Arrived)]
        table.shed(arrived.key, reply(arrived.request, 503, tag="t"))
        assert sent(table.effects()) == ["SIP/2.0 503 Service Unavailable"]
        assert (len(table), table.next_deadline()) == (0, None)
    table.receive(request("ACK", to_tag="t"), UDP, 0.1)

    assert [each for each in table.effects() if isinstance(each, Send)] == []
