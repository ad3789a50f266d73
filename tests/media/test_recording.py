"""Where audio goes in a recording, checked on made-up clocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.format import FRAME_SAMPLES, SAMPLE_RATE, ms_to_samples
from media.recording import BLOCK_SAMPLES, CallerTrack, Channel, Timeline

FRAME = np.full(FRAME_SAMPLES, 1000, "<i2").tobytes()


def stereo(blocks: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(blocks), "<i2").reshape(-1, 2)


def place_all(times: list[float]) -> list[int | None]:
    track = CallerTrack(0.0)
    return [track.place(FRAME_SAMPLES, at) for at in times]


def test_frames_at_the_calls_pace_follow_each_other_to_the_sample() -> None:
    places = place_all([0.005 + n * 0.02 for n in range(500)])

    assert places == [120 + n * FRAME_SAMPLES for n in range(500)]


def test_a_burst_after_a_stall_is_put_where_it_was_spoken() -> None:
    steady = [n * 0.02 for n in range(100)]
    stalled = [*steady[:40], *(max(at, 1.4) for at in steady[40:])]  # 0.6 s of frames come at once

    assert place_all(stalled) == place_all(steady)


def test_a_caller_who_was_away_is_put_where_they_came_back() -> None:
    places = place_all([*(n * 0.02 for n in range(50)), *(9.0 + n * 0.02 for n in range(50))])

    assert places[49] == 49 * FRAME_SAMPLES
    assert places[50] == 9 * SAMPLE_RATE


def test_audio_that_never_came_is_made_up_for_within_two_seconds() -> None:
    """500 ms missing: the frames after it are too early for a while, and right from then on."""
    places = place_all([*(n * 0.02 for n in range(40)), *(1.3 + n * 0.02 for n in range(100))])

    assert places[-1] == pytest.approx(ms_to_samples(1300 + 99 * 20), abs=1)


@settings(max_examples=25)
@given(drift=st.floats(-3e-3, 3e-3), jitter_s=st.lists(st.floats(0, 0.12), min_size=50, max_size=50))
def test_a_drifting_clock_is_followed(drift: float, jitter_s: list[float]) -> None:
    """A minute of a clock up to 3000 ppm off, as much as twenty minutes of one 150 ppm off."""
    track = CallerTrack(0.0)
    came_at = 0.0
    for number in range(3000):
        spoken_at = number * 0.02 * (1 + drift)
        came_at = max(came_at, spoken_at + jitter_s[number % 50])
        place = track.place(FRAME_SAMPLES, came_at)
        if place is not None:
            # Never earlier than it was spoken, nor later than it came, by more than tolerance and a frame.
            assert -0.055 < place / SAMPLE_RATE - spoken_at < max(jitter_s) + 0.055


def test_each_side_has_its_channel_and_two_at_once_are_mixed() -> None:
    timeline = Timeline()
    timeline.add(Channel.CALLER, 0, FRAME)
    timeline.add(Channel.OTHERS, FRAME_SAMPLES // 2, FRAME)
    timeline.add(Channel.OTHERS, FRAME_SAMPLES // 2, FRAME)

    audio = stereo(list(timeline.finish()))

    assert (audio[:FRAME_SAMPLES, 0] == 1000).all()
    assert not audio[FRAME_SAMPLES:, 0].any()
    assert not audio[: FRAME_SAMPLES // 2, 1].any()
    assert (audio[FRAME_SAMPLES // 2 : FRAME_SAMPLES * 3 // 2, 1] == 2000).all()


def test_what_is_too_loud_is_clipped_and_not_wrapped() -> None:
    timeline = Timeline()
    for _ in range(3):
        timeline.add(Channel.OTHERS, 0, np.full(FRAME_SAMPLES, 20_000, "<i2").tobytes())

    assert (stereo(list(timeline.finish()))[:FRAME_SAMPLES, 1] == 32_767).all()


def test_audio_for_a_place_that_is_written_already_is_counted_and_left_out() -> None:
    timeline = Timeline()
    timeline.add(Channel.CALLER, SAMPLE_RATE, FRAME)
    written = list(timeline.passed())
    timeline.add(Channel.CALLER, len(written) * BLOCK_SAMPLES - 100, FRAME)

    assert timeline.late_samples == 100
    assert (stereo(list(timeline.finish()))[: FRAME_SAMPLES - 100, 0] == 1000).all()


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(Channel), st.integers(0, 20_000), st.integers(1, 2000)), max_size=30
    )
)
def test_the_timeline_equals_adding_everything_up_at_once(pieces: list[tuple[Channel, int, int]]) -> None:
    """Against the dull way: one long array."""
    timeline, dull = Timeline(), np.zeros((30_000, 2), np.int64)
    for channel, place, samples in pieces:
        pcm = np.arange(1, samples + 1).astype("<i2")
        timeline.add(channel, place, pcm.tobytes())
        dull[place : place + samples, channel] += pcm

    audio = stereo([*timeline.passed(), *timeline.finish()])

    assert len(audio) >= timeline.end
    assert (audio == dull[: len(audio)].clip(-32768, 32767)).all()
