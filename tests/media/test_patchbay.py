"""Who hears whom."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.format import SILENT_FRAME
from media.patchbay import AGENT, CALLER, FRAMES_BETWEEN, Ear, Patchbay, Role
from media.tone import hold_tone_period

# Each voice has an amplitude of its own: a sum tells who was in it.
LOUD = {CALLER: 1, AGENT: 10, "sato": 100, "mori": 1000}


def frame(amplitude: int) -> bytes:
    return np.full(480, amplitude, "<i2").tobytes()


def voices(pcm: bytes | None) -> set[str]:
    if pcm is None:
        return set()
    left = int(np.frombuffer(pcm, "<i2")[0])
    found = set()
    for name, amplitude in sorted(LOUD.items(), key=lambda each: -each[1]):
        if left >= amplitude:
            left -= amplitude
            found.add(name)
    assert left == 0
    return found


def one_tick(bay: Patchbay, operators: Iterable[str] = ("sato", "mori")) -> dict[str, set[str]]:
    """Everybody speaks once; who heard whom."""
    for operator in operators:
        bay.from_operator(operator, frame(LOUD[operator]))
    model = bay.from_caller(frame(LOUD[CALLER]))
    caller = bay.to_caller(frame(LOUD[AGENT]))
    heard = {AGENT: voices(model)}
    heard[CALLER] = {"tone"} if caller in hold_tone_period() and bay.ear == "tone" else voices(caller)
    return heard | {operator: voices(bay.to_operator(operator)) for operator in operators}


def bay_with(ear: Ear = "agent", **seats: Role) -> Patchbay:
    bay = Patchbay()
    for operator, role in seats.items():
        bay.seat(operator, role)
    bay.give_ear(ear)
    return bay


def test_without_the_desk_caller_and_agent_hear_each_other_and_nobody_else_is_needed() -> None:
    bay = Patchbay()
    assert bay.plain
    assert one_tick(bay, ()) == {AGENT: {CALLER}, CALLER: {AGENT}}


def test_who_listens_hears_both_and_is_heard_by_nobody() -> None:
    heard = one_tick(bay_with(sato="listen"), ["sato"])
    assert heard == {AGENT: {CALLER}, CALLER: {AGENT}, "sato": {CALLER, AGENT}}


def test_an_operator_who_has_taken_over_is_alone_with_the_caller() -> None:
    heard = one_tick(bay_with("operator", sato="talk"), ["sato"])
    assert heard == {AGENT: set(), CALLER: {"sato"}, "sato": {CALLER}}


def test_an_operator_who_is_about_to_take_over_hears_the_call_and_is_not_heard_yet() -> None:
    heard = one_tick(bay_with("agent", sato="talk"), ["sato"])
    assert heard == {AGENT: {CALLER}, CALLER: {AGENT}, "sato": {CALLER, AGENT}}


def test_who_barges_in_joins_all_three() -> None:
    heard = one_tick(bay_with(sato="barge"), ["sato"])
    assert heard == {AGENT: {CALLER, "sato"}, CALLER: {AGENT, "sato"}, "sato": {CALLER, AGENT}}


def test_on_hold_the_caller_hears_a_tone_and_the_desk_does_not_hear_the_caller() -> None:
    heard = one_tick(bay_with("tone", sato="talk", mori="listen"))
    assert heard == {AGENT: set(), CALLER: {"tone"}, "sato": set(), "mori": set()}


def test_a_listener_hears_the_operator_who_talks_and_the_operator_does_not_hear_the_listener() -> None:
    heard = one_tick(bay_with("operator", sato="talk", mori="listen"))
    assert heard == {AGENT: set(), CALLER: {"sato"}, "sato": {CALLER}, "mori": {CALLER, "sato"}}


def test_who_has_left_is_neither_heard_nor_hears() -> None:
    bay = bay_with("operator", sato="talk")
    one_tick(bay, ["sato"])
    bay.unseat("sato")
    bay.give_ear("agent")
    assert one_tick(bay, ["sato"]) == {AGENT: {CALLER}, CALLER: {AGENT}, "sato": set()}
    assert bay.plain


def test_two_loud_voices_are_clipped_not_wrapped() -> None:
    bay = bay_with(sato="barge")
    bay.from_operator("sato", frame(30000))
    assert bay.to_caller(frame(30000)) == frame(32767)


def test_nobody_speaking_is_nothing_to_send() -> None:
    assert bay_with("operator", sato="talk").to_caller(None) is None


def test_a_burst_is_bounded_and_the_oldest_goes() -> None:
    bay = bay_with("operator", sato="talk")
    for number in range(1, 20):
        bay.from_operator("sato", frame(number))
    taken = []
    while (pcm := bay.to_caller(None)) is not None:
        taken.append(int(np.frombuffer(pcm, "<i2")[0]))
    assert taken == list(range(20 - FRAMES_BETWEEN, 20))


def test_a_delay_that_piled_up_is_worked_off() -> None:
    bay = bay_with("operator", sato="talk")
    for _ in range(FRAMES_BETWEEN - 1):
        bay.from_operator("sato", SILENT_FRAME)
    for number in range(1, 300):
        bay.from_operator("sato", frame(number))
        pcm = bay.to_caller(None)
    assert pcm is not None
    assert 299 - int(np.frombuffer(pcm, "<i2")[0]) <= 1  # frames: at most 20 ms behind


EARS = st.sampled_from(["agent", "operator", "tone"])
ROLES = st.sampled_from(["talk", "barge", "listen"])


@given(EARS, st.dictionaries(st.sampled_from(["sato", "mori"]), ROLES))
def test_what_is_heard_is_what_the_table_says(ear: Ear, seats: dict[str, Role]) -> None:
    bay = bay_with(ear, **seats)
    heard = one_tick(bay, seats)
    for who, found in heard.items():
        assert found - {"tone"} == bay.hears(who)
        assert who not in found
    listeners = {who for who, role in seats.items() if role == "listen"}
    assert not listeners & set().union(*heard.values())
    if ear != "agent":
        assert heard[AGENT] == set()


@pytest.mark.parametrize("ear", ["agent", "operator"])
def test_giving_the_ear_to_who_has_it_changes_nothing(ear: Ear) -> None:
    bay = bay_with(ear, sato="talk")
    before = bay.hears(CALLER)
    bay.give_ear(ear)
    assert bay.hears(CALLER) == before
