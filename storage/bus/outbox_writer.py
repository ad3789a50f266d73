"""The one thread that touches the outbox's file: group commits, and what to do while the disk refuses them.

Jobs come through one queue and are done in order. The first event after a pause is committed at once; under
load a commit takes everything that has come meanwhile, and commits keep a small distance.

While the disk is full or read-only, events wait here in memory and are given out as if they were safe (the
calls go on, the bus and Postgres get them), and the disk is tried again every second. A crash in that state
loses what no worker has: therefore no new calls are taken meanwhile (`Report.fault`).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from storage.bus.outbox import Sent, call_of
from storage.bus.outbox_file import ROW_OVERHEAD_BYTES, Held, OutboxFile, Row

log = logging.getLogger(__name__)

# Between two commits under load. 500 commits a second cost a few percent of a core; the group commit's limit
# is 20 ms, and this keeps far below it.
_PACE_S = 0.002
# Jobs in one group: a bound on how long one transaction holds up what is behind it (about 10 ms).
_GROUP = 2000
# A full disk rarely has room again sooner.
_TRY_DISK_AGAIN_S = 1.0
_LOOK_AT_AGE_EVERY_S = 1.0
# Deleted pages are given back to the disk in the quiet, not in a rush.
_SHRINK_WHEN_QUIET_S = 10.0

T = TypeVar("T")


class Acknowledged(NamedTuple):
    """Events to delete."""

    event_ids: Collection[str]


class Placed(NamedTuple):
    """Event id → where it stands in Redis."""

    stream_ids: dict[str, str]


class _Ask(NamedTuple):
    question: Callable[[], Any]
    answer: asyncio.Future[Any]


class _Stop(NamedTuple):
    pass


_Job = list[Row] | Acknowledged | Placed | _Ask | _Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """After each group."""

    released: int  # every event up to this number may go to Redis
    taken: int  # events that came out of the queue so far
    unsaved: int  # events that are only in memory, because the disk refused them
    held: Held  # on disk and unsaved together
    oldest_kept_at: float | None
    fault: str | None  # why the disk refuses; None when all is well


class OutboxWriter:
    """Order of calls: `put` any time; `start` in a running loop; `ask` after it; `stop` at the end."""

    def __init__(self, file: OutboxFile, *, highest: int, delivered: int) -> None:
        """`highest` and `delivered` are the file's `position`."""
        self._file = file
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tell: Callable[[Report], None] = lambda report: None
        self.delivered = delivered  # set by the event loop; goes to disk with the next group
        # What follows belongs to the thread.
        self._unsaved: dict[str, Row] = {}
        self._undeleted: set[str] = set()
        self._unplaced: dict[str, str] = {}
        self._unsettled = False
        self._released = highest
        self._taken = 0
        self._held = file.held()
        self._oldest_kept_at = file.oldest_kept_at()
        self._looked_at = 0.0
        self._fault: str | None = None
        self._try_at = 0.0

    def start(self, tell: Callable[[Report], None]) -> None:
        """`tell` is called in the event loop after each group."""
        self._loop, self._tell = asyncio.get_running_loop(), tell
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, job: list[Row] | Acknowledged | Placed) -> None:
        """Queue a job: about a microsecond, never blocks. Whoever calls keeps the bound (see SqliteOutbox)."""
        self._jobs.put(job)

    async def ask(self, question: Callable[[], T]) -> T:
        """The answer of `question`, called in the thread after everything that was put before it.

        Raises sqlite3.Error where the disk does not answer.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Ask(question, answer))
        return await answer

    async def stop(self) -> int:
        """Put down what was put before, end the thread, close the file; returns how many events are lost."""
        if self._thread is not None:
            self._jobs.put(_Stop())
            await asyncio.to_thread(self._thread.join)
        else:
            self._take(self._all_jobs())
            self._commit()
            self._file.close()
        return len(self._unsaved)

    # Answers to `ask`: on disk and unsaved together

    def rows_after(self, number: int, limit: int) -> tuple[list[Row], int]:
        """Events behind this place, in order; and the last place that the thread has come to."""
        rows = self._with_unsaved(self._file.after(number, limit), lambda row: row.number > number)
        return rows[:limit], self._released

    def rows_named(self, event_ids: Collection[str]) -> list[Row]:
        """Those of these events that are still here, from now on not in Redis."""
        self._file.unplace(event_ids)
        for event_id in event_ids:
            self._unplaced.pop(event_id, None)
        return self._with_unsaved(self._file.named(event_ids), lambda row: row.event_id in event_ids)

    def rows_of_call(self, call_id: str) -> list[Row]:
        """The events of one call, in the order they were emitted."""
        return self._with_unsaved(self._file.of_call(call_id), lambda row: call_of(row.event_id) == call_id)

    def in_redis(self, after: int, limit: int) -> tuple[list[Sent], int]:
        """See OutboxFile."""
        return self._file.in_redis(after, limit)

    def erase(self, call_ids: Collection[str]) -> list[int]:
        """Numbers of the events that are gone now."""
        unsaved = [row for row in self._unsaved.values() if call_of(row.event_id) in call_ids]
        for row in unsaved:
            del self._unsaved[row.event_id]
        gone = self._file.erase(call_ids) + [(row.number, _size(row)) for row in unsaved]
        self._count(-len(gone), -sum(size for _, size in gone))
        self._file.scrub()
        return [number for number, _ in gone]

    def _with_unsaved(self, rows: list[Row], fits: Callable[[Row], bool]) -> list[Row]:
        if not self._unsaved:
            return rows
        return sorted([*rows, *(row for row in self._unsaved.values() if fits(row))])

    # The thread

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            log.exception(
                "outbox.writer_ended: a defect; no new calls, restart this server when its calls are over"
            )
            self._fault = f"its thread has ended: {error}"
            self._report()
        finally:
            self._file.close()

    def _work(self) -> None:
        last_commit = 0.0
        going = True
        while going:
            try:
                first = self._jobs.get(timeout=self._patience_s())
            except queue.Empty:
                jobs: list[_Job] = []
                self._when_quiet()
            else:
                pause = last_commit + _PACE_S - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                jobs = [first, *self._all_jobs(_GROUP - 1)]
            questions = self._take(jobs)
            going = not any(isinstance(job, _Stop) for job in jobs)
            if (self._unsaved or self._unsettled) and (time.monotonic() >= self._try_at or not going):
                self._commit()
                last_commit = time.monotonic()
            self._report()
            for ask in questions:
                self._answer(ask)

    def _patience_s(self) -> float:
        if self._fault is not None:
            return max(0.001, self._try_at - time.monotonic())
        return _SHRINK_WHEN_QUIET_S

    def _all_jobs(self, limit: int = 1_000_000) -> list[_Job]:
        jobs: list[_Job] = []
        try:
            while len(jobs) < limit:
                jobs.append(self._jobs.get_nowait())
        except queue.Empty:
            pass
        return jobs

    def _take(self, jobs: list[_Job]) -> list[_Ask]:
        questions: list[_Ask] = []
        for job in jobs:
            match job:
                case list():
                    for row in job:
                        self._take_row(row)
                case Acknowledged():
                    self._take_acknowledged(job.event_ids)
                case Placed():
                    self._unplaced.update(job.stream_ids)
                    self._unsettled = True
                case _Ask():
                    questions.append(job)
                case _Stop():
                    self._unsettled = True  # how far Redis has got goes to disk
        return questions

    def _take_row(self, row: Row) -> None:
        self._taken += 1
        self._released = row.number
        self._unsaved[row.event_id] = row
        self._count(1, _size(row))

    def _take_acknowledged(self, event_ids: Collection[str]) -> None:
        for event_id in event_ids:
            row = self._unsaved.pop(event_id, None)
            if row is None:
                self._undeleted.add(event_id)
            else:
                self._count(-1, -_size(row))
            self._unplaced.pop(event_id, None)
        self._unsettled = True

    def _commit(self) -> None:
        try:
            if self._unsaved:
                self._file.keep(list(self._unsaved.values()))
            if self._unsettled:
                gone = self._file.settle(
                    deleted=self._undeleted, placed=self._unplaced, delivered=self.delivered
                )
                self._count(-gone.events, -gone.bytes)
        except Exception as error:  # also what nobody has thought of: this thread must not end
            if self._fault is None:
                log.error(
                    "outbox.disk_refuses path=%s error=%s: no new calls; running calls go on with their events "
                    "in memory; make room on the disk or mend its permissions",
                    self._file.path,
                    error,
                )
            self._fault = str(error)
            self._try_at = time.monotonic() + _TRY_DISK_AGAIN_S
            return
        if self._fault is not None:
            log.warning("outbox.disk_back path=%s saved=%d", self._file.path, len(self._unsaved))
        self._fault, self._try_at = None, 0.0
        self._unsaved.clear()
        if self._unsettled:
            self._undeleted.clear()
            self._unplaced.clear()
            self._unsettled = False

    def _count(self, events: int, size: int) -> None:
        self._held = Held(self._held.events + events, self._held.bytes + size)

    def _report(self) -> None:
        if self._loop is None:
            return
        report = Report(
            released=self._released,
            taken=self._taken,
            unsaved=len(self._unsaved),
            held=self._held,
            oldest_kept_at=self._oldest(),
            fault=self._fault,
        )
        try:
            self._loop.call_soon_threadsafe(self._tell, report)
        except RuntimeError:  # the loop has been closed: nobody listens any more
            return

    def _oldest(self) -> float | None:
        now = time.monotonic()
        if self._held.events <= 0:
            self._oldest_kept_at = None
        elif self._oldest_kept_at is None or now - self._looked_at > _LOOK_AT_AGE_EVERY_S:
            self._looked_at = now
            try:
                on_disk = self._file.oldest_kept_at()
            except sqlite3.Error:
                on_disk = self._oldest_kept_at
            unsaved = next((row.kept_at for row in self._unsaved.values()), None)
            self._oldest_kept_at = on_disk if on_disk is not None else unsaved
        return self._oldest_kept_at

    def _when_quiet(self) -> None:
        if self._fault is None:
            try:
                self._file.shrink()
            except sqlite3.Error as error:
                log.warning("outbox.shrink_failed error=%s", error)

    def _answer(self, ask: _Ask) -> None:
        assert self._loop is not None
        try:
            answer = ask.question()
        except Exception as error:  # belongs to whoever asked
            self._tell_asker(ask.answer.set_exception, ask.answer, error)
        else:
            self._tell_asker(ask.answer.set_result, ask.answer, answer)

    def _tell_asker(self, settle: Callable[[Any], None], future: asyncio.Future[Any], value: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(lambda: None if future.done() else settle(value))
        except RuntimeError:  # the loop has been closed: nobody waits any more
            return


def _size(row: Row) -> int:
    return len(row.body) + ROW_OVERHEAD_BYTES
