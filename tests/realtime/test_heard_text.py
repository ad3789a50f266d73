"""The share of a text that was heard, in whole words."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime.heard_text import MS_PER_LETTER, MS_PER_WIDE_SIGN, aligned_prefix, spoken_ms, spoken_prefix


@pytest.mark.parametrize(
    ("text", "heard_ms", "total_ms", "expected"),
    [
        ("We are open until five.", 0, 2000, ""),
        ("We are open until five.", 2000, 2000, "We are open until five."),
        ("We are open until five.", 2500, 2000, "We are open until five."),
        ("We are open until five.", 1000, 2000, "We are open"),  # 11.5 of 23 signs
        ("We are open until five.", 900, 2000, "We are"),  # in the middle of "open"
        ("We are open until five.", 1950, 2000, "We are open until five"),  # only the full stop is missing
        ("Hello, world", 500, 1200, "Hello"),  # the comma is not a sound
        ("Hello, world", 600, 1200, "Hello,"),
        ("It costs 10.30 euros", 1200, 2000, "It costs"),  # ten is not ten thirty
        ("Unglaublich", 1000, 1100, ""),
        ("九時から五時まで営業しております。", 1000, 2000, "九時から五時まで"),
        ("はい、Cordboardです", 700, 1500, "はい、"),  # the Latin word was not heard to its end
        ("はい、Cordboardです", 1260, 1400, "はい、Cordboardで"),
        ("", 500, 1000, ""),
        ("Hello", 500, 0, ""),
    ],
)
def test_whole_words_are_heard(text: str, heard_ms: int, total_ms: int, expected: str) -> None:
    assert spoken_prefix(text, heard_ms, total_ms) == expected


def test_signs_of_chinese_and_japanese_take_longer_than_letters() -> None:
    assert spoken_ms("abc") == 3 * MS_PER_LETTER
    assert spoken_ms("営業中") == 3 * MS_PER_WIDE_SIGN
    assert spoken_ms("") == 0


@given(text=st.text(max_size=80), heard=st.floats(0, 3000), total=st.floats(0, 3000))
def test_what_was_heard_is_a_prefix_of_what_was_said(text: str, heard: float, total: float) -> None:
    assert text.startswith(spoken_prefix(text, heard, total))


@given(text=st.text(alphabet="ab c.,é語", max_size=60), heard=st.floats(0, 1000), more=st.floats(0, 1000))
def test_hearing_longer_is_hearing_no_less(text: str, heard: float, more: float) -> None:
    shorter = spoken_prefix(text, heard, 1000)
    longer = spoken_prefix(text, heard + more, 1000)

    assert longer.startswith(shorter)


# "We open at nine." came before any audio, the rest after 1 s and 2 s of it: its words are said more slowly.
IN_PIECES = "We open at nine. And we close at five. Every day."
PIECES = [(0.0, 0), (1000.0, 16), (2000.0, 38)]


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (0, ""),
        (1000, "We open at nine."),
        (1500, "We open at nine. And we"),
        (2000, "We open at nine. And we close at five."),
        (3000, IN_PIECES),
    ],
)
def test_text_that_came_between_the_audio_tells_where_it_is_said(heard_ms: int, text: str) -> None:
    assert aligned_prefix(IN_PIECES, PIECES, heard_ms, 3000) == text


def test_a_pause_in_the_audio_is_not_taken_for_words() -> None:
    """Two seconds of silence before the last words: the share of the audio alone is ahead."""
    pieces = [(0.0, 0), (500.0, 8), (2500.0, 10)]
    text = "We open at nine."

    assert spoken_prefix(text, 2400, 3000) == "We open at"
    assert aligned_prefix(text, pieces, 2400, 3000) == "We open"
    assert aligned_prefix(text, pieces, 2600, 3000) == "We open at"


@pytest.mark.parametrize(
    "pieces", [[], [(0.0, 0)], [(0.0, 0), (0.0, 4), (0.0, 9)], [(0.0, 0), (20.0, 4), (40.0, 9)]]
)
def test_text_that_ran_far_ahead_of_its_audio_tells_nothing(pieces: list[tuple[float, int]]) -> None:
    assert aligned_prefix(IN_PIECES, pieces, 1000, 3000) is None


@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.floats(0, 500), st.integers(0, 8)), max_size=8),
    st.floats(0, 4000),
    st.floats(1, 4000),
)
def test_whatever_came_when_the_estimate_is_a_prefix_and_never_shrinks(
    text: str, steps: list[tuple[float, int]], heard_ms: float, total_ms: float
) -> None:
    pieces, position, signs = [], 0.0, 0
    for more_ms, more_signs in steps:
        pieces.append((position, min(signs, len(text))))
        position, signs = position + more_ms, signs + more_signs

    less = aligned_prefix(text, pieces, heard_ms / 2, total_ms)
    more = aligned_prefix(text, pieces, heard_ms, total_ms)
    if less is not None and more is not None:
        assert text.startswith(more)
        assert more.startswith(less)
