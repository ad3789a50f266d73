"""What scripted callers say: sounds that count as speech, and the words that a scripted model takes them for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np


def loud(ms: int, *, hz: float = 300.0) -> bytes:
    """A tone of `ms` milliseconds, 24 kHz mono s16le, loud enough for any voice activity detection."""
    at = np.arange(24 * ms) / 24_000
    return (np.sin(2 * np.pi * hz * at) * 9000).astype("<i2").tobytes()


class Saying(Sequence[str]):
    """For a Script's `hears`: what the caller is saying now, whichever session hears it, and however often."""

    def __init__(self) -> None:
        self.words = ""

    def __len__(self) -> int:
        return 1_000_000

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self.words
