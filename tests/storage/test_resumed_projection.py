"""A fold taken up in the middle is the fold of the whole."""

from hypothesis import given
from hypothesis import strategies as st

from storage.events import (
    CallAnnotated,
    SlotConfirmed,
    SlotCorrected,
)
from storage.projection import fold_call
from storage.resumed_projection import ResumedProjection
from tests.fakes.call_story import numbered, stamped, whole_call


def story():
    *before, end = whole_call()
    return numbered(
        stamped(
            [
                *before,
                SlotConfirmed(goal="booking", slot="date", value="2026-11-25"),
                SlotCorrected(goal="booking", slot="date", value="2026-11-26", previous="2026-11-25"),
                end,
                CallAnnotated(kind="outcome", value="declined"),
            ]
        )
    )


@given(cut=st.integers(0, len(story()) - 1), data=st.data())
def test_resumed_anywhere_the_view_is_that_of_the_whole_call(cut, data):
    events = story()
    call_id = events[0].call_id
    rest = data.draw(st.permutations(events[cut:]))

    resumed = ResumedProjection(fold_call(call_id, events[:cut]), cut - 1)
    for event in rest:
        resumed.fold(event)

    assert resumed.view == fold_call(call_id, events)
    assert resumed.last_seq == events[-1].seq
