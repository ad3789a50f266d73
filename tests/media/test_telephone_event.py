from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.telephone_event import DIGITS, Press, TelephoneEvents

STEP = 160


def press(digit: str, at: int, frames: int = 5) -> list[tuple[int, bytes]]:
    """The packets of one press: an update each 20 ms, the end three times."""
    event = DIGITS.index(digit)
    updates = [bytes((event, 10)) + (STEP * n).to_bytes(2, "big") for n in range(1, frames)]
    end = bytes((event, 0x80 | 10)) + (STEP * frames).to_bytes(2, "big")
    return [(at, payload) for payload in [*updates, end, end, end]]


def hear(packets: list[tuple[int, bytes]], *, settle: bool = True) -> list[Press]:
    events, now, presses = TelephoneEvents(8_000), 0.0, []
    for timestamp, payload in packets:
        now += 0.02
        presses += events.receive(timestamp, payload, now)
    return presses + (events.advance(now + 1) if settle else [])


def test_a_press_is_told_once_with_its_length() -> None:
    assert hear(press("5", 1000), settle=False) == [Press("5", 100)]


def test_every_key_of_a_telephone_is_known() -> None:
    packets = [packet for number, digit in enumerate(DIGITS) for packet in press(digit, number * 10_000)]

    assert "".join(p.digit for p in hear(packets)) == DIGITS


@pytest.mark.trap(24)
@given(
    st.lists(st.sampled_from(DIGITS), min_size=1, max_size=6),
    st.data(),
)
def test_no_loss_or_doubling_makes_a_press_count_twice_or_vanish(
    digits: list[str], data: st.DataObject
) -> None:
    packets: list[tuple[int, bytes]] = []
    for number, digit in enumerate(digits):
        run = press(digit, number * 10_000)
        kept = data.draw(st.lists(st.integers(0, len(run) - 1), min_size=1, max_size=12).map(sorted))
        packets += [run[index] for index in kept]

    assert [p.digit for p in hear(packets)] == digits


def test_when_all_ends_are_lost_silence_ends_the_press() -> None:
    events = TelephoneEvents(8_000)
    for timestamp, payload in press("7", 0)[:4]:
        assert events.receive(timestamp, payload, 1.0) == []

    assert events.advance(1.1) == []
    assert events.advance(1.3) == [Press("7", 80)]
    assert events.advance(9.0) == []


def test_a_very_long_press_in_two_segments_is_one_press() -> None:
    event = DIGITS.index("#")
    first = [(0, bytes((event, 10)) + (0xFFFF).to_bytes(2, "big"))]
    second = [(0xFFFF, bytes((event, 0x80)) + (800).to_bytes(2, "big"))] * 3

    assert hear(first + second) == [Press("#", (0xFFFF + 800) * 1000 // 8000)]


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=8))))
def test_no_bytes_make_it_fail(packets: list[tuple[int, bytes]]) -> None:
    hear(packets)


def test_late_packets_of_an_earlier_press_are_recognised() -> None:
    first, second = press("1", 0), press("2", 10_000)

    assert [p.digit for p in hear([*first, *second, *first[-2:]])] == ["1", "2"]
    assert all(a != b for a, b in pairwise([p.digit for p in hear([*first, *second])]))
