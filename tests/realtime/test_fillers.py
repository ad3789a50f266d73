"""When something is to be said while a tool runs."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from realtime.fillers import AFTER_S, Filler, Fillers


def test_words_are_due_two_seconds_after_the_tool_began_if_it_was_quiet_as_long() -> None:
    fillers = Fillers()
    fillers.due(10.0, quiet=True)
    fillers.began("c", "Wait.", 11.0)

    assert fillers.next_deadline() == 13.0
    assert fillers.due(12.9, quiet=True) is None
    assert fillers.due(13.0, quiet=True) == Filler(words="Wait.")
    assert fillers.due(30.0, quiet=True) is None
    assert fillers.next_deadline() is None


def test_nothing_is_due_while_somebody_speaks_and_the_wait_begins_anew_after() -> None:
    fillers = Fillers()
    fillers.began("c", None, 0.0)
    fillers.due(0.0, quiet=True)
    fillers.due(1.0, quiet=False)

    assert fillers.next_deadline() is None
    assert fillers.due(5.0, quiet=True) is None
    assert fillers.next_deadline() == 7.0
    assert fillers.due(7.0, quiet=True) == Filler(words=None)


def test_a_later_tool_has_words_of_its_own() -> None:
    fillers = Fillers()
    fillers.due(0.0, quiet=True)
    fillers.began("a", None, 0.0)
    fillers.began("b", "Still.", 1.0)

    assert fillers.due(2.0, quiet=True) == Filler(words=None)
    assert fillers.due(3.0, quiet=True) == Filler(words="Still.")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("began"), st.sampled_from("abc")),
            st.tuples(st.just("over"), st.sampled_from("abc")),
            st.tuples(st.just("quiet"), st.just("")),
            st.tuples(st.just("speaks"), st.just("")),
            st.tuples(st.just("wait"), st.just("")),
        ),
        max_size=40,
    )
)
def test_words_come_at_most_once_a_call_and_a_deadline_never_stands_still(
    story: list[tuple[str, str]],
) -> None:
    fillers, now, quiet = Fillers(), 0.0, True
    said = began = 0
    for what, call_id in story:
        now += 0.7
        if what == "began":
            fillers.began(call_id, None, now)
            began += 1
        elif what == "over":
            fillers.over(call_id)
        elif what in ("quiet", "speaks"):
            quiet = what == "quiet"
        else:
            now += AFTER_S
        said += fillers.due(now, quiet=quiet) is not None
        deadline = fillers.next_deadline()

        assert said <= began
        assert deadline is None or (quiet and deadline > now)
