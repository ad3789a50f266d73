"""The token bucket and the list of used tickets, with the time as an argument."""

from hypothesis import given
from hypothesis import strategies as st

from signaling.web.single_use import SingleUse
from signaling.web.throttle import Throttle


@given(
    per_minute=st.integers(1, 100),
    waits=st.lists(st.floats(0, 5, allow_nan=False), max_size=200),
)
def test_no_history_gets_more_through_than_the_burst_and_the_rate_allow(per_minute, waits):
    throttle, now, allowed = Throttle(per_minute=per_minute), 0.0, 0
    for wait in waits:
        now += wait
        allowed += throttle.take("a", now) == 0

    assert allowed <= per_minute + per_minute * now / 60 + 1e-6


@given(per_minute=st.integers(1, 100), taken=st.integers(1, 300))
def test_who_waits_as_long_as_told_is_let_through(per_minute, taken):
    throttle = Throttle(per_minute=per_minute)
    for _ in range(taken):
        wait_s = throttle.take("a", 0.0)

    assert throttle.take("a", 0.0 + wait_s) == 0 or wait_s == 0


def test_one_address_does_not_use_up_anothers():
    throttle = Throttle(per_minute=1)

    assert [throttle.take("a", 0), throttle.take("b", 0)] == [0, 0]
    assert throttle.take("a", 0) == 60


def test_zero_means_no_limit():
    throttle = Throttle(per_minute=0)

    assert {throttle.take("a", 0) for _ in range(1000)} == {0}


def test_a_clock_that_goes_back_takes_nothing_away():
    throttle = Throttle(per_minute=2)
    throttle.take("a", 100)

    assert throttle.take("a", 0) == 0


def test_only_so_many_addresses_are_remembered():
    throttle = Throttle(per_minute=1, capacity=2)
    for address in ("a", "b", "c"):
        throttle.take(address, 0)

    assert throttle.take("a", 0) == 0
    assert throttle.take("c", 0) > 0


def test_a_ticket_is_taken_once_and_forgotten_when_it_has_expired():
    used = SingleUse(capacity=2)

    assert used.take("a", expires_at=10, now=0)
    assert not used.take("a", expires_at=10, now=0)
    assert used.take("b", expires_at=100, now=0)
    assert used.take("c", expires_at=100, now=11)
    assert len(used) == 2


def test_a_full_list_refuses_rather_than_forgetting_a_live_ticket():
    used = SingleUse(capacity=1)
    used.take("a", expires_at=10, now=0)

    assert not used.take("b", expires_at=10, now=0)
    assert not used.take("a", expires_at=10, now=0)
