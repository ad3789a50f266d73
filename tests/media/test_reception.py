from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from media.reception import Reception

CLOCK = 48_000


def feed(reception: Reception, numbers: list[int], start: int = 65_500) -> None:
    for number in numbers:
        reception.packet((start + number) & 0xFFFF, number * 960, number * 0.02)


@given(st.sets(st.integers(0, 400), min_size=2), st.integers(0, 0xFFFF))
def test_what_is_missing_is_counted_across_the_wrap(numbers: set[int], start: int) -> None:
    reception = Reception(CLOCK)

    feed(reception, sorted(numbers), start)

    assert reception.expected == max(numbers) - min(numbers) + 1
    assert reception.lost == reception.expected - len(numbers)


def test_reordered_packets_are_not_lost() -> None:
    reception = Reception(CLOCK)

    feed(reception, [0, 2, 1, 4, 3])

    assert reception.lost == 0


def test_the_fraction_is_of_the_time_since_the_last_report() -> None:
    reception = Reception(CLOCK)
    feed(reception, [number for number in range(100) if number % 4])
    first = reception.fraction_lost()
    feed(reception, list(range(100, 200)))

    assert abs(first - 64) <= 2
    assert reception.fraction_lost() == 0


def test_jitter_settles_at_the_mean_deviation() -> None:
    chance = random.Random(7)
    reception = Reception(CLOCK)
    for number in range(2000):
        reception.packet(number, number * 960, number * 0.02 + chance.choice((0, 0.010)))

    assert 3 < reception.jitter_ticks / 48 < 7


def test_a_sender_that_begins_again_does_not_look_like_loss() -> None:
    reception = Reception(CLOCK)
    feed(reception, list(range(50)), 100)
    feed(reception, list(range(50)), 40_000)

    assert reception.lost == 0
    assert reception.expected == 100
