"""A call's life: the whole product of states and inputs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.call import TRANSITIONS, CallInput, CallLife, CallState, ImpossibleInput


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(CallState, CallInput)))
def test_every_pair_either_moves_or_is_refused_and_changes_nothing(
    state: CallState, happened: CallInput
) -> None:
    life = CallLife()
    life.state = state

    if happened in TRANSITIONS[state]:
        assert life.happened(happened) is TRANSITIONS[state][happened] is life.state
    else:
        with pytest.raises(ImpossibleInput, match=happened.value):
            life.happened(happened)
        assert life.state is state


@given(st.lists(st.sampled_from(CallInput)))
def test_a_call_that_is_over_stays_over(inputs: list[CallInput]) -> None:
    life = CallLife()
    was_over = False
    for happened in inputs:
        try:
            life.happened(happened)
        except ImpossibleInput:
            continue
        assert life.over or not was_over
        was_over = life.over


@pytest.mark.parametrize("state", list(CallState))
def test_a_call_can_be_hung_up_in_every_state(state: CallState) -> None:
    life = CallLife()
    life.state = state

    life.happened(CallInput.HUNG_UP)

    assert life.over
