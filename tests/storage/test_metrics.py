"""A call measured from its log: ten calls with figures computed by hand, and no matter how the events come."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.codec import decode
from storage.envelope import Envelope
from storage.events import CallAnswered, TranscriptFinal, TurnCompleted
from storage.metrics import adds_up, as_json, measure
from storage.prices import with_own_prices
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.measured_calls import begun, line, over, random_calls, recorded, used

LOGS = Path(__file__).parent / "event_logs"
GOLDENS: dict[str, dict[str, Any]] = json.loads((LOGS / "goldens.json").read_text())
# Stand in the figures for what reads them: raw samples, where a latency went, the log's own words.
NOT_COMPUTED = {"started_at", "breakdown", "jitter_ms", "rtt_ms", "price_table"}


def log_of(name: str) -> list[Envelope]:
    return [decode(each) for each in (LOGS / f"{name}.jsonl").read_text().splitlines()]


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(each) for name, each in value.items() if name not in NOT_COMPUTED}
    return [without(each) for each in value] if isinstance(value, list) else value


def test_every_log_has_its_goldens() -> None:
    assert sorted(path.stem for path in LOGS.glob("*.jsonl")) == sorted(GOLDENS)
    assert len(GOLDENS) == 10


@pytest.mark.parametrize("name", GOLDENS)
def test_what_is_measured_is_what_was_computed_by_hand(name: str) -> None:
    assert without(as_json(measure(log_of(name)))) == GOLDENS[name]


@pytest.mark.parametrize("name", GOLDENS)
def test_the_order_and_repetition_of_a_log_change_nothing(name: str) -> None:
    log = log_of(name)
    shuffled = [*log, *log[::2]]
    random.Random(name).shuffle(shuffled)

    assert measure(shuffled) == measure(log)


@pytest.mark.parametrize("name", [name for name in GOLDENS if name[:2] not in ("05", "08")])
def test_the_parts_of_every_recorded_latency_add_up(name: str) -> None:
    answers = measure(log_of(name)).answers

    assert answers
    assert all(adds_up(answer) for answer in answers)


@given(call=random_calls(), chance=st.randoms(use_true_random=False))
def test_any_permutation_and_repetition_gives_the_same_figures(
    call: list[Envelope], chance: random.Random
) -> None:
    delivered = [*call, *chance.choices(call, k=len(call))]
    chance.shuffle(delivered)

    assert measure(delivered) == measure(call)


@given(call=random_calls(), chance=st.randoms(use_true_random=False))
def test_figures_stay_within_what_they_can_be(call: list[Envelope], chance: random.Random) -> None:
    some = [each for each in call if chance.random() < 0.8]

    metrics = measure(some)

    assert metrics.turns == len(metrics.answers)
    assert metrics.repairs <= metrics.user_turns
    assert metrics.slots.confirmed <= metrics.slots.filled
    assert metrics.stops.without_words <= metrics.stops.judged <= metrics.stops.count
    for share in (
        metrics.heard.ratio,
        metrics.speech.talk_ratio if metrics.speech else None,
        metrics.dead_air.silence_share if metrics.dead_air else None,
    ):
        assert share is None or 0 <= share <= 1
    if metrics.dead_air is not None:
        assert metrics.dead_air.total_ms <= max(metrics.dead_air.listened_ms, 0)
    assert json.loads(msgspec.json.encode(as_json(metrics))) == as_json(metrics)


def test_an_empty_or_broken_log_is_measured_too() -> None:
    broken = [msgspec.structs.replace(each, data={"duration_ms": "long"}) for each in stamped(whole_call())]

    assert measure([]).complete is False
    assert measure(broken).turns == 0


def test_a_log_with_a_hole_is_not_complete() -> None:
    log = log_of("01_a_booking")

    assert measure(log).complete
    assert not measure(log[:5] + log[6:]).complete
    assert not measure(log[:-1]).complete
    assert not measure(log[1:]).complete


@pytest.mark.parametrize(("gap_ms", "counted"), [(3_000, []), (3_001, [3_001])])
def test_dead_air_is_more_than_three_seconds(gap_ms: int, counted: list[int]) -> None:
    begins = 1_000 + gap_ms
    call = recorded(
        [
            (0, begun()),
            (0, CallAnswered(setup_ms=0, codec="opus")),
            (1_000, line("agent", 0, 1_000)),
            (begins + 500, line("caller", begins, begins + 500)),
            (begins + 600, over(begins + 600, hung_up_ms=begins + 500)),
        ]
    )

    dead_air = measure(call).dead_air

    assert dead_air is not None
    assert dead_air.gaps_ms == counted


@pytest.mark.parametrize(
    ("said_ms", "text", "interrupts"),
    [
        (499, "I want to book", False),
        (500, "I want to book", True),
        (1_000, "yes right", False),
        (1_000, "yes that is right", True),
        (1_001, "yes right", True),
    ],
)
def test_what_is_an_interruption_and_what_a_back_channel(said_ms: int, text: str, interrupts: bool) -> None:
    call = recorded(
        [
            (0, begun()),
            (0, line("agent", 0, 10_000)),
            (0, line("caller", 2_000, 2_000 + said_ms, text)),
            (20_000, over(20_000)),
        ]
    )

    interruptions = measure(call).interruptions

    assert interruptions is not None
    assert interruptions.by_caller == int(interrupts)


@pytest.mark.parametrize(
    ("duration_ms", "spoke", "counted"), [(9_999, False, True), (10_000, False, False), (9_999, True, False)]
)
def test_what_is_no_conversation(duration_ms: int, spoke: bool, counted: bool) -> None:
    words: list[tuple[int, TranscriptFinal]] = [(0, line("caller", 1_000, 2_000))] if spoke else []
    call = recorded([(0, begun()), (0, line("agent", 0, 900)), *words, (duration_ms, over(duration_ms))])

    metrics = measure(call)

    assert metrics.no_conversation is counted
    assert (metrics.contained is None) is counted


def test_own_prices_take_the_place_of_the_built_in_ones() -> None:
    price = {
        "model": "gpt-realtime-2.1", "since": "2026-01-01", "text_input": 1, "text_cached": 1, "text_output": 1,
        "audio_input": 1, "audio_cached": 1, "audio_output": 1,
    }  # fmt: skip
    call = recorded([(0, begun()), (0, used()), (20_000, over(20_000))])

    assert measure(call, with_own_prices([price])).usage.cost_micro_usd == 1_800
    assert measure(call, with_own_prices([price | {"since": "2030-01-01"}])).usage.cost_micro_usd is None


def test_a_greeting_has_no_latency() -> None:
    greeting = TurnCompleted(turn=0, response_latency_ms=None, tools=[])

    assert measure(recorded([(0, begun()), (0, greeting), (20_000, over(20_000))])).answers == []
