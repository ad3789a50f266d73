"""Where an event waits between being emitted and being safely out of this process.

`Outbox` is the seam: today events wait in memory and leave when Redis has taken them. A durable outbox
(on disk, leaving only when the worker says "in Postgres") implements the same five verbs.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from itertools import islice
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """One event on its way."""

    number: int  # place in the outbox, rising
    event_id: str | None  # None: live only
    stream: str | None  # None: live only, PUBLISH without XADD
    channel: str
    body: bytes


class Admission(enum.Enum):
    """What became of an event at the outbox's door."""

    TAKEN = "taken"
    TAKEN_FOR_LIVE = "taken; an older live-only event was dropped for it"
    LIVE_DROPPED = "dropped: live only, and the outbox is full"
    REFUSED = "refused: the outbox is full of events that must be stored"


class Outbox(Protocol):
    """Order of calls: `append` any time; `oldest`, then `delivered` for exactly what was read."""

    def append(self, event_id: str | None, stream: str | None, channel: str, body: bytes) -> Admission:
        """Put an event at the end; must not block."""

    def oldest(self, limit: int) -> list[Entry]:
        """The first `limit` events that are not delivered yet, in order; they stay where they are."""

    def delivered(self, entries: list[Entry]) -> None:
        """Redis has these. The memory forgets them now; a durable outbox waits for `acknowledged`."""

    def acknowledged(self, event_ids: list[str]) -> None:
        """A worker has these in Postgres. May name events that were never here."""

    def __len__(self) -> int:
        """Events that Redis does not have yet."""


class MemoryOutbox:
    """Bounded by `capacity` events (about 0.5 kB each).

    When full: live-only events go first (the newcomer if it is one, else the oldest that waits); when only
    events that must be stored wait, the newcomer is refused, so that what was taken stays complete and in
    order. Does not survive the process.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._live: deque[int] = deque()  # numbers of live-only entries, oldest first; may name gone ones
        self._next = 0

    def append(self, event_id: str | None, stream: str | None, channel: str, body: bytes) -> Admission:
        """Put an event at the end: O(1), never blocks."""
        admission = Admission.TAKEN
        if len(self._entries) >= self.capacity:
            if stream is None:
                return Admission.LIVE_DROPPED
            if not self._drop_oldest_live():
                return Admission.REFUSED
            admission = Admission.TAKEN_FOR_LIVE
        number = self._next
        self._next += 1
        self._entries[number] = Entry(number, event_id, stream, channel, body)
        if stream is None:
            self._live.append(number)
        return admission

    def oldest(self, limit: int) -> list[Entry]:
        """The first `limit` events, in order."""
        return list(islice(self._entries.values(), limit))

    def delivered(self, entries: list[Entry]) -> None:
        """Forget these; ones that were dropped meanwhile are ignored."""
        for entry in entries:
            self._entries.pop(entry.number, None)
        while self._live and self._live[0] not in self._entries:
            self._live.popleft()

    def acknowledged(self, event_ids: list[str]) -> None:
        """Nothing to do: memory lets go at `delivered`."""

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_oldest_live(self) -> bool:
        while self._live:
            if self._entries.pop(self._live.popleft(), None) is not None:
                return True
        return False
