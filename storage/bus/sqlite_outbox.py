"""The durable outbox: an event leaves it only when a worker has said that it is in Postgres.

    append → writer's thread → on disk → released → Redis → delivered → … acknowledged → deleted

Redis never sees an event that is not on disk, so whatever a crash takes away nobody has seen, and a call's
numbers can be continued from the disk without a gap. (The exception is a disk that refuses: see outbox_writer.)

What happens to an event that Redis has and nobody acknowledges: after UNSETTLED_AFTER_S the place where it
stands in its stream is put down, and `unsettled` gives it to whoever looks whether Redis still has it.
After a restart everything left is sent again, published only where it had never been given to Redis.

Bounds. Up to WINDOW events wait for Redis in memory; the rest only on disk, from where they are read in
order. Live-only events never touch the disk and are dropped while that window is full. The file has no hard
limit, because what is for the record is never dropped: at 80 % of `max_bytes` or `max_age_s`, `problem` says
that no new call should be taken. Only where the disk does not take events either and `unsaved_limit` of them
wait in memory, new ones are refused.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from storage.bus.cancellation import cancel_for_sure
from storage.bus.outbox import Admission, Entry, OpenCall, Sent, belongs_to, call_of, entry_of
from storage.bus.outbox_file import Fsync, OutboxFile, Row, Step
from storage.bus.outbox_writer import Acknowledged, OutboxWriter, Placed, Report
from storage.channels import partition_of, stream_name
from storage.codec import decode
from storage.envelope import Envelope
from storage.events import EVENT_TYPES

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BYTES = 2 * 1024**3
MAX_AGE_S = 24 * 3600.0
# Full enough to stop taking calls: those that run still need the rest.
ALARM_AT = 0.8
_ALARM_OFF_AT = 0.75

WINDOW = 20_000  # events in memory on their way to Redis, about 0.5 kB each
UNSAVED_LIMIT = 200_000  # about 0.2 GB of memory, an hour of 50 events a second

# A worker that keeps up acknowledges within 0.1 s; behind, within a few.
UNSETTLED_AFTER_S = 5.0
_SENT_IN_MEMORY = 50_000  # places of events in Redis; older ones are put down on disk before their time
_PUT_DOWN_AT_ONCE = 5_000  # about 2 ms of the event loop
_READ_AT_ONCE = 500  # the same
# A batch holds this many repeats at most, so that they never hold up what is new, nor wait for ever.
_AGAIN_SHARE = 4
_READ_AGAIN_AFTER_S = 1.0
# Acknowledgements are gathered for so long: nobody waits for them, and each commit costs.
_GATHER_S = 0.05

_STEPS = {"call.ended": Step.ENDS, "call.annotated": Step.ANNOTATED} | {
    kind: Step.HANDED_OVER for kind in EVENT_TYPES if kind.startswith("handoff.")
}


class SqliteOutbox:
    """See `Outbox`. Construct before the loop runs or in it; only one process may have the file."""

    durable = True

    def __init__(
        self,
        path: Path,
        *,
        fsync: Fsync = "normal",
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        unsaved_limit: int = UNSAVED_LIMIT,
        unsettled_after_s: float = UNSETTLED_AFTER_S,
        window: int = WINDOW,
    ) -> None:
        """Raises OutboxBusy and OutboxError; see OutboxFile."""
        file = OutboxFile(path, fsync)
        delivered, highest = file.position()
        self._left_open = tuple(file.open_calls())
        self._held = file.held()
        self._oldest_kept_at = file.oldest_kept_at()
        self._writer = OutboxWriter(file, highest=highest, delivered=delivered)
        self._max_bytes, self._max_age_s = max_bytes, max_age_s
        self._unsaved_limit = unsaved_limit
        self._unsettled_after_s = unsettled_after_s
        self._window = window
        self._wake: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: list[Row] = []
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

        self._next = highest + 1
        self._given_before = delivered  # up to here an earlier process has published
        self._released = highest
        # Events that were appended; those of them that the writer counts; and that need no memory any more.
        self._put = self._taken = self._safe = 0
        self._fault: str | None = None
        self._alarmed = False

        self._queue: OrderedDict[int, Entry] = OrderedDict()  # for Redis, in order
        # Behind the queue: what only the writer and the disk have. New events go there until it has been read.
        self._last = highest if self._held.events else -1
        self._read_up_to = -1
        self._behind = self._held.events
        self._again: deque[Entry] = deque()
        self._again_out = asyncio.Event()
        self._sent: OrderedDict[str, tuple[str, float]] = OrderedDict()  # event id → (stream id, when)
        self._acknowledged: list[str] = []
        self._looked_up_to = -1

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to put down what has been appended. `wake` is called in the event loop."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._writer.start(self._heard)
        self._hand_over()
        if self._held.events:
            log.info("outbox.left_over events=%d: from before this start, sent again", self._held.events)
        self._read_on()

    async def close(self) -> None:
        """Put down everything that has been appended, and give the file free."""
        if self._closed:
            return
        self._closed = True
        if self._reading is not None:
            await cancel_for_sure(self._reading)
        self._hand_over()
        self._put_down_acknowledged()
        lost = await self._writer.stop()
        if lost:
            log.error("outbox.closed_unsaved events=%d: the disk does not take them, they are lost", lost)

    # In

    def append(self, channel: str, body: bytes, envelope: Envelope | None = None) -> Admission:
        """Put an event at the end: a few microseconds, never blocks, never waits for the disk."""
        spilling = self._spilling or len(self._queue) >= self._window
        if envelope is None or envelope.seq is None or envelope.id is None:
            if spilling:
                return Admission.LIVE_DROPPED
            self._queue[self._next] = entry_of(self._next, channel, body, envelope)
            self._next += 1
            self._wake()
            return Admission.TAKEN
        if self._put - self._safe >= self._unsaved_limit:
            return Admission.REFUSED
        number = self._next
        self._next += 1
        if spilling:
            self._behind += 1
        else:
            self._queue[number] = entry_of(number, channel, body, envelope)
            self._read_up_to = number
        self._last = number
        self._put += 1
        step = _STEPS.get(envelope.type, Step.GOES_ON)
        # Handed over at the end of this turn of the loop: waking a thread is dear, and so it is done once.
        if not self._gathered and self._loop is not None:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(Row(number, envelope.id, channel, body, time.time(), step))
        return Admission.TAKEN

    def _hand_over(self) -> None:
        if self._gathered:
            self._writer.put(self._gathered)
            self._gathered = []

    async def _ask(self, question: Callable[[], T]) -> T:
        """The writer's answer after it has seen everything that was appended until now."""
        self._hand_over()
        return await self._writer.ask(question)

    # Out

    def oldest(self, limit: int) -> list[Entry]:
        """What may go to Redis: on disk, or live only with everything before it on disk."""
        repeats = min(len(self._again), max(1, limit // _AGAIN_SHARE))
        found: list[Entry] = []
        for entry in self._queue.values():
            if len(found) >= limit - repeats or (entry.stream is not None and entry.number > self._released):
                break
            found.append(entry)
        return [*found, *islice(self._again, repeats)]

    def delivered(self, entries: Sequence[Entry], stream_ids: Sequence[str | None]) -> None:
        """Redis has these; they wait for their acknowledgement now."""
        now = time.monotonic()
        for entry, stream_id in zip(entries, stream_ids, strict=True):
            if self._queue.pop(entry.number, None) is not None:
                self._writer.delivered = entry.number
            elif self._again and self._again[0].number == entry.number:
                self._again.popleft()
                if not self._again:
                    self._again_out.set()
            if entry.event_id is not None:
                self._sent[entry.event_id] = (stream_id or "", now)
        if len(self._sent) > _SENT_IN_MEMORY:
            self._put_down_places(before=now)
        self._read_on()

    def acknowledged(self, event_ids: Collection[str]) -> None:
        """Delete these; the writer does it a moment later."""
        for event_id in event_ids:
            self._sent.pop(event_id, None)
        if not self._acknowledged:
            asyncio.get_running_loop().call_later(_GATHER_S, self._put_down_acknowledged)
        self._acknowledged.extend(event_ids)

    def _put_down_acknowledged(self) -> None:
        if self._acknowledged:
            self._writer.put(Acknowledged(self._acknowledged))
            self._acknowledged = []

    def __len__(self) -> int:
        return len(self._queue) + self._behind + len(self._again)

    # How it is

    @property
    def unacknowledged(self) -> int:
        """Events that are on disk (or wait for it), whether Redis has them or not."""
        return self._held.events + self._put - self._taken

    @property
    def fullness(self) -> float:
        """Of the bytes, the age or the memory that are allowed: whichever is used most."""
        age_s = 0.0 if self._oldest_kept_at is None else time.time() - self._oldest_kept_at
        unsaved = (self._put - self._safe) / self._unsaved_limit
        return max(self._held.bytes / self._max_bytes, age_s / self._max_age_s, unsaved)

    @property
    def problem(self) -> str | None:
        """The disk refuses, or too much waits."""
        if self._fault is not None:
            return f"The outbox cannot be written ({self._fault}): make room on its disk or mend its permissions."
        if self.fullness >= ALARM_AT:
            return (
                f"The outbox is {self.fullness:.0%} full: {self._held.events} events wait for the storage "
                "worker; check that it, Redis and Postgres run."
            )
        return None

    # Looking after what Redis has

    async def unsettled(self, limit: int) -> list[Sent]:
        """Some of what Redis took more than `unsettled_after_s` ago, from where the last call left off.

        [] once a round, when all have been looked at. Raises sqlite3.Error where the disk does not answer.
        """
        self._put_down_places(before=time.monotonic() - self._unsettled_after_s)
        after = self._looked_up_to
        sent, last = await self._ask(lambda: self._writer.in_redis(after, limit))
        self._looked_up_to = last if sent else -1
        return sent

    async def send_again(self, event_ids: Collection[str]) -> None:
        """See `Outbox`. Raises sqlite3.Error where the disk does not answer."""
        rows = await self._ask(lambda: self._writer.rows_named(set(event_ids)))
        for row in rows:
            self._sent.pop(row.event_id, None)
            self._again.append(_entry(row, publish=False))
        if self._again:
            self._again_out.clear()
            self._wake()
            await self._again_out.wait()

    def _put_down_places(self, before: float) -> None:
        places: dict[str, str] = {}
        while self._sent and len(places) < _PUT_DOWN_AT_ONCE:
            event_id, (stream_id, at) = next(iter(self._sent.items()))
            if at > before:
                break
            places[event_id] = stream_id
            del self._sent[event_id]
        if places:
            self._writer.put(Placed(places))

    # Other questions

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        """See `Outbox`. Raises sqlite3.Error where the disk does not answer."""
        rows = await self._ask(lambda: self._writer.rows_of_call(call_id))
        events = sorted((decode(row.body) for row in rows), key=lambda event: event.seq or 0)
        return [event for event in events if event.seq is not None and event.seq > after][:limit]

    async def erase(self, call_ids: Collection[str]) -> int:
        """See `Outbox`. What is on its way to Redis in this moment still arrives there.

        Raises sqlite3.Error where the disk does not answer.
        """
        self._forget(call_ids)
        gone = await self._ask(lambda: self._writer.erase(call_ids))
        self._forget(call_ids)  # what was being read from disk meanwhile
        self._behind -= sum(number > self._read_up_to for number in gone)
        return len(gone)

    def open_calls(self) -> Sequence[OpenCall]:
        """See `Outbox`."""
        return self._left_open

    def _forget(self, call_ids: Collection[str]) -> None:
        for number in [entry.number for entry in self._queue.values() if belongs_to(entry, call_ids)]:
            del self._queue[number]
        self._again = deque(entry for entry in self._again if not belongs_to(entry, call_ids))
        if not self._again:
            self._again_out.set()
        for event_id in [event_id for event_id in self._sent if call_of(event_id) in call_ids]:
            del self._sent[event_id]

    # From the writer

    def _heard(self, report: Report) -> None:
        released = report.released > self._released
        self._released = report.released
        self._taken = report.taken
        self._safe = report.taken - report.unsaved
        self._held = report.held
        self._oldest_kept_at = report.oldest_kept_at
        self._fault = report.fault
        self._alarm()
        if released:
            self._wake()

    def _alarm(self) -> None:
        fullness = self.fullness
        if fullness >= ALARM_AT and not self._alarmed:
            self._alarmed = True
            log.error(
                "outbox.nearly_full share=%.2f events=%d bytes=%d: no new calls until the storage worker has "
                "caught up; check that it, Redis and Postgres run",
                fullness,
                self._held.events,
                self._held.bytes,
            )
        elif fullness < _ALARM_OFF_AT and self._alarmed:
            self._alarmed = False
            log.warning("outbox.has_room share=%.2f: new calls are taken again", fullness)

    # From the disk back into the queue

    @property
    def _spilling(self) -> bool:
        return self._read_up_to < self._last

    def _read_on(self) -> None:
        room = len(self._queue) <= self._window // 4
        if self._spilling and room and self._reading is None and not self._closed:
            self._reading = asyncio.create_task(self._read(), name="outbox backlog")
            self._reading.add_done_callback(self._has_read)

    def _has_read(self, _: asyncio.Task[None]) -> None:
        self._reading = None
        self._read_on()

    async def _read(self) -> None:
        """One portion of the backlog. Nothing is skipped: the writer has seen all that was put before."""
        limit = min(_READ_AT_ONCE, max(1, self._window // 4))
        after = self._read_up_to
        try:
            rows, seen = await self._ask(lambda: self._writer.rows_after(after, limit))
        except sqlite3.Error as error:
            log.warning("outbox.unreadable error=%s: tried again", error)
            await asyncio.sleep(_READ_AGAIN_AFTER_S)
            return
        for row in rows:
            self._queue[row.number] = _entry(row, publish=row.number > self._given_before)
        self._read_up_to = rows[-1].number if len(rows) == limit else seen
        # Events may have been acknowledged before they were read, so the count is put right when all is read.
        self._behind = max(0, self._behind - len(rows)) if self._spilling else 0
        self._wake()


def _entry(row: Row, *, publish: bool) -> Entry:
    partition = partition_of(call_of(row.event_id))
    return Entry(row.number, row.event_id, stream_name(partition), row.channel, row.body, partition, publish)
