from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media import format as audio


def test_a_frame_is_twenty_milliseconds_of_24_khz_mono() -> None:
    assert audio.FRAME_SAMPLES == 480
    assert audio.FRAME_BYTES == 960
    assert audio.bytes_to_ms(audio.FRAME_BYTES) == audio.FRAME_MS
    assert audio.frame_ticks(audio.OPUS_CLOCK_RATE) == 960
    assert audio.frame_ticks(audio.G711_CLOCK_RATE) == 160


@given(st.integers(0, 10**9))
def test_milliseconds_survive_the_way_to_bytes_and_back(ms: int) -> None:
    assert audio.bytes_to_ms(audio.ms_to_bytes(ms)) == ms


@given(st.integers(0, 10**9))
def test_milliseconds_never_claim_more_audio_than_there_is(samples: int) -> None:
    assert audio.ms_to_samples(audio.samples_to_ms(samples)) <= samples
