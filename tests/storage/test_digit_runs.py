"""Digits in a row, written and said."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.digit_runs import digit_runs, ends_open


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4242 4242", ["42424242"]),
        ("4242-4242, 42", ["4242424242"]),
        ("４２４２ー４２", ["424242"]),
        ("four two, FOUR two", ["4242"]),
        ("double four triple two", ["44222"]),
        ("forty-two forty two twelve", ["424212"]),
        ("よん に、よんに", ["4242"]),
        ("きゅうしちしはちく", ["97489"]),
        ("〇九〇の一二三四", ["0901234"]),
        ("oh nine oh and then one", ["0901"]),
        ("1,234,567", ["1234567"]),
        ("10:30", ["10", "30"]),
        ("someone won an award at noon", []),
        ("2026-11-25", []),
        ("25.11.2026", []),
        ("0193f4e0-1234-7123-8123-123456789012", []),
        ("12 people, 3 rooms", ["12", "3"]),
        ("", []),
    ],
)
def test_what_is_a_row_and_what_breaks_one(text: str, digits: list[str]) -> None:
    assert [run.digits for run in digit_runs(text)] == digits


@given(st.text())
def test_groups_lie_in_the_text_one_behind_the_other(text: str) -> None:
    groups = [group for run in digit_runs(text) for group in run.groups]

    assert all(0 <= group.start < group.end <= len(text) and group.digits.isdecimal() for group in groups)
    assert all(one.end <= other.start for one, other in itertools.pairwise(groups))


def test_a_row_at_the_end_may_go_on_and_one_in_the_middle_does_not() -> None:
    (last,) = digit_runs("it is 42 42, ")
    (middle,) = digit_runs("it is 42 42, I think")

    assert ends_open("it is 42 42, ", last)
    assert not ends_open("it is 42 42, I think", middle)
