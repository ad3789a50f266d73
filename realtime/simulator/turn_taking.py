"""When a caller starts and stops speaking: frames of speech probability in, starts and stops out.

Pure.  Time is the audio received, counted in milliseconds, so that a test may feed it faster than life.
"""

from dataclasses import dataclass
from typing import TypeAlias

# Two frames of 32 ms in a row: speech is reported within 100 ms of its first sound, and a click is not speech.
FRAMES_TO_START = 2
# A frame that is a little less certain still continues speech that has begun (silero's own hysteresis).
HYSTERESIS = 0.15


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at `at_ms` of received audio (prefix padding not included)."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The silence after speech lasted long enough; `at_ms` is its end."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Speech has paused for `PAUSE_MS`: the moment for semantic turn detection to judge what was said."""

    at_ms: int


SpeechEvent: TypeAlias = SpeechStarted | SpeechStopped | SpeechPaused

# Long enough that a sentence may be over, short enough to leave time for the judgement.
PAUSE_MS = 256


class TurnTaking:
    """Feed every frame in order; each answer is the event that frame caused, None mostly.

    `silence_ms` may be changed at any time: semantic turn detection shortens it when a sentence is complete.
    """

    def __init__(self, *, threshold: float, silence_ms: int) -> None:
        self.threshold = threshold
        self.silence_ms = silence_ms
        self.speaking = False
        self._loud_ms = 0
        self._loud_frames = 0
        self._silent_ms = 0
        self._pause_told = False

    def frame(self, probability: float, frame_ms: int, end_ms: int) -> SpeechEvent | None:
        """One frame of `frame_ms` that ends at `end_ms` of received audio."""
        if self.speaking:
            return self._while_speaking(probability, frame_ms, end_ms)
        if probability < self.threshold:
            self._loud_frames = self._loud_ms = 0
            return None
        self._loud_frames += 1
        self._loud_ms += frame_ms
        if self._loud_frames < FRAMES_TO_START:
            return None
        self.speaking = True
        self._silent_ms = 0
        self._pause_told = False
        return SpeechStarted(max(0, end_ms - self._loud_ms))

    def _while_speaking(self, probability: float, frame_ms: int, end_ms: int) -> SpeechEvent | None:
        if probability >= max(0.01, self.threshold - HYSTERESIS):
            self._silent_ms = 0
            self._pause_told = False
            return None
        self._silent_ms += frame_ms
        if self._silent_ms >= self.silence_ms:
            self.reset()
            return SpeechStopped(end_ms)
        if self._silent_ms >= PAUSE_MS and not self._pause_told:
            self._pause_told = True
            return SpeechPaused(end_ms)
        return None

    def reset(self) -> None:
        """Nobody speaks: after a commit, a clear, or a change of the turn detection."""
        self.speaking = False
        self._loud_frames = self._loud_ms = self._silent_ms = 0
        self._pause_told = False
