"""A caller who waits is heard from, step by step."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from realtime.watchdog import STEPS, Step, Watchdog


def steps_until(watchdog: Watchdog, end: float) -> list[tuple[float, Step]]:
    taken = []
    while (at := watchdog.next_deadline()) is not None and at <= end:
        step = watchdog.due(at)
        assert step is not None
        taken.append((at, step))
    return taken


def test_the_steps_follow_one_another_and_each_is_given_once() -> None:
    watchdog = Watchdog()
    watchdog.awaited(100.0)
    watchdog.awaited(103.0)  # still the same wait

    assert steps_until(watchdog, 1000.0) == [(100.0 + after, step) for after, step in STEPS]
    assert watchdog.next_deadline() is None


def test_an_answer_in_time_is_left_alone() -> None:
    watchdog = Watchdog()
    watchdog.awaited(100.0)
    watchdog.satisfied()

    assert steps_until(watchdog, 1000.0) == []
    assert watchdog.waited_ms(200.0) == 0


def test_the_next_wait_begins_with_the_first_step() -> None:
    watchdog = Watchdog()
    watchdog.awaited(100.0)
    assert watchdog.due(104.5) is Step.FILLER
    watchdog.satisfied()
    watchdog.awaited(200.0)

    assert watchdog.due(204.0) is Step.FILLER


def test_the_time_of_a_tool_does_not_count() -> None:
    watchdog = Watchdog()
    watchdog.awaited(100.0)
    watchdog.hold(True, 101.0)
    assert watchdog.next_deadline() is None
    assert watchdog.waited_ms(150.0) == 1000
    watchdog.hold(False, 131.0)

    assert watchdog.next_deadline() == 134.0


def test_a_wait_that_begins_while_the_clock_is_held_counts_from_its_release() -> None:
    watchdog = Watchdog()
    watchdog.hold(True, 90.0)
    watchdog.awaited(100.0)
    assert watchdog.waited_ms(110.0) == 0
    watchdog.hold(False, 120.0)

    assert watchdog.next_deadline() == 124.0


HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["awaited", "satisfied", "hold", "release", "wake"]), st.floats(0.01, 9)),
    max_size=60,
)


@given(HAPPENINGS)
def test_however_it_goes_a_wait_is_heard_or_reaches_the_notice_in_its_time(
    happenings: list[tuple[str, float]],
) -> None:
    watchdog = Watchdog()
    now = 0.0
    for what, wait in happenings:
        now += wait
        steps_until(watchdog, now)
        match what:
            case "awaited":
                watchdog.awaited(now)
            case "satisfied":
                watchdog.satisfied()
            case "hold" | "release":
                watchdog.hold(what == "hold", now)
        deadline = watchdog.next_deadline()
        assert deadline is None or deadline >= now - 1e-6, "a deadline that has passed would wake for ever"
    watchdog.satisfied()
    watchdog.hold(False, now)
    watchdog.awaited(now)

    taken = steps_until(watchdog, now + STEPS[-1][0] + 1e-6)
    assert [step for _, step in taken] == [step for _, step in STEPS]


def test_a_session_that_has_just_come_up_is_given_the_time_to_answer() -> None:
    watchdog = Watchdog()
    watchdog.awaited(0.0)
    assert watchdog.due(4.0) is Step.FILLER
    watchdog.fresh_session(5.5)
    assert watchdog.due(6.0) is None

    assert watchdog.next_deadline() == 8.5
    assert watchdog.due(8.5) is Step.REASK
    watchdog.fresh_session(19.0)
    assert watchdog.due(22.0) is Step.NEW_SESSION


def test_a_new_session_delays_neither_the_filler_nor_the_last_notice() -> None:
    watchdog = Watchdog()
    watchdog.awaited(0.0)
    watchdog.fresh_session(3.9)
    assert watchdog.due(4.0) is Step.FILLER
    for at in (8.0, 12.0, 16.0):
        assert watchdog.due(at) is not None
    watchdog.fresh_session(19.9)

    assert watchdog.due(20.0) is Step.NOTICE
