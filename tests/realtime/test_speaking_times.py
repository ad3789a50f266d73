"""When each side spoke, at our end of the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.speaking_times import REMEMBERED, SpeakingTimes


def test_the_agent_speaks_from_its_first_packet_for_as_long_as_its_audio_lasts() -> None:
    times = SpeakingTimes(zero=100.0)
    times.agent_audio("a", 1_200)
    times.agent_began("a", 101.0)
    times.agent_audio("a", 300)

    assert times.span("a") == (1_000, 2_500)
    assert times.span("a") is None  # told once


def test_audio_that_never_left_was_not_spoken() -> None:
    times = SpeakingTimes(zero=0.0)
    times.agent_audio("a", 1_200)

    assert times.span("a") is None


def test_an_agent_that_was_stopped_spoke_up_to_there() -> None:
    times = SpeakingTimes(zero=0.0)
    times.agent_audio("a", 3_000)
    times.agent_began("a", 1.0)
    times.cut(["a"], 1.8)

    assert times.span("a") == (1_000, 1_800)


def test_a_pause_makes_it_longer_but_not_what_had_been_said_before_it() -> None:
    times = SpeakingTimes(zero=0.0)
    times.agent_audio("first", 1_000)
    times.agent_audio("second", 1_000)
    times.agent_began("first", 1.0)
    times.agent_began("second", 2.0)
    times.held(2.5)
    times.held(2.6)

    assert times.released(3.0) == 500
    assert times.released(3.1) == 0
    assert times.span("first") == (1_000, 2_000)
    assert times.span("second") == (2_000, 3_500)


def test_an_agent_that_paused_for_an_interruption_was_silent_from_the_pause_on() -> None:
    times = SpeakingTimes(zero=0.0)
    times.agent_audio("a", 5_000)
    times.agent_began("a", 1.0)
    times.held(2.0)
    times.cut(["a"], 2.4)

    assert times.span("a") == (1_000, 2_000)


def test_the_caller_spoke_from_the_first_sound_to_the_last() -> None:
    times = SpeakingTimes(zero=10.0)
    times.caller_began("c", 11.3)
    times.caller_stopped("c", 12.5)
    times.caller_committed("c", 13.1)

    assert times.span("c") == (1_300, 2_500)


def test_last_words_that_nobody_heard_the_end_of_end_with_the_call() -> None:
    times = SpeakingTimes(zero=0.0)
    times.caller_began("c", 1.0)
    times.caller_committed("c", 2.0)

    assert times.span("c") == (1_000, 2_000)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                (
                    "agent_audio",
                    "agent_began",
                    "held",
                    "released",
                    "cut",
                    "caller_began",
                    "caller_stopped",
                    "span",
                )
            ),
            st.integers(0, 3),
            st.floats(0, 2),
        ),
        max_size=60,
    )
)
def test_no_order_of_news_gives_a_span_that_ends_before_it_begins_or_in_the_future(
    news: list[tuple[str, int, float]],
) -> None:
    times, now = SpeakingTimes(zero=0.0), 0.0
    for what, item, value in news:
        now += value
        match what:
            case "agent_audio":
                times.agent_audio(f"a{item}", value * 500)
            case "agent_began":
                times.agent_began(f"a{item}", now)
            case "held":
                times.held(now)
            case "released":
                assert 0 <= times.released(now) <= now * 1000 + 1
            case "cut":
                times.cut([f"a{item}"], now)
            case "caller_began":
                times.caller_began(f"c{item}", now)
            case "caller_stopped":
                times.caller_stopped(f"c{item}", now)
            case _:
                for name in (f"a{item}", f"c{item}"):
                    span = times.span(name)
                    assert span is None or 0 <= span[0] <= span[1]


def test_a_call_of_any_length_remembers_a_bounded_number_of_items() -> None:
    times = SpeakingTimes(zero=0.0)
    for n in range(10 * REMEMBERED):
        times.agent_audio(f"a{n}", 20)
        times.caller_began(f"c{n}", float(n))

    assert times.span("a0") is None
    assert len(times._agent) == len(times._caller) == REMEMBERED
