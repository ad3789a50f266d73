"""Events of one call from several places: nothing twice, nothing out of place, nothing across a hole."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.gaps import HOLE_STAYS_AFTER, merged, unbroken
from tests.fakes.call_story import NOON, numbered, said, stamped, started

CALL = numbered(stamped([started(), *[said(n, str(n)) for n in range(11)]]))
SOON = NOON + timedelta(seconds=30)
SOME = st.sets(st.integers(0, 11)).map(lambda seqs: [CALL[seq] for seq in sorted(seqs)])


@given(a=SOME, b=SOME, c=SOME, after=st.integers(-1, 12))
def test_from_all_places_each_event_comes_once_and_in_order(a, b, c, after):
    together = merged(a, b, c, after=after)

    assert together == [event for event in CALL if event in [*a, *b, *c] and event.seq > after]


@given(events=SOME, after=st.integers(-1, 12))
def test_nothing_is_handed_out_across_a_hole_that_may_still_be_filled(events, after):
    known = merged(events, after=after)

    shown = unbroken(known, after=after, now=SOON)

    assert [event.seq for event in shown] == list(range(after + 1, after + 1 + len(shown)))
    assert len(shown) == len(known) or known[len(shown)].seq > after + 1 + len(shown)


@given(events=SOME, after=st.integers(-1, 12))
def test_a_hole_that_has_stayed_for_long_is_no_longer_waited_for(events, after):
    known = merged(events, after=after)

    assert unbroken(known, after=after, now=NOON + timedelta(seconds=12) + HOLE_STAYS_AFTER) == known
