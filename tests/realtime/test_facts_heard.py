"""Words that were heard, and whether they name a value."""

from __future__ import annotations

import pytest

from realtime.agent import SlotType
from realtime.facts_heard import names
from realtime.slots import Value


@pytest.mark.parametrize(
    ("words", "kind", "value"),
    [
        ("Thank you, Ann  LEE!", "name", "Ann Lee"),
        ("So Friday it is.", "date", "2026-11-27"),
        ("On the 27th of November.", "date", "2026-11-27"),
        ("November 27th, then.", "date", "2026-11-27"),
        ("at three in the afternoon", "time", "15:00"),
        ("at 3 pm", "time", "15:00"),
        ("at 15:30", "time", "15:30"),
        ("half past, 3:30", "time", "15:30"),
        ("Friday at noon", "datetime", "2026-11-27T12:00"),
        ("It is 555 01 23, right?", "phone", "+12125550123"),
        ("a table for 4", "integer", 4),
        ("a Check-up", "choice", "Check-up"),
    ],
)
def test_a_value_is_found_as_it_is_spoken(words: str, kind: SlotType, value: Value) -> None:
    assert names(words, kind, value)


@pytest.mark.parametrize(
    ("words", "kind", "value"),
    [
        ("Thank you, Annabel.", "name", "Ann"),
        ("So Monday it is.", "date", "2026-11-27"),
        ("at three in the afternoon", "time", "16:00"),
        ("at 15:30", "time", "15:00"),
        ("Friday at noon", "datetime", "2026-11-27T13:00"),
        ("It is 555 01 24.", "phone", "+12125550123"),
        ("a table for 40", "integer", 4),
        ("Yes, of course.", "boolean", True),
    ],
)
def test_another_value_is_not_taken_for_it(words: str, kind: SlotType, value: Value) -> None:
    assert not names(words, kind, value)
