import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.simulator.mind.aloud import time_aloud
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.times import find_time


def time(words: str, *, expected: bool = False) -> str | None:
    found = find_time(plain(words), expected=expected)
    return found.value if found else None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("three pm", "15:00"),
        ("3 p.m.", "15:00"),
        ("Three p M..", "15:00"),
        ("10 am", "10:00"),
        ("Ten a.m.", "10:00"),
        ("half past two", "14:30"),
        ("half-past two", "14:30"),
        ("at quarter to five", "16:45"),
        ("a quarter past nine", "09:15"),
        ("Have passed to, please.", "14:30"),
        ("At half pass three.", "15:30"),
        ("A quarter pass nine.", "09:15"),
        ("Forpm.", "16:00"),
        ("twenty past three", "15:20"),
        ("ten minutes to eleven", "10:50"),
        ("ten thirty", "10:30"),
        ("10:30", "10:30"),
        ("at 14:30", "14:30"),
        ("three o'clock", "15:00"),
        ("eleven o'clock in the morning", "11:00"),
        ("noon", "12:00"),
        ("at three", "15:00"),
        ("around nine", "09:00"),
        ("tomorrow afternoon at two", "14:00"),
        ("7 in the evening", "19:00"),
        ("12 am", "00:00"),
        ("for three people", None),
        ("at 25", None),
        ("three", None),
    ],
)
def test_a_time_is_understood(words: str, expected: str | None) -> None:
    assert time(words) == expected


def test_a_lone_number_is_a_time_when_one_was_asked_for() -> None:
    assert time("Three.", expected=True) == "15:00"


def test_the_corrected_time_counts() -> None:
    assert time("at three, no, at four") == "16:00"


@given(st.integers(0, 23), st.sampled_from([0, 5, 15, 30, 45, 59]))
def test_every_time_survives_being_said_aloud(hour: int, minute: int) -> None:
    clock = f"{hour:02d}:{minute:02d}"

    assert time(f"at {time_aloud(clock)}") == clock
