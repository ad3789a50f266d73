"""Tones to send and to recognise: s16le mono."""

from __future__ import annotations

import numpy as np

from media.format import SAMPLE_RATE


def tone(hz: float, seconds: float, *, rate: int = SAMPLE_RATE, loud: int = 8000) -> bytes:
    time = np.arange(int(rate * seconds)) / rate
    return (loud * np.sin(2 * np.pi * hz * time)).astype("<i2").tobytes()


def loudest_hz(pcm: bytes, *, rate: int = SAMPLE_RATE) -> float:
    """The frequency with the most energy."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum[1:]) + 1) * rate / len(samples)


def loudness(pcm: bytes) -> float:
    """Root mean square."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
