"""The bookkeeping of turns, by itself."""

from __future__ import annotations

from realtime.turns import Turns
from storage.events import LatencyBreakdown, TurnCompleted, TurnStarted


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


def completed(turns: Turns) -> TurnCompleted:
    (event,) = turns.close()
    assert isinstance(event, TurnCompleted)
    return event


def test_the_latency_is_taken_apart_into_the_stations_of_the_answer() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(1.0, proven_at=1.5, told_at=1.5404)
    turns.answer_comes(1.9)
    turns.answer_comes(2.0)
    turns.answer_audible(1.9156, 65.0)

    event = completed(turns)

    assert event.latency_breakdown == LatencyBreakdown(
        endpointing_ms=500, transport_in_ms=40, model_ms=360, playout_ms=16, transport_out_ms=65
    )
    assert event.response_latency_ms == 500 + 40 + 360 + 16


def test_words_before_the_answer_begin_its_stations_anew() -> None:
    turns = Turns()
    turns.caller_speaks("c1")
    turns.caller_stopped(1.0, proven_at=1.2, told_at=1.2)
    turns.answer_comes(1.3)  # of an answer that the next words made void
    turns.caller_speaks("c2")
    turns.caller_stopped(2.0, proven_at=2.2, told_at=2.3)
    turns.answer_comes(2.5)
    turns.answer_audible(2.6, 40.0)

    assert completed(turns).latency_breakdown == LatencyBreakdown(
        endpointing_ms=200, transport_in_ms=100, model_ms=200, playout_ms=100, transport_out_ms=40
    )


def test_a_latency_one_of_whose_stations_was_not_seen_is_not_taken_apart() -> None:
    without_audio, without_way_out = Turns(), Turns()
    for turns in (without_audio, without_way_out):
        turns.caller_speaks("c1")
        turns.caller_stopped(1.0, proven_at=1.2, told_at=1.3)
    without_audio.answer_audible(1.6, 40.0)
    without_way_out.answer_comes(1.5)
    without_way_out.answer_audible(1.6)

    for turns in (without_audio, without_way_out):
        event = completed(turns)
        assert event.latency_breakdown is None
        assert event.response_latency_ms == 600
