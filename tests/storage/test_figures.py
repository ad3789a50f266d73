"""The calculators behind the figures, each by itself."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.contribution import COUNTERS, HISTOGRAMS, Contribution, Sum, counter
from storage.events import QualitySampled, UsageRecorded
from storage.histogram import (
    BORDERS,
    FIRST,
    LAST,
    RELATIVE_ERROR,
    added,
    bucket_of,
    dense,
    histogram,
    middle,
    percentile,
)
from storage.media_quality import media_of, r_factor
from storage.metric_definitions import BY_ID, DEFINITIONS, figure
from storage.metric_sums import Sums
from storage.prices import PRICES, Price, PriceTable, with_own_prices
from storage.repair import asks_again
from storage.speech import Span, broken_into, gaps, overlap_ms, segments, total_ms
from storage.wilson import wilson

values = st.lists(st.integers(0, LAST), min_size=1, max_size=60)
spans = st.lists(
    st.builds(lambda a, b: Span(a, a + b), st.integers(0, 900), st.integers(0, 200)), max_size=12
)


@given(values, st.sampled_from((50, 90, 95, 99)))
def test_a_percentile_read_from_a_histogram_is_within_its_error(raw: list[int], share: int) -> None:
    exact = sorted(raw)[math.ceil(len(raw) * share / 100) - 1]

    found = percentile(dense(histogram(raw)), share)

    assert found is not None
    if exact < FIRST:
        assert found <= FIRST
    else:
        assert abs(found / exact - 1) <= RELATIVE_ERROR + 1e-9


@given(values, values)
def test_histograms_of_parts_add_up_to_that_of_the_whole_and_can_be_taken_away(
    a: list[int], b: list[int]
) -> None:
    whole = dense(histogram([*a, *b]))

    assert added(dense(histogram(a)), dense(histogram(b))) == whole
    assert percentile(added(whole, dense(histogram(a)), -1), 50) == percentile(dense(histogram(b)), 50)


@given(st.floats(0, LAST * 2, allow_nan=False))
def test_every_value_lies_between_the_borders_of_its_bucket(value: float) -> None:
    bucket = bucket_of(value)

    assert bucket == 0 or BORDERS[bucket - 1] <= value
    assert bucket == len(BORDERS) or value < BORDERS[bucket]
    assert bucket == 0 or middle(bucket) >= BORDERS[bucket - 1]


def test_a_histogram_of_nothing_has_no_percentile() -> None:
    assert percentile([], 50) is None
    assert percentile([0, 0], 50) is None


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Wilson (1927) by hand; the last two from Newcombe, Statistics in Medicine 17 (1998), table I
    [
        (0, 1, 0.0, 0.7935),
        (1, 1, 0.2065, 1.0),
        (2, 3, 0.2077, 0.9385),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_a_rate_says_how_sure_it_is(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_of_nothing_nothing_is_sure() -> None:
    assert wilson(0, 0) is None


@given(spans, spans)
def test_spans_against_a_line_of_single_milliseconds(one: list[Span], other: list[Span]) -> None:
    a, b = segments(one), segments(other)
    busy = {ms for span in [*a, *b] for ms in range(span.start, span.end)}
    window = Span(50, 1_000)

    quiet = {ms for gap in gaps([*a, *b], window) for ms in range(gap.start, gap.end)}

    assert quiet == set(range(50, 1_000)) - busy
    assert overlap_ms(a, b) == len({ms for s in a for ms in range(*s)} & {ms for s in b for ms in range(*s)})
    assert total_ms(a) == len({ms for span in a for ms in range(*span)})


def test_short_breaths_join_and_clicks_are_left_out() -> None:
    assert segments([Span(0, 100), Span(399, 500), Span(1_000, 1_199), Span(2_000, 2_200)]) == [
        Span(0, 500),
        Span(2_000, 2_200),
    ]
    assert segments([Span(0, 250), Span(550, 800)]) == [Span(0, 250), Span(550, 800)]


def test_who_begins_as_the_other_ends_breaks_into_nothing() -> None:
    assert broken_into(500, [Span(0, 500)]) is None
    assert broken_into(499, [Span(0, 500)]) == Span(0, 500)


@pytest.mark.parametrize(
    "text",
    [
        "What?", "Sorry?", "Pardon me?", "Could you repeat that, please?", "Sorry, what did you say?",
        "I didn't catch that.", "I can’t hear you!", "もう一度お願いします。", "え？", "聞こえません", "Wie bitte?",
        "Pardon ?", "¿Cómo?", "Oh, sorry, say that again?",
    ],
)  # fmt: skip
def test_who_asks_again_is_understood(text: str) -> None:
    assert asks_again(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What time do you open?",
        "No.",
        "I am sorry to hear that",
        "Please repeat my prescription for the pills",
        "はい",
        "I want a cleaning",
    ],
)
def test_who_says_something_of_their_own_does_not_ask_again(text: str) -> None:
    assert not asks_again(text)


def usage(model: str = "gpt-realtime-2.1", **more: int) -> UsageRecorded:
    tokens = {
        "input_tokens": 0, "output_tokens": 0, "input_audio_tokens": 0, "input_text_tokens": 0, "cached_tokens": 0,
        "output_audio_tokens": 0, "output_text_tokens": 0,
    }  # fmt: skip
    return UsageRecorded(response_id="r", model=model, **(tokens | more))


def test_each_kind_of_token_has_its_price() -> None:
    used = usage(
        input_audio_tokens=100, input_text_tokens=1_000, cached_tokens=600, cached_audio_tokens=50,
        cached_text_tokens=550, output_audio_tokens=10, output_text_tokens=20,
    )  # fmt: skip

    assert PRICES.cost(used, "2026-11-22") == 50 * 32 + 450 * 4 + 600 * 0.4 + 10 * 64 + 20 * 24


def test_an_unknown_model_has_no_cost_and_a_dated_snapshot_is_its_model() -> None:
    assert PRICES.cost(usage("somebody-elses"), "2026-11-22") is None
    assert PRICES.cost(usage("gpt-realtime-turbo"), "2026-11-22") is None
    assert PRICES.price_of("gpt-realtime-2025-08-28", "2026-11-22") == PRICES.price_of(
        "gpt-realtime", "2026-11-22"
    )
    assert PRICES.price_of("gpt-realtime-2.1-mini", "2026-11-22") != PRICES.price_of(
        "gpt-realtime-2.1", "2026-11-22"
    )


def test_the_price_in_force_on_the_day_counts() -> None:
    def at(since: str, each: float) -> Price:
        return Price(
            model="m", since=since, text_input=each, text_cached=each, text_output=each, audio_input=each,
            audio_cached=each, audio_output=each,
        )  # fmt: skip

    table = PriceTable(date="2026-11-22", source="test", prices=(at("2026-06-01", 2), at("2026-01-01", 1)))

    assert table.cost(usage("m", input_text_tokens=10), "2026-05-31") == 10
    assert table.cost(usage("m", input_text_tokens=10), "2026-06-01") == 20
    assert table.cost(usage("m", input_text_tokens=10), "2025-12-31") is None


def test_the_table_says_when_and_where_it_was_read() -> None:
    assert PRICES.date == "2026-11-22"
    assert "openai.com" in PRICES.source
    with pytest.raises(ValueError, match="audio_output"):
        with_own_prices([{"model": "m"}])


def sample(
    received: int, lost: int, *, concealed: int = 0, jitter: float = 1.0, rtt: float | None = 20.0
) -> QualitySampled:
    return QualitySampled(
        packets_received=received, packets_lost=lost, concealed_ms=concealed, jitter_ms=jitter, rtt_ms=rtt
    )


def test_a_line_is_rated_by_loss_delay_and_jitter() -> None:
    # by hand: 93.2 - 0.024 x 60; then 1 % of loss: 95 / 26.1 less; then a second of round trip
    assert r_factor(loss=0, rtt_ms=0, jitter_ms=0) == pytest.approx(91.76)
    assert r_factor(loss=0.01, rtt_ms=0, jitter_ms=0) == pytest.approx(91.76 - 95 / 26.1)
    assert r_factor(loss=0, rtt_ms=1_000, jitter_ms=0) == pytest.approx(
        93.2 - 0.024 * 560 - 0.11 * (560 - 177.3)
    )
    assert r_factor(loss=1, rtt_ms=4_000, jitter_ms=0) == 0


def test_counters_that_begin_again_with_a_new_line_go_on_and_late_packets_are_taken_back() -> None:
    media = media_of(
        [sample(1_000, 12, concealed=40), sample(2_000, 10, concealed=80), sample(300, 1, concealed=20)]
    )

    assert media is not None
    assert (media.packets_received, media.packets_lost, media.concealed_ms) == (2_300, 11, 100)


def test_a_call_without_samples_says_nothing_of_its_line() -> None:
    assert media_of([]) is None


def test_no_packet_at_all_rates_no_line() -> None:
    media = media_of([sample(0, 0, rtt=None)])

    assert media is not None
    assert (media.loss, media.r_factor, media.rtt_p95_ms) == (None, None, None)


def test_positions_of_counters_are_fixed() -> None:
    # Their positions are stored: a counter may only be added at the end.
    assert len(set(COUNTERS)) == len(COUNTERS)
    released = "\n".join(COUNTERS[:83])
    assert hashlib.sha256(released.encode()).hexdigest()[:16] == "06020c31e62b68db"
    assert counter([3], "rating_hundredths") == 0  # a row from before the counter


def test_a_newer_programs_contribution_can_be_taken_away() -> None:
    added_up = Sum()
    added_up.add(Contribution(counters={"calls": 1, "of_tomorrow": 5}, histograms={"of_tomorrow": {1: 1}}))

    assert counter(added_up.counters, "calls") == 1
    added_up.add(Contribution(counters={"calls": 1}, histograms={}), -1)
    assert added_up.empty


def test_every_definition_is_unique_says_what_it_means_and_reads_from_nothing_without_harm() -> None:
    nothing = Sums(counters=[], histograms={})

    assert len(BY_ID) == len(DEFINITIONS)
    for definition in DEFINITIONS:
        assert definition.text.endswith(".")
        found = figure(definition, nothing)
        assert (found.n, found.few, found.interval) == (0, True, None)
        assert not found.value


def test_answers_without_a_tool_are_all_answers_less_those_with_one() -> None:
    quick, slow = [400] * 40, [3_000] * 10
    sums = Sums(
        counters=[],
        histograms={
            "response_ms": dense(histogram([*quick, *slow])),
            "response_with_tool_ms": dense(histogram(slow)),
        },
    )

    without = figure(BY_ID["response_latency_without_tool_p95"], sums)
    with_tool = figure(BY_ID["response_latency_with_tool_p50"], sums)

    assert (without.n, without.few) == (40, False)
    assert without.value == pytest.approx(400, rel=RELATIVE_ERROR)
    assert with_tool.value == pytest.approx(3_000, rel=RELATIVE_ERROR)
    assert set(sums.histograms) <= set(HISTOGRAMS)
