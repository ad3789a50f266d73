from __future__ import annotations

import numpy as np
import pytest

from media.format import SAMPLE_RATE
from media.resampler import Resampler, resample
from tests.fakes.tones import loudest_hz, tone

RATES = pytest.mark.parametrize(("source", "target"), [(8_000, SAMPLE_RATE), (SAMPLE_RATE, 8_000)])


@RATES
def test_frame_by_frame_each_push_gives_at_least_its_own_length(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    audio = tone(440, 1.0, rate=source)
    size = source // 50 * 2

    total = 0
    for number, start in enumerate(range(0, len(audio), size), 1):
        total += len(resampler.push(audio[start : start + size]))
        assert total >= number * (target // 50) * 2


@pytest.mark.trap(20)
@RATES
def test_a_tone_keeps_its_pitch(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    audio = tone(440, 1.0, rate=source)
    size = source // 50 * 2

    out = b"".join(resampler.push(audio[start : start + size]) for start in range(0, len(audio), size))

    assert loudest_hz(out, rate=target) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_a_recording_keeps_its_length(rate: int) -> None:
    assert len(resample(tone(440, 1.0, rate=rate), rate, SAMPLE_RATE)) == pytest.approx(
        SAMPLE_RATE * 2, abs=40
    )


def test_the_same_rate_is_left_alone() -> None:
    audio = np.arange(100, dtype=np.int16).tobytes()

    assert resample(audio, SAMPLE_RATE, SAMPLE_RATE) == audio
