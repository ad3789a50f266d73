"""The hold tone."""

import numpy as np

from media.format import FRAME_BYTES, SILENT_FRAME
from media.tone import HoldTone, hold_tone_period


def test_a_caller_on_hold_never_hears_nothing_for_three_seconds() -> None:
    tone = HoldTone()
    frames = [tone.frame() for _ in range(1000)]
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    silence = longest = 0
    for frame in frames:
        silence = silence + 1 if frame == SILENT_FRAME else 0
        longest = max(longest, silence)
    assert longest * 20 < 3000


def test_a_beep_begins_and_ends_without_a_click() -> None:
    pcm = np.frombuffer(b"".join(hold_tone_period()), "<i2").astype(int)
    beep = pcm[np.flatnonzero(pcm)[0] : np.flatnonzero(pcm)[-1] + 1]
    assert np.abs(beep[:24]).max() < np.abs(beep).max() / 50
    assert np.abs(beep[-24:]).max() < np.abs(beep).max() / 50
    assert 1000 < np.abs(beep).max() < 4000  # audible, and below speech


def test_a_restarted_tone_begins_with_the_beep() -> None:
    tone = HoldTone()
    for _ in range(40):
        tone.frame()
    tone.restart()
    assert [tone.frame() for _ in range(5)] == list(hold_tone_period()[:5])
