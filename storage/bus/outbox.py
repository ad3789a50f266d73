"""Where an event waits between being emitted and being safely in Postgres.

`Outbox` is the seam. `MemoryOutbox` (here) lets go of an event as soon as Redis has it and does not survive
the process: for tests and tools. `SqliteOutbox` keeps each event on disk until a worker says "in Postgres".
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Protocol

from storage.channels import partition_of, stream_name
from storage.codec import decode
from storage.envelope import Envelope

# What belongs to no call goes out with this partition's events.
DESK_PARTITION = "0"


class Entry(NamedTuple):
    """One event on its way to Redis."""

    number: int  # place in the outbox, rising
    event_id: str | None  # None: live only
    stream: str | None  # None: live only, PUBLISH without XADD
    channel: str
    body: bytes
    partition: str  # of its call: what shares a partition goes out in order
    publish: bool = True  # False: listeners have had it, only the stream needs it again


class Sent(NamedTuple):
    """An event that Redis took and no worker has acknowledged yet."""

    event_id: str
    stream_id: str  # where it stands in its stream; "" where that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call that an earlier process began and never ended."""

    call_id: str
    tenant: str
    started_at: datetime  # of its first event, aware
    last_at: datetime  # of its last event that is known
    last_seq: int
    handoff_id: str | None = None  # of its newest handoff
    handoff: str | None = None  # the type of that handoff's newest event


class Admission(enum.Enum):
    """What became of an event at the outbox's door."""

    TAKEN = "taken"
    TAKEN_FOR_LIVE = "taken; an older live-only event was dropped for it"
    LIVE_DROPPED = "dropped: live only, and the outbox is full"
    REFUSED = "refused: the outbox is full of events that must be stored"


class Outbox(Protocol):
    """Order of calls: `append` any time; `start` in a running loop; `oldest`, then `delivered` for exactly what
    was read; `close` at the end. Everything on the event loop's thread; nothing of it blocks."""

    durable: bool  # True: events outlive the process and wait for acknowledgements

    def start(self, wake: Callable[[], None]) -> None:
        """From now on `wake` is called whenever `oldest` may have something new."""

    async def close(self) -> None:
        """Put down what can be put down, and let go of it. Idempotent."""

    def append(self, channel: str, body: bytes, envelope: Envelope | None = None) -> Admission:
        """Put an event at the end; must not block. Without an envelope it is live only and of no call."""

    def oldest(self, limit: int) -> list[Entry]:
        """The first `limit` events that may go to Redis now, in order; they stay where they are."""

    def delivered(self, entries: Sequence[Entry], stream_ids: Sequence[str | None]) -> None:
        """Redis has these, under these ids in their streams (None: live only, or not known)."""

    def acknowledged(self, event_ids: Collection[str]) -> None:
        """A worker has these in Postgres. May name events that were never here."""

    def __len__(self) -> int:
        """Events that Redis does not have yet."""

    @property
    def fullness(self) -> float:
        """0 empty, 1 full."""

    @property
    def problem(self) -> str | None:
        """Why no new call should be taken now: a sentence with its remedy; None when all is well."""

    async def unsettled(self, limit: int) -> list[Sent]:
        """Some events that Redis took a while ago and nobody has acknowledged; another part each time."""

    async def send_again(self, event_ids: Collection[str]) -> None:
        """Redis has lost these: `oldest` gives them once more, not to be published. Returns when they are out.

        One such call at a time.
        """

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        """Numbered events of a call that are still here, with seq > `after`, by seq."""

    async def erase(self, call_ids: Collection[str]) -> int:
        """Forget everything of these calls, beyond recovery; returns how many events that were."""

    def open_calls(self) -> Sequence[OpenCall]:
        """Calls whose end was never put down, as this outbox was found when it was opened."""


class MemoryOutbox:
    """Bounded by `capacity` events (about 0.5 kB each).

    When full: live-only events go first (the newcomer if it is one, else the oldest that waits); when only
    events that must be stored wait, the newcomer is refused, so that what was taken stays complete and in
    order. Does not survive the process.
    """

    durable = False

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._live: deque[int] = deque()  # numbers of live-only entries, oldest first; may name gone ones
        self._next = 0
        self._wake: Callable[[], None] = _nobody

    def start(self, wake: Callable[[], None]) -> None:
        """Remember whom to wake."""
        self._wake = wake

    async def close(self) -> None:
        """Nothing to do."""

    def append(self, channel: str, body: bytes, envelope: Envelope | None = None) -> Admission:
        """Put an event at the end: O(1), never blocks."""
        live = envelope is None or envelope.live_only
        admission = Admission.TAKEN
        if len(self._entries) >= self.capacity:
            if live:
                return Admission.LIVE_DROPPED
            if not self._drop_oldest_live():
                return Admission.REFUSED
            admission = Admission.TAKEN_FOR_LIVE
        number = self._next
        self._next += 1
        self._entries[number] = entry_of(number, channel, body, envelope)
        if live:
            self._live.append(number)
        self._wake()
        return admission

    def oldest(self, limit: int) -> list[Entry]:
        """The first `limit` events, in order."""
        return list(islice(self._entries.values(), limit))

    def delivered(self, entries: Sequence[Entry], stream_ids: Sequence[str | None]) -> None:
        """Forget these; ones that were dropped meanwhile are ignored."""
        for entry in entries:
            self._entries.pop(entry.number, None)
        while self._live and self._live[0] not in self._entries:
            self._live.popleft()

    def acknowledged(self, event_ids: Collection[str]) -> None:
        """Nothing to do: memory lets go at `delivered`."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def fullness(self) -> float:
        return len(self._entries) / self.capacity

    @property
    def problem(self) -> str | None:
        return None

    async def unsettled(self, limit: int) -> list[Sent]:
        """Nothing: what Redis has is not here any more."""
        return []

    async def send_again(self, event_ids: Collection[str]) -> None:
        """Nothing to do: see `unsettled`."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        """Those that Redis does not have yet."""
        waiting = [
            decode(entry.body)
            for entry in self._entries.values()
            if entry.event_id is not None and call_of(entry.event_id) == call_id
        ]
        return [envelope for envelope in waiting if envelope.seq is not None and envelope.seq > after][:limit]

    async def erase(self, call_ids: Collection[str]) -> int:
        """Forget what waits."""
        gone = [entry for entry in self._entries.values() if belongs_to(entry, call_ids)]
        for entry in gone:
            del self._entries[entry.number]
        return sum(entry.event_id is not None for entry in gone)

    def open_calls(self) -> Sequence[OpenCall]:
        """None: memory begins empty."""
        return ()

    def _drop_oldest_live(self) -> bool:
        while self._live:
            if self._entries.pop(self._live.popleft(), None) is not None:
                return True
        return False


def entry_of(number: int, channel: str, body: bytes, envelope: Envelope | None) -> Entry:
    """The entry of an event as it goes out for the first time."""
    if envelope is None:
        return Entry(number, None, None, channel, body, DESK_PARTITION)
    partition = partition_of(envelope.call_id)
    stream = None if envelope.seq is None else stream_name(partition)
    return Entry(number, envelope.id, stream, channel, body, partition)


def call_of(event_id: str) -> str:
    """The call of an event id."""
    return event_id.rpartition(":")[0]


def belongs_to(entry: Entry, call_ids: Collection[str]) -> bool:
    """True for an event of one of these calls, live only or not."""
    call_id = call_of(entry.event_id) if entry.event_id is not None else entry.channel.rpartition(":")[2]
    return call_id in call_ids


def _nobody() -> None:
    """Before `start` there is nobody to wake."""
