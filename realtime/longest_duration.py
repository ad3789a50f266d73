"""How long a call may last, and the warning before that."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.phase import WARN_BEFORE_S


@dataclass(slots=True)
class LongestDuration:
    """Each of `warn` and `over` is true once, at its time."""

    warn_at: float | None
    end_at: float | None

    @classmethod
    def counted(cls, started: float, limit_s: float) -> LongestDuration:
        """Short calls are not warned: the warning would be most of them."""
        warned = limit_s >= 3 * WARN_BEFORE_S
        return cls(started + limit_s - WARN_BEFORE_S if warned else None, started + limit_s)

    def warn(self, now: float) -> bool:
        if self.warn_at is None or now < self.warn_at:
            return False
        self.warn_at = None
        return True

    def over(self, now: float) -> bool:
        if self.end_at is None or now < self.end_at:
            return False
        self.end_at = None
        return True
