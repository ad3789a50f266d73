"""All recordings of a process, written by one thread of its own.

A call hands over what was heard and what was sent: an append to a queue, a microsecond, nothing that could wait. The
thread mixes, encodes and writes. Each call's queue is bounded (QUEUE_PIECES, ten seconds of both directions, 1 MB at
most); a full one refuses the newest, which stays silent in the file and is counted: audio never waits for a disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Final

from media.files.ogg_opus import SUFFIX, UNFINISHED, OggOpusFile
from media.files.unfinished import Finished, finish_one
from media.format import bytes_to_samples, samples_to_ms, seconds_to_samples
from media.recording import CallerTrack, Channel, Timeline

log = logging.getLogger(__name__)

FOLDER_MODE: Final = 0o700
QUEUE_PIECES: Final = 1000  # of 20 ms: ten seconds of both directions
LOOK_EVERY_S: Final = 0.2  # into the queues: a wake-up per call and frame would cost more than the writing
BREATH_S: Final = (
    0.0002  # between two recordings: whoever waits for the interpreter, the event loop, gets it at once
)


class Recording:
    """One call's recording, as the event loop sees it.

    Order of calls: `caller` and `others` at will, then `finish` or `discard`, once; `done` has the result: what was
    finished, or None where there is nothing to keep.
    """

    def __init__(self, name: str, at: float, wake: threading.Event, folder: Path) -> None:
        """For `Recorder.start`."""
        self.name = name
        self.done: Future[Finished | None] = Future()
        self.refused_samples = 0  # the queue was full
        self._start = at
        self._track = CallerTrack(at)
        self._queue: deque[tuple[Channel, int, bytes]] = deque()
        self._wake = wake
        self._folder = folder
        # From here on the thread's own, but for `_end`, which the loop sets last.
        self._end: int | None = None
        self._dropped = False
        self._timeline = Timeline()
        self._file: OggOpusFile | None = None
        self._problem: str | None = None

    def caller(self, pcm: bytes, at: float) -> None:
        """A frame as it left the jitter buffer at `at`."""
        place = self._track.place(bytes_to_samples(len(pcm)), at)
        if place is not None:
            self._put(Channel.CALLER, place, pcm)

    def others(self, pcm: bytes, at: float) -> None:
        """A frame that was sent to the caller; `at` on a clock that counts frames (see Outbound)."""
        self._put(Channel.OTHERS, max(0, seconds_to_samples(at - self._start)), pcm)

    def finish(self, at: float) -> None:
        """The recording ends here; the file is complete when `done` is."""
        if self._end is None:
            self._end = max(0, seconds_to_samples(at - self._start))
            self._wake.set()

    def discard(self) -> None:
        """Nothing of it is to be kept: the file is gone when `done` is. Also after `finish`, until it is done."""
        self._dropped = True
        if self._end is None:
            self._end = 0
        self._wake.set()

    def _put(self, channel: Channel, place: int, pcm: bytes) -> None:
        if self._end is not None:
            return
        if len(self._queue) >= QUEUE_PIECES:
            self.refused_samples += bytes_to_samples(len(pcm))
        else:
            self._queue.append((channel, place, pcm))

    # The thread's side.

    def write(self) -> bool:
        """Writes what has come; True while there will be more."""
        end = self._end  # before the queue is looked into: nothing comes after it
        try:
            if self._problem is None and not self._dropped:
                self._write_queue()
            else:
                self._queue.clear()
            if end is None:
                return True
            result = self._finish(end)
        except OSError as error:
            self._problem = f"the disk refused it: {error.strerror or error}"
            log.error("recording.failed call_id=%s %s", self.name, self._problem)
            self._queue.clear()
            if end is None:
                return True
            result = self._save_what_there_is()
        except Exception as error:
            log.exception("recording.failed call_id=%s", self.name)
            self._problem = type(error).__name__
            if end is None:
                return True
            result = self._save_what_there_is()
        self.done.set_result(result)
        return False

    def _write_queue(self) -> None:
        if self._file is None:
            self._file = OggOpusFile(self._folder / (self.name + UNFINISHED))
        for channel, place, pcm in self._stretches():
            self._timeline.add(channel, place, pcm)
        for block in self._timeline.passed():
            self._file.write(block)

    def _stretches(self) -> list[tuple[Channel, int, bytes]]:
        """What is in the queue, frames that follow each other in one piece: ten at once cost little more than one."""
        stretches: list[tuple[Channel, int, bytes]] = []
        begun: dict[Channel, tuple[int, int, list[bytes]]] = {}  # where it begins and ends, in samples
        for _ in range(len(self._queue)):
            channel, place, pcm = self._queue.popleft()
            start, end, pieces = begun.get(channel, (place, place, []))
            if place != end:
                stretches.append((channel, start, b"".join(pieces)))
                start, pieces = place, []
            pieces.append(pcm)
            begun[channel] = (start, place + bytes_to_samples(len(pcm)), pieces)
        stretches += [(channel, start, b"".join(pieces)) for channel, (start, _, pieces) in begun.items()]
        return stretches

    def _finish(self, end: int) -> Finished | None:
        if self._dropped:
            self._remove()
            return None
        if self._problem is not None or self._file is None:
            return self._save_what_there_is()
        for block in self._timeline.finish(end):
            self._file.write(block)
        path = self._folder / (self.name + SUFFIX)
        size = self._file.finish(path)
        return Finished(
            name=self.name,
            path=path,
            bytes=size,
            duration_ms=samples_to_ms(max(end, self._timeline.end)),
            lost_ms=samples_to_ms(self.refused_samples + self._timeline.late_samples),
        )

    def _save_what_there_is(self) -> Finished | None:
        """After a fault: up to its last whole page the file is good."""
        if self._file is None:
            return None
        self._file.abandon()
        self._file = None
        try:
            saved = finish_one(self._folder / (self.name + UNFINISHED))
        except OSError:
            log.exception("recording.not_saved call_id=%s", self.name)
            return None
        return None if saved is None else replace(saved, problem=self._problem)

    def _remove(self) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None
        for suffix in (UNFINISHED, SUFFIX):
            (self._folder / (self.name + suffix)).unlink(missing_ok=True)


class Recorder:
    """Order of calls: `start` at will, `close` at the end. The thread starts with the first recording."""

    def __init__(self, folder: Path) -> None:
        """Makes `folder` where it is missing, for its owner only. Raises OSError."""
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        self.folder = folder
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._running: list[Recording] = []
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self, name: str, at: float) -> Recording:
        """A recording that begins at `at`, on the clock of all that follows. `name` is the file's."""
        recording = Recording(name, at, self._wake, self.folder)
        with self._lock:
            if self._closing:
                raise AssertionError("start() after close()")
            self._running.append(recording)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()
        self._wake.set()
        return recording

    def close(self, at: float) -> None:
        """Finishes what is running and ends the thread. Waits for the disk: not on the event loop. Idempotent."""
        with self._lock:
            self._closing = True
            for recording in self._running:
                recording.finish(at)
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    @staticmethod
    def _write(recording: Recording) -> bool:
        try:
            return recording.write()
        except Exception:
            # One recording's fault must not end the others'.
            log.exception("recording.lost call_id=%s", recording.name)
            if not recording.done.done():
                recording.done.set_result(None)
            return False

    def _run(self) -> None:
        while True:
            with self._lock:
                running, closing = list(self._running), self._closing
            if not running and closing:
                return
            over = []
            for recording in running:
                if not self._write(recording):
                    over.append(recording)
                time.sleep(BREATH_S)
            if over:
                with self._lock:
                    self._running = [each for each in self._running if each not in over]
                continue
            self._wake.wait(LOOK_EVERY_S if running else None)
            self._wake.clear()
