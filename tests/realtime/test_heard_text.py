"""The share of a text that was heard, in whole words."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime.heard_text import MS_PER_LETTER, MS_PER_WIDE_SIGN, spoken_ms, spoken_prefix


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
