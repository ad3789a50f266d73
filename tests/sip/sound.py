"""A sound that cannot be mistaken, and how much of it arrived."""

from __future__ import annotations

from typing import Any

import numpy as np

Samples = np.ndarray[Any, np.dtype[np.int16]]
RATE = 8_000


def unmistakable(seconds: float, *, seed: int, rate: int = RATE) -> Samples:
    """Noise between 300 and 3000 Hz: what telephones carry, and like no other stretch of itself."""
    count = int(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(int(seconds * RATE)))
    hertz = np.fft.rfftfreq(int(seconds * RATE), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3000)] = 0
    wide = np.zeros(count // 2 + 1, dtype=complex)
    wide[: min(len(spectrum), len(wide))] = spectrum[: len(wide)]
    sound = np.fft.irfft(wide, count)
    return np.asarray(sound / np.max(np.abs(sound)) * 12_000, dtype=np.int16)


def likeness(heard: Samples, reference: Samples) -> float:
    """Median over the seconds of `reference` of its best normalised correlation with `heard`: 1 is the same."""
    edge = np.zeros(RATE)  # the first second may have begun before we heard anything
    heard_f, best = np.concatenate([edge, heard.astype(float), edge]), []
    energy = np.concatenate([[0.0], np.cumsum(heard_f**2)])
    for start in range(0, len(reference) - RATE + 1, RATE):
        piece = reference[start : start + RATE].astype(float)
        size = 1 << (len(heard_f) + RATE).bit_length()
        product = np.fft.irfft(np.fft.rfft(heard_f, size) * np.conj(np.fft.rfft(piece, size)), size)
        places = len(heard_f) - RATE + 1
        windows = np.sqrt(np.maximum(energy[RATE:] - energy[:-RATE], 1.0))
        best.append(float(np.max(product[:places] / windows) / np.sqrt(np.sum(piece**2))))
    return float(np.median(best))


def at_24k(heard: Samples) -> bytes:
    """For speech recognition: 24 kHz mono s16le."""
    at = np.arange(len(heard) * 3) / 3
    return np.interp(at, np.arange(len(heard)), heard).astype("<i2").tobytes()
