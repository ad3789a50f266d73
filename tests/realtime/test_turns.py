"""The bookkeeping of turns, by itself."""

from __future__ import annotations

from realtime.turns import Turns
from storage.events import TurnCompleted, TurnStarted


def test_an_agent_who_speaks_first_has_a_turn_without_latency() -> None:
    turns = Turns()
    assert turns.agent_speaks("a1") == [TurnStarted(turn=0, speaker="agent", item_id="a1")]
    assert turns.agent_speaks("a2") == []
    turns.answer_audible(1.0)

    assert turns.close() == [TurnCompleted(turn=0, response_latency_ms=None, tools=[])]
    assert turns.close() == []


def test_the_first_sound_after_the_speech_is_the_latency() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(1.0)
    turns.agent_speaks("a1")
    turns.answer_audible(1.6125)
    turns.answer_audible(3.0)

    assert turns.close() == [TurnCompleted(turn=0, response_latency_ms=612, tools=[])]


def test_speech_before_the_answer_is_audible_goes_on_with_the_turn() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(1.0)
    assert turns.caller_speaks("c2") == []
    turns.answer_audible(1.2)  # a packet of the answer to the first part, before the second was over

    assert turns.close()[0].response_latency_ms is None  # type: ignore[attr-defined]  # a TurnCompleted


def test_speech_into_an_audible_answer_is_a_new_turn() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(1.0)
    turns.answer_audible(1.5)

    assert turns.caller_speaks("c2") == [
        TurnCompleted(turn=0, response_latency_ms=500, tools=[]),
        TurnStarted(turn=1, speaker="caller", item_id="c2"),
    ]


def test_tools_belong_to_the_turn_that_used_them() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.tool_called("look_up")
    turns.tool_called("book")
    assert turns.close() == [TurnCompleted(turn=0, response_latency_ms=None, tools=["look_up", "book"])]
    turns.caller_speaks("c2")

    assert turns.close() == [TurnCompleted(turn=1, response_latency_ms=None, tools=[])]


def test_an_answer_that_seems_to_come_before_the_speech_was_over_took_no_time() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(2.0)
    turns.answer_audible(1.9)

    assert turns.close() == [TurnCompleted(turn=0, response_latency_ms=0, tools=[])]
