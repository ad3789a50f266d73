from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pacer import MAX_CATCH_UP, Due, Schedule

INTERVAL = 0.02


@pytest.mark.trap(20)
def test_late_wake_ups_never_move_the_deadlines_after_them() -> None:
    schedule = Schedule(100.0, INTERVAL)
    for number in range(50 * 3600):
        assert schedule.next_at == pytest.approx(100.0 + number * INTERVAL, abs=1e-6)
        assert schedule.due(schedule.next_at + (number % 7) * 0.002) == Due(1, 0)


def test_nothing_is_due_before_its_time() -> None:
    assert Schedule(100.0, INTERVAL).due(99.99) == Due(0, 0)


def test_a_short_stall_is_caught_up_at_once() -> None:
    schedule = Schedule(0.0, INTERVAL)
    schedule.due(0.0)

    assert schedule.due(0.061) == Due(3, 0)


def test_after_a_long_stall_no_burst_leaves_and_the_clock_is_kept() -> None:
    schedule = Schedule(0.0, INTERVAL)
    schedule.due(0.0)

    assert schedule.due(0.501) == Due(1, 24)
    assert schedule.next_at == pytest.approx(0.52)


@given(st.lists(st.floats(0, 0.3), max_size=100))
def test_frames_and_skips_together_are_the_time_that_has_passed(waits: list[float]) -> None:
    schedule, now, done = Schedule(0.0, INTERVAL), 0.0, 0
    for wait in waits:
        now += wait
        due = schedule.due(now)
        assert due.frames <= MAX_CATCH_UP
        done += due.frames + due.skipped
    schedule.due(now)

    assert not waits or abs(done - (int(now / INTERVAL + 1e-6) + 1)) == 0
