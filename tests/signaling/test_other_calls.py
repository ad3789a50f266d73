"""Calls of other servers: whatever is heard, missed, repeated or read later, in the end all is known once."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from signaling.other_calls import SHOWN_AFTER_END, SILENT_AFTER, OtherCalls
from storage.projection import fold_call
from tests.fakes.call_story import NOON, ended, numbered, said, stamped, started, whole_call

CALLS = [numbered(stamped(whole_call())) for _ in range(2)]
EVENTS = [event for call in CALLS for event in call]


@given(
    steps=st.lists(
        st.one_of(
            st.integers(0, len(EVENTS) - 1),
            st.tuples(st.sampled_from(["found", "fill"]), st.integers(0, 1), st.integers(-1, 9)),
        ),
        max_size=60,
    )
)
def test_in_the_end_all_is_known_and_nobody_was_told_twice(steps):
    """The record is always behind what happened; what it shows of a call is complete up to a number."""
    calls, told = OtherCalls(), []
    for step in steps:
        if isinstance(step, int):
            if calls.hear(EVENTS[step], NOON):
                told.append(EVENTS[step].id)
            continue
        what, which, upto = step
        events = CALLS[which]
        if upto < 0:
            continue
        if what == "found":
            view = fold_call(events[0].call_id, events[: upto + 1])
            if view.state != "ended":
                calls.found(view, upto, NOON)
        else:
            after = calls.last_seq(events[0].call_id)
            told += [each.id for each in calls.fill(events[0].call_id, events[after + 1 : upto + 1], NOON)]
    assert len(told) == len(set(told))

    for events in CALLS:
        call_id = events[0].call_id
        calls.hear(events[-1], NOON)
        if call_id in calls.holes():
            calls.fill(call_id, events[calls.holes()[call_id] + 1 :], NOON)
        assert calls.view(call_id) == fold_call(call_id, events)
        assert calls.last_seq(call_id) == events[-1].seq
    assert calls.holes() == {}
    assert calls.running() == []


def test_a_call_joined_in_the_middle_is_shown_as_soon_as_the_record_tells_its_beginning():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    calls.hear(events[5], NOON)
    assert calls.running() == []
    assert calls.view(call_id) is None
    assert calls.holes() == {call_id: -1}

    assert calls.found(fold_call(call_id, events[:5]), 4, NOON)

    assert calls.running() == [fold_call(call_id, events[:6])]
    assert calls.holes() == {}


def test_an_end_that_was_missed_is_read_from_the_record_and_told():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    for event in events[:4]:
        calls.hear(event, NOON)

    calls.doubt([])  # the record shows it no longer as running
    assert calls.holes() == {call_id: 3}
    told = calls.fill(call_id, events[4:], NOON)

    assert told == events[4:]
    assert calls.running() == []


def test_a_call_that_the_record_does_not_know_yet_goes_on():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    calls.hear(events[0], NOON)

    calls.doubt([])
    calls.fill(call_id, [], NOON)
    calls.believe(call_id)

    assert calls.holes() == {}
    assert [view.id for view in calls.running()] == [call_id]


def test_an_event_that_never_comes_does_not_hide_the_rest_for_ever():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    calls.hear(events[0], NOON)
    calls.hear(events[2], NOON)
    assert calls.holes() == {call_id: 0}

    calls.give_up(call_id)

    assert calls.holes() == {}
    assert calls.last_seq(call_id) == 2


def test_an_ended_call_can_be_asked_for_a_minute_longer():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    for event in events:
        calls.hear(event, NOON)

    calls.forget_ended(NOON + SHOWN_AFTER_END)
    assert calls.events_after(call_id, 7) == events[8:]

    calls.forget_ended(NOON + SHOWN_AFTER_END + timedelta(seconds=1))
    assert calls.view(call_id) is None
    assert calls.events_after(call_id, 7) == []


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("signaling.other_calls.MOST_CALLS", 3)
    monkeypatch.setattr("signaling.other_calls.REMEMBERED", 4)
    calls = OtherCalls()
    stories = [numbered(stamped([started(), said(0, "a"), said(1, "b"), ended()])) for _ in range(5)]
    for story in stories:
        for event in story[:3]:
            calls.hear(event, NOON)

    assert [view.id for view in calls.running()] == [story[0].call_id for story in stories[2:]]
    assert sum(len(calls.events_after(story[0].call_id, -1)) for story in stories) == 4


def test_a_call_whose_server_is_gone_is_not_shown_for_ever_and_comes_back_when_it_speaks():
    calls, events = OtherCalls(), CALLS[0]
    call_id = events[0].call_id
    view = fold_call(call_id, events[:3])
    calls.found(view, 2, NOON)

    assert not calls.forget_silent(NOON + SILENT_AFTER)
    later = NOON + SILENT_AFTER + timedelta(seconds=1)
    assert calls.forget_silent(later)
    assert not calls.found(view, 2, later), "the record still has it as running, and nothing new"
    assert calls.running() == []

    calls.hear(events[3], later)
    assert calls.found(view, 2, later)
    assert calls.running() == [fold_call(call_id, events[:4])]


def test_an_erased_call_is_forgotten_whatever_is_known_of_it():
    calls, (erased, kept) = OtherCalls(), CALLS
    for event in [*erased[:3], *kept[:3]]:
        calls.hear(event, NOON)

    calls.erase([erased[0].call_id, "unknown"])

    assert calls.view(erased[0].call_id) is None
    assert calls.events_after(erased[0].call_id, -1) == []
    assert calls.last_seq(kept[0].call_id) == 2
    assert [view.id for view in calls.running()] == [kept[0].call_id]
