"""When the next session is opened, on which model, and when nobody tries any more."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime.continuity import (
    FAILURES,
    GIVE_UP_S,
    TRIES_A_MODEL,
    WINDOW_S,
    Continuity,
    Rotation,
    SessionSpan,
)


def test_the_first_attempt_is_at_once_and_the_next_ones_after_growing_pauses() -> None:
    continuity = Continuity(["m"])
    pauses = []
    now = 100.0
    while continuity.lost("closed_1011", now):
        assert continuity.open_at is not None
        pauses.append(continuity.open_at - now)
        now = continuity.open_at
        assert continuity.due(now)
        assert not continuity.due(now), "one attempt, once"

    assert pauses == [0.0, 0.25, 0.5, 1.0, 2.0]


def test_the_gap_is_counted_from_the_first_loss_whatever_failed_since() -> None:
    continuity = Continuity(["m"])
    continuity.lost("closed_1011", 100.0)
    continuity.lost("unreachable", 100.2)

    assert continuity.restored(101.0) == ("closed_1011", 1000)
    assert continuity.restored(102.0) is None


def test_drops_that_are_far_apart_never_add_up() -> None:
    continuity = Continuity(["m"])
    for number in range(50):
        now = number * (WINDOW_S / (FAILURES - 2))
        assert continuity.lost("closed_1006", now)
        assert continuity.due(now + 2.0)
        continuity.restored(now + 2.1)


def test_drops_of_sessions_that_worked_never_add_up_either() -> None:
    continuity = Continuity(["m"])
    for number in range(50):
        assert continuity.lost("closed_1006", number * 0.5)
        continuity.restored(number * 0.5 + 0.1)
        continuity.worked()


def test_sessions_that_come_up_and_drop_before_they_have_answered_are_given_up() -> None:
    continuity = Continuity(["m"])
    tries = 0
    while continuity.lost("closed_1011", tries * 0.5):
        continuity.restored(tries * 0.5 + 0.1)
        tries += 1

    assert tries == FAILURES - 1


def test_a_caller_is_not_left_without_a_session_for_longer_than_is_bearable() -> None:
    continuity = Continuity(["m"])
    continuity.lost("closed_1006", 0.0)

    assert not continuity.lost("timeout", GIVE_UP_S)


def test_the_next_configured_model_takes_over_from_one_that_cannot_be_reached() -> None:
    continuity = Continuity(["first", "second"])
    for number in range(TRIES_A_MODEL):
        assert continuity.model == "first", number
        continuity.lost("server_error", number * 0.1)

    assert continuity.model == "second"
    assert not continuity.next_model()


def test_a_planned_renewal_is_no_failure() -> None:
    continuity = Continuity(["m"])
    for now in range(FAILURES * 2):
        assert continuity.lost("rotation", now, planned=True)
        assert continuity.due(now)
        assert continuity.restored(now + 0.1) == ("rotation", 100)


@given(st.lists(st.tuples(st.floats(0, 8), st.booleans()), max_size=60))
def test_whatever_fails_an_attempt_follows_within_two_seconds_or_it_is_over(
    happenings: list[tuple[float, bool]],
) -> None:
    continuity = Continuity(["a", "b"])
    now = 0.0
    for wait, opens in happenings:
        now += wait
        if not continuity.lost("x", now):
            return
        assert continuity.open_at is not None
        assert now <= continuity.open_at <= now + 2.0
        now = continuity.open_at
        assert continuity.due(now)
        if opens:
            assert continuity.restored(now) is not None


def test_a_session_is_renewed_in_the_first_silence_after_its_time() -> None:
    rotation = Rotation()
    rotation.started(0.0)
    assert rotation.next_deadline() == 50 * 60
    assert not rotation.due(50 * 60 - 1, silent=True)

    assert not rotation.due(50 * 60, silent=False)
    assert rotation.next_deadline() == 58 * 60
    assert rotation.due(50 * 60 + 7, silent=True)


def test_before_the_cap_it_is_renewed_though_somebody_speaks() -> None:
    rotation = Rotation()
    rotation.started(0.0)

    assert rotation.due(58 * 60, silent=False)


def test_a_server_that_gives_sessions_less_time_is_believed() -> None:
    rotation = Rotation()
    rotation.started(0.0, lives_s=1800.0)

    assert not rotation.due(1200.0 - 1, silent=True)
    assert rotation.due(1800.0 - 120.0, silent=False)


@pytest.mark.parametrize("lives_s", [0.0, 10.0, -5.0, 599.0])
def test_a_server_whose_clock_differs_does_not_make_us_renew_for_ever(lives_s: float) -> None:
    rotation = Rotation()
    rotation.started(0.0, lives_s=lives_s)

    assert rotation.soft_at == 50 * 60


def test_the_span_of_another_provider_can_be_set() -> None:
    rotation = Rotation(SessionSpan(max_s=20.0, rotate_before_s=10.0))
    rotation.started(100.0)

    assert (rotation.soft_at, rotation.hard_at) == (110.0, 118.0)


@given(st.floats(10, 1e5), st.floats(1, 1e5), st.none() | st.floats(-1e5, 1e5))
def test_whatever_is_set_and_told_a_session_is_renewed_before_its_end_and_not_at_its_beginning(
    max_s: float, rotate_before_s: float, lives_s: float | None
) -> None:
    rotation = Rotation(SessionSpan(max_s=max_s, rotate_before_s=rotate_before_s))
    rotation.started(0.0, lives_s=lives_s)

    assert rotation.soft_at is not None
    assert rotation.hard_at is not None
    assert 0 <= rotation.soft_at < rotation.hard_at < max_s
