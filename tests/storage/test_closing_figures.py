"""The figures of a call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.closing_figures import CallMetrics, percentile
from storage.events import ToolFinished, TurnCompleted, UsageRecorded
from tests.fakes.call_story import whole_call


def test_a_call_is_summed_up() -> None:
    metrics = CallMetrics()
    for event in whole_call():
        metrics.add(event)
    metrics.add(
        ToolFinished(name="look_up", call_item_id="f2", ok=False, duration_ms=9, output="", error="timeout")
    )
    metrics.add(TurnCompleted(turn=3, response_latency_ms=800, tools=[]))
    for _ in range(2):
        metrics.add(
            UsageRecorded(
                response_id="r",
                model="m",
                input_tokens=100,
                output_tokens=50,
                input_audio_tokens=80,
                input_text_tokens=20,
                cached_tokens=10,
                output_audio_tokens=40,
                output_text_tokens=10,
            )
        )

    assert metrics.summary() == {
        "turns": 2,
        "interruptions": 1,
        "latency_p50_ms": 420,
        "latency_p95_ms": 800,
        "tools": {
            "look_up": {"called": 0, "failed": 1},
            "schedule_appointment": {"called": 1, "failed": 0},
        },
        "tokens": {
            "input": 200,
            "output": 100,
            "input_audio": 160,
            "input_text": 40,
            "cached": 20,
            "output_audio": 80,
            "output_text": 20,
        },
    }


def test_a_call_without_an_answer_has_no_latency() -> None:
    metrics = CallMetrics()
    metrics.add(TurnCompleted(turn=1, response_latency_ms=None, tools=[]))

    assert metrics.summary()["latency_p50_ms"] is None
    assert metrics.summary()["turns"] == 1


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[int], share: int) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= share * len(values)
    assert sum(value < found for value in values) * 100 < share * len(values)
