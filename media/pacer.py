"""When is the next frame due? Absolute deadlines: a late wake-up never moves the ones after it.

Sleeping 20 ms after each frame drifts by the cost of every wake-up; here deadline n is start + n * interval,
whatever happened before. After a short stall the missed frames are sent at once, so that the listener's buffer
gets them; after a longer one they are skipped, so that no burst goes out and the stream is live again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_CATCH_UP: Final = 3  # frames: what a receiver's buffer of 40-80 ms can still use


@dataclass(frozen=True, slots=True)
class Due:
    """What a wake-up has to do: let `skipped` frames go by, then send `frames`."""

    frames: int
    skipped: int


class Schedule:
    """Deadlines every `interval` seconds from `start` on. Time is an argument, in seconds."""

    def __init__(self, start: float, interval: float) -> None:
        self._start = start
        self._interval = interval
        self._done = 0

    @property
    def next_at(self) -> float:
        return self._start + self._done * self._interval

    def due(self, now: float) -> Due:
        """Takes every deadline up to `now`."""
        reached = int((now - self._start) / self._interval + 1e-6) + 1 if now >= self._start - 1e-6 else 0
        passed = max(0, reached - self._done)
        self._done += passed
        frames = passed if passed <= MAX_CATCH_UP else 1
        return Due(frames, passed - frames)
