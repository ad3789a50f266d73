"""This server's recordings, from the first sample to the object store: made, registered, moved, removed, read.

The folder is the truth about what is here, the database about what may be given to anybody. A file that is finished
waits in the folder until its row is written, and where there is an object store until that has confirmed the whole of
it. While either is down, files wait; a server that was killed finishes its files when it starts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from media.files.ogg_opus import SUFFIX
from media.files.recorder import Recorder, Recording
from media.files.unfinished import Finished, describe, finish_left_over
from realtime.tools.context import AuditTrail
from signaling.web.ports import RecordingView
from storage.call_ids import is_call_id
from storage.objects.bucket import Bucket
from storage.objects.folder import Folder
from storage.postgres.recordings import RecordingBook

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0  # for recordings to remove: an erasure waits so long for its files
LONGEST_WAIT_S: Final = 60.0  # between tries while the database or the object store is away
CLOSE_WITHIN_S: Final = 5.0  # the process must end; the folder keeps what is left
ASKED_AT_ONCE: Final = 1000  # names in one question to the database


class Recordings:
    """Order of calls: `start` for a call, `keep` as a task while the server runs, `close` after the last call.

    Implements the doors' `RecordingArchive`.
    """

    def __init__(
        self,
        folder: Path,
        book: RecordingBook,
        *,
        bucket: Bucket | None = None,
        audit: AuditTrail | None = None,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Touches nothing yet: the folder is made for the first recording."""
        self._look_every_s = look_every_s
        self._path = folder
        self._folder = Folder(folder)
        self._book = book
        self._bucket = bucket
        self._audit = audit
        self._recorder: Recorder | None = None
        self._running: dict[str, Recording] = {}
        self._waiting: dict[str, int] = {}  # finished files to be registered → lost_ms; names only
        self._refused: set[str] = set()  # to be marked as deleted
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def start(
        self, call_id: str, at: float, over: Callable[[Finished | None], None] | None = None
    ) -> Recording:
        """Records this call from `at` (`loop.time()`) on. Raises OSError where there is no folder to write in.

        `over` is called on the loop when the file is finished, with None where nothing was kept.
        """
        if self._recorder is None:
            self._recorder = Recorder(self._path)
        recording = self._recorder.start(call_id, at)
        self._running[call_id] = recording

        def done(finished: Finished | None) -> None:
            self._running.pop(call_id, None)
            if finished is not None:
                self._waiting[call_id] = finished.lost_ms
                self._news.set()
            if over is not None:
                over(finished)

        recording.done.add_done_callback(
            lambda future: self._loop.call_soon_threadsafe(done, future.result())
        )
        return recording

    async def refuse(self, call_id: str) -> None:
        """The caller does not want it. The file is gone when this returns; the database is told when it can be."""
        recording = self._running.get(call_id)
        if recording is not None:
            recording.discard()
            # Shielded: a tool that is cancelled must not cancel what the thread is about to say.
            await asyncio.shield(asyncio.wrap_future(recording.done))
        self._waiting.pop(call_id, None)
        await self._folder.delete(call_id + SUFFIX)
        self._refused.add(call_id)
        self._news.set()

    # What the doors ask.

    async def find(self, call_id: str) -> RecordingView | None:
        """What there is of this call. Raises OSError while the database is away."""
        if call_id in self._running:
            return RecordingView(state="recording")
        if call_id in self._refused:
            return RecordingView(state="deleted", deleted_because="refused")
        row = await self._book.find(call_id)
        if row is None:
            return RecordingView(state="recording") if call_id in self._waiting else None
        if row.deleted_because is not None:
            return RecordingView(state="deleted", deleted_because=row.deleted_because)
        if not row.in_store and not await self._folder.holds(call_id + SUFFIX):
            return RecordingView(state="elsewhere", node=row.node)
        return RecordingView(state="finished", bytes=row.bytes or 0)

    async def heard_by(self, call_id: str, who: str) -> None:
        """Puts into the audit log that somebody listens. Raises OSError where it cannot be written."""
        if self._audit is not None:
            await self._audit.write(actor=who, action="recording.heard", subject=call_id)

    async def read(self, call_id: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a finished recording. Raises OSError where it cannot be read, before the first piece if ever."""
        name = call_id + SUFFIX
        if await self._folder.holds(name):
            source = self._folder.read(name, start, length)
        elif self._bucket is not None:
            source = self._bucket.read(name, start, length)
        else:
            raise FileNotFoundError(f"{name} is neither here nor in an object store that this server knows")
        async for piece in source:
            yield piece

    # The process

    async def keep(self) -> None:
        """Until cancelled: registers what is finished, moves it to the object store, removes what is to go."""
        await self._take_up()
        wait_s = 0.0
        while True:
            try:
                async with asyncio.timeout(wait_s or None):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self._register()
                await self._remove()
                wait_s = self._look_every_s
            except OSError as error:
                if wait_s <= self._look_every_s:
                    log.error("recordings.waiting files=%d: %s", len(self._waiting), error)
                wait_s = min(LONGEST_WAIT_S, max(self._look_every_s, wait_s) * 2)

    async def close(self) -> None:
        """Finishes what is still being recorded, and registers it if the database is there; else the next start does.

        After `keep` has ended.
        """
        if self._recorder is None:
            return
        await asyncio.to_thread(self._recorder.close, self._loop.time())
        await asyncio.sleep(0)  # the done callbacks, which the thread has put on the loop
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._register()
        except OSError as error:  # TimeoutError too
            log.warning(
                "recordings.left files=%d: %s; the next start takes them up", len(self._waiting), error
            )

    async def _take_up(self) -> None:
        """What an earlier run has left in the folder."""
        if not await asyncio.to_thread(self._path.is_dir):
            self._news.set()
            return
        try:
            for finished in await asyncio.to_thread(finish_left_over, self._path):
                log.warning(
                    "recording.left_over call_id=%s duration_ms=%d: finished now",
                    finished.name,
                    finished.duration_ms,
                )
            names = await self._folder.names(SUFFIX)
        except OSError:
            log.exception("recordings.folder_not_readable")
            names = []
        for name in names:
            call_id = name.removesuffix(SUFFIX)
            if is_call_id(call_id):
                self._waiting.setdefault(call_id, 0)
        self._news.set()

    async def _register(self) -> None:
        while self._refused:
            call_id = next(iter(self._refused))
            await self._book.delete([call_id], because="refused")
            self._refused.discard(call_id)
        waiting = list(self._waiting)
        if len(waiting) > 1:  # after a start: most of them are known
            for at in range(0, len(waiting), ASKED_AT_ONCE):
                asked = waiting[at : at + ASKED_AT_ONCE]
                for call_id in await self._book.known(asked, only_in_store=self._bucket is not None):
                    if self._bucket is not None:
                        await self._folder.delete(call_id + SUFFIX)  # a copy that outlived its move
                    self._waiting.pop(call_id, None)
        for call_id in list(self._waiting):
            await self._register_one(call_id)
            self._waiting.pop(call_id, None)

    async def _register_one(self, call_id: str) -> None:
        name = call_id + SUFFIX
        try:
            found = await asyncio.to_thread(describe, self._folder.path(name))
        except FileNotFoundError:
            return
        except OSError:
            log.exception("recording.not_readable call_id=%s", call_id)
            return
        wanted = await self._book.finished(
            call_id,
            size=found.bytes,
            duration_ms=found.duration_ms,
            lost_ms=self._waiting.get(call_id, 0),
        )
        if wanted and self._bucket is None:
            return
        if wanted and self._bucket is not None:
            await self._bucket.put(name, found.path)
            if not await self._book.stored(call_id):
                await self._bucket.delete(name)  # deleted while it was on its way
        await self._folder.delete(name)
        if not wanted:
            await self._book.removed([call_id])

    async def _remove(self) -> None:
        for call_id in await self._book.to_remove(with_store=self._bucket is not None):
            await self._folder.delete(call_id + SUFFIX)
            if self._bucket is not None:
                await self._bucket.delete(call_id + SUFFIX)
            await self._book.removed([call_id])
            log.info("recording.removed call_id=%s", call_id)
