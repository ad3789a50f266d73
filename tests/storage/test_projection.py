"""What events make of a call, in whatever order they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.envelope import Envelope
from storage.events import (
    CallAnnotated,
    HandoffAccepted,
    HandoffConnected,
    HandoffDeclined,
    HandoffHeld,
    HandoffOffered,
    HandoffQueued,
    HandoffRequested,
    OperatorJoined,
    SlotConfirmed,
    SlotCorrected,
    SlotFilled,
    TurnStarted,
)
from storage.projection import CallProjection, CallView, HandoffView, SlotView, fold_call, fold_transcript
from tests.fakes.call_story import ended, numbered, said, stamped, started, whole_call

CALL = "0193a0b0-0000-7000-8000-00000000000a"


def test_a_call_before_its_first_event_is_ringing() -> None:
    assert CallProjection(CALL).view == CallView(id=CALL)


def test_a_whole_call_in_one_view() -> None:
    view = fold_call(CALL, stamped(whole_call(), CALL))

    assert view == CallView(
        id=CALL,
        state="ended",
        direction="inbound",
        agent="dental",
        agent_version="1",
        caller="+12065550123",
        started_at="2026-11-22T12:00:00.000Z",
        answered_at="2026-11-22T12:00:01.000Z",
        ended_at="2026-11-22T12:00:11.000Z",
        end_reason="caller_hangup",
        outcome="booked",
        owner=None,
        slots=[SlotView(goal="booking", slot="date", value="2026-11-25", confirmed=False)],
        handoff=HandoffView(
            handoff_id="h1",
            state="requested",
            reason="asked",
            summary="Wants a person",
            method="caller",
            requested_at="2026-11-22T12:00:10.000Z",
        ),
    )


def test_slots_are_filled_confirmed_and_corrected() -> None:
    events = [
        started(),
        SlotFilled(goal="g", slot="name", value="Jon", confirmed=False),
        SlotCorrected(goal="g", slot="name", value="John", previous="Jon"),
        SlotFilled(goal="g", slot="date", value="2026-11-25", confirmed=False),
        SlotConfirmed(goal="g", slot="date", value="2026-11-25"),
    ]

    assert fold_call(CALL, stamped(events, CALL)).slots == [
        SlotView(goal="g", slot="date", value="2026-11-25", confirmed=True),
        SlotView(goal="g", slot="name", value="John", confirmed=False),
    ]


def test_the_transcript_stands_in_the_order_of_speaking_not_of_arrival() -> None:
    events = [started(), said(2, "third"), said(0, "first"), said(1, "second")]

    assert [entry.text for entry in fold_transcript(stamped(events))] == ["first", "second", "third"]


def test_a_later_word_about_the_same_item_replaces_the_earlier() -> None:
    events = [started(), said(0, "draft", item_id="i"), said(0, "final", item_id="i")]

    assert [entry.text for entry in fold_transcript(stamped(events))] == ["final"]


def test_an_outcome_learnt_later_replaces_the_one_at_the_end() -> None:
    events = [started(), ended(), CallAnnotated(kind="outcome", value="declined")]

    assert fold_call(CALL, stamped(events, CALL)).outcome == "declined"


def test_a_view_that_was_taken_does_not_change() -> None:
    projection = CallProjection(CALL)
    envelopes = stamped([started(), said(0, "a"), ended()], CALL)
    projection.fold(envelopes[0])
    before, words_before = projection.view, projection.transcript

    for envelope in envelopes[1:]:
        projection.fold(envelope)

    assert before.state == "ringing"
    assert words_before == []


def test_unknown_and_live_events_change_nothing() -> None:
    known = stamped([started(), TurnStarted(turn=1, speaker="caller", item_id="i")], CALL)
    odd = Envelope(v=1, id=f"{CALL}:9", tenant="t", call_id=CALL, seq=9, at=known[0].at, type="x.y", data={})

    assert fold_call(CALL, [*known, odd]) == fold_call(CALL, known[:1])


@st.composite
def disorder(draw: st.DrawFn) -> tuple[list[Envelope], list[Envelope]]:
    """A call with hand-overs and slots, and the same events shuffled, some of them twice."""
    middle = st.sampled_from(
        [
            SlotFilled(goal="g", slot="a", value=1, confirmed=False),
            SlotCorrected(goal="g", slot="a", value=2, previous=1),
            SlotConfirmed(goal="g", slot="a", value=2),
            said(0, "draft", item_id="i0"),
            said(0, "final", item_id="i0"),
            said(1, "more"),
            HandoffRequested(handoff_id="h1", reason="r", summary="s", method="ai"),
            HandoffRequested(handoff_id="h2", reason="r2", summary="s2", method="caller"),
        ]
    )
    events = [started(), *draw(st.lists(middle, max_size=10)), ended()]
    envelopes = numbered(stamped(events, CALL))
    again = draw(st.lists(st.sampled_from(envelopes), max_size=6))
    return envelopes, draw(st.permutations([*envelopes, *again]))


@given(disorder())
def test_order_and_repetition_do_not_matter(case: tuple[list[Envelope], list[Envelope]]) -> None:
    in_order, shuffled = case

    assert fold_call(CALL, shuffled) == fold_call(CALL, in_order)
    assert fold_transcript(shuffled) == fold_transcript(in_order)


UNTIL = "2026-11-22T12:03:00.000Z"
A_HANDOFF = [
    started(),
    HandoffRequested(handoff_id="h1", reason="refund", summary="s", method="ai"),
    HandoffQueued(handoff_id="h1", queue="billing", why="requested", attempt=0, waited_ms=0, until=UNTIL),
    HandoffOffered(handoff_id="h1", operator="sato", offer_id="o1", attempt=1, until=UNTIL),
    HandoffDeclined(handoff_id="h1", operator="sato", offer_id="o1", reason="lunch"),
    HandoffQueued(handoff_id="h1", queue="billing", why="lunch", attempt=1, waited_ms=9, until=UNTIL),
    HandoffAccepted(handoff_id="h1", operator="mori", offer_id=None, waited_ms=20, until=UNTIL),
    HandoffConnected(handoff_id="h1", operator="mori", waited_ms=30),
    HandoffHeld(handoff_id="h1"),
]


def test_a_handoff_shows_who_is_asked_and_who_has_it_in_whatever_order_its_events_come() -> None:
    events = stamped(A_HANDOFF, CALL)
    seen = []
    for count in range(2, len(events) + 1):
        handoff = fold_call(CALL, events[:count]).handoff
        assert handoff is not None
        assert fold_call(CALL, reversed(events[:count])).handoff == handoff
        seen.append((handoff.state, handoff.operator, handoff.offer_id, handoff.until, handoff.attempt))
    assert seen == [
        ("requested", None, None, None, 0),
        ("queued", None, None, UNTIL, 0),
        ("offered", "sato", "o1", UNTIL, 1),
        ("declined", "sato", "o1", None, 1),
        ("queued", None, None, UNTIL, 1),
        ("accepted", "mori", None, UNTIL, 1),
        ("connected", "mori", None, None, 1),
        ("held", "mori", None, None, 1),
    ]


def test_somebody_who_barges_in_does_not_take_the_call() -> None:
    events = [started(), OperatorJoined(operator="sato", mode="barge")]
    assert fold_call(CALL, stamped(events, CALL)).owner == "agent"
