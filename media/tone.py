"""The tone of somebody on hold: soft, short, and never far apart.

A caller who hears nothing for three seconds thinks the line is dead, so a beep comes every two.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from media.format import FRAME_BYTES, SAMPLE_RATE, SILENT_FRAME

FREQUENCY_HZ: Final = 425  # what European exchanges use for tones in a conversation (ITU-T E.180)
BEEP_MS: Final = 300
PERIOD_MS: Final = 2_000
LEVEL_DBFS: Final = -24.0  # well below speech
FADE_MS: Final = 20  # no clicks at the edges


@cache
def hold_tone_period() -> tuple[bytes, ...]:
    """One period as frames of 20 ms, 24 kHz mono s16le; silence as the shared silent frame."""
    samples = SAMPLE_RATE * BEEP_MS // 1000
    wave = np.sin(2 * np.pi * FREQUENCY_HZ * np.arange(samples) / SAMPLE_RATE)
    fade = SAMPLE_RATE * FADE_MS // 1000
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(fade) / fade)
    wave[:fade] *= ramp
    wave[-fade:] *= ramp[::-1]
    pcm = (wave * 32767 * 10 ** (LEVEL_DBFS / 20)).astype("<i2").tobytes()
    frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    return (*frames, *[SILENT_FRAME] * (PERIOD_MS // 20 - len(frames)))


class HoldTone:
    """One listener's place in the tone. `frame` every 20 ms; `restart` where it begins anew."""

    def __init__(self) -> None:
        self._at = 0

    def frame(self) -> bytes:
        """The next 20 ms."""
        period = hold_tone_period()
        frame = period[self._at]
        self._at = (self._at + 1) % len(period)
        return frame

    def restart(self) -> None:
        """Begin with the beep."""
        self._at = 0
