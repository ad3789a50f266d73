"""RFC 3261's timers (table 4), and one alarm clock for many sleepers. Seconds of any steady clock."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

T1: Final = 0.5  # the round trip that is assumed
T2: Final = 4.0  # retransmissions slow down to this
T4: Final = 5.0  # how long a message may still be under way
PATIENCE: Final = 64 * T1  # timers B, F, H, L, M: 32 s
COMPLETED_FOR: Final = 32.0  # timer D, over unreliable transports

Name = TypeVar("Name", bound=Hashable)


class Alarms(Generic[Name]):
    """Who wants to be woken when. Setting an alarm replaces the one before; an early or stale ring is nobody's."""

    def __init__(self) -> None:
        self._due: dict[Name, float] = {}
        self._heap: list[tuple[float, int, Name]] = []
        self._count = 0

    def set(self, name: Name, at: float | None) -> None:
        """None: never."""
        if at is None:
            self._due.pop(name, None)
        elif self._due.get(name) != at:
            self._due[name] = at
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, name))

    def next(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def ringing(self, now: float) -> Iterator[Name]:
        """Whose time has come; each alarm rings once."""
        while (at := self.next()) is not None and at <= now:
            name = heapq.heappop(self._heap)[2]
            del self._due[name]
            yield name
