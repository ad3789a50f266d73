"""What scripted callers say: sounds that count as speech, without words."""

from __future__ import annotations

import numpy as np


def loud(ms: int, *, hz: float = 300.0) -> bytes:
    """A tone of `ms` milliseconds, 24 kHz mono s16le, loud enough for any voice activity detection."""
    at = np.arange(24 * ms) / 24_000
    return (np.sin(2 * np.pi * hz * at) * 9000).astype("<i2").tobytes()
