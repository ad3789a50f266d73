"""G.711 both ways, by table (ITU-T G.711; RFC 3551 section 4.5.14). One octet a sample at 8 kHz.

Encoding picks the level nearest to the sample, which is what the standard's decision values amount to.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]


def _mu_law_levels() -> Int16:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_levels() -> Int16:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _codes_of(levels: Int16) -> npt.NDArray[np.uint8]:
    """The code of every 16-bit sample, indexed by the sample seen as unsigned."""
    order = np.lexsort((-np.arange(256), levels))  # of the two zeros of mu-law, 0xFF comes first
    ordered = levels[order].astype(np.int32)
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(ordered, samples), 1, 255)
    nearer_below = samples - ordered[above - 1] < ordered[above] - samples
    codes: npt.NDArray[np.uint8] = order[np.where(nearer_below, above - 1, above)].astype(np.uint8)
    return codes


class Law:
    """One of the two companding laws."""

    def __init__(self, levels: Int16) -> None:
        self._levels = levels
        self._codes = _codes_of(levels)
        self.silence = int(self._codes[0])

    def encode(self, pcm: bytes) -> bytes:
        """s16le at 8 kHz to codes."""
        return self._codes[np.frombuffer(pcm, np.uint16)].tobytes()

    def decode(self, codes: bytes) -> bytes:
        return self._levels[np.frombuffer(codes, np.uint8)].tobytes()


MU_LAW: Final = Law(_mu_law_levels())
A_LAW: Final = Law(_a_law_levels())
