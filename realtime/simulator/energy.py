"""The scripted ear: loud is speech."""

import numpy as np

from realtime.simulator.audio_formats import Samples


class EnergyDetector:
    """Probability 1 when the RMS of a frame is above `level` of full scale, else 0."""

    def __init__(self, level: float) -> None:
        self._power = (level * 32768) ** 2

    def probability(self, frame: Samples) -> float:
        """One frame at the wire's rate."""
        signal = frame.astype(np.float32)
        return 1.0 if float(np.dot(signal, signal)) > self._power * len(signal) else 0.0

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to give back."""
