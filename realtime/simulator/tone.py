"""The scripted voice: audio from which a test can read how far into a reply it is.

The sweep rises by 1 Hz every millisecond, from 500 Hz to 2500 Hz, and starts again after two seconds.  That
fits a telephone channel (8 kHz) and survives Opus, and 20 ms of it are enough to tell the position.
"""

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 24_000
SWEEP_FROM_HZ = 500.0
SWEEP_PERIOD_MS = 2000
LEVEL = 0.3  # loud enough to be speech for any detector, far from clipping after a codec


def sweep(duration_ms: int) -> npt.NDArray[np.int16]:
    """`duration_ms` of the sweep, 24 kHz."""
    at_ms = np.arange(duration_ms * SAMPLE_RATE // 1000) / (SAMPLE_RATE / 1000)
    return _tone(SWEEP_FROM_HZ + at_ms % SWEEP_PERIOD_MS)


def constant(duration_ms: int, tone_hz: float) -> npt.NDArray[np.int16]:
    """`duration_ms` of one frequency, 24 kHz."""
    return _tone(np.full(duration_ms * SAMPLE_RATE // 1000, tone_hz))


def _tone(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    return (np.sin(phase) * LEVEL * 32767).astype(np.int16)


def dominant_hz(samples: npt.NDArray[np.int16], sample_rate: int = SAMPLE_RATE) -> float | None:
    """The strongest frequency of a piece of audio, None when it is (nearly) silent."""
    signal = samples.astype(np.float64)
    if len(signal) == 0 or np.sqrt(np.mean(signal**2)) < 0.01 * 32767:
        return None
    windowed = signal * np.hanning(len(signal))
    size = 1 << (len(signal) * 8 - 1).bit_length()  # zero padding: finer bins than the window alone gives
    spectrum = np.abs(np.fft.rfft(windowed, size))
    return float(np.argmax(spectrum) * sample_rate / size)


def position_ms(samples: npt.NDArray[np.int16], sample_rate: int = SAMPLE_RATE) -> float | None:
    """Where in the sweep the middle of `samples` (20 to 60 ms) lies, modulo SWEEP_PERIOD_MS; None: not the sweep."""
    hz = dominant_hz(samples, sample_rate)
    if hz is None or not SWEEP_FROM_HZ - 20 <= hz <= SWEEP_FROM_HZ + SWEEP_PERIOD_MS + 20:
        return None
    return (hz - SWEEP_FROM_HZ) % SWEEP_PERIOD_MS
