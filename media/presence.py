"""Is the peer still there? Told when packets come, asked now and then, it says lost, resumed or gone once each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Change(Enum):
    LOST = "lost"
    RESUMED = "resumed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Notice:
    change: Change
    silent_ms: int  # since the last packet before


class PresenceWatch:
    """Starts at `now` as if a packet had just come. Times are seconds of any steady clock."""

    def __init__(self, *, lost_after_s: float, gone_after_s: float, now: float) -> None:
        self._lost_after_s = lost_after_s
        self._gone_after_s = gone_after_s
        self._heard_at = now
        self._gone = False
        self.lost = False

    def heard(self, now: float) -> Notice | None:
        """A packet has come."""
        silent = now - self._heard_at
        self._heard_at = now
        if not self.lost or self._gone:
            return None
        self.lost = False
        return Notice(Change.RESUMED, int(silent * 1000))

    def check(self, now: float) -> Notice | None:
        """Asked every 20 ms; cheap while all is well."""
        silent = now - self._heard_at
        if silent < self._lost_after_s or self._gone:
            return None
        if silent >= self._gone_after_s:
            self.lost = self._gone = True
            return Notice(Change.GONE, int(silent * 1000))
        if not self.lost:
            self.lost = True
            return Notice(Change.LOST, int(silent * 1000))
        return None
