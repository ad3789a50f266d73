"""Events out of this process: taken at once, written to Redis in order by a task of its own.

Audio never waits for Redis or for a disk: `emit` only puts the event into the outbox. While Redis is away
events wait, and go out in order when it is back. With a durable outbox two more tasks run: one hears which
events are in Postgres, one asks Redis whether it still has what nobody has acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from storage.bus.acknowledgements import Acknowledgements
from storage.bus.backoff import backoff_s
from storage.bus.cancellation import cancel_for_sure
from storage.bus.outbox import Admission, MemoryOutbox, OpenCall, Outbox
from storage.bus.reconcile import Presence
from storage.bus.relay import FAILURES, REPLY_TIMEOUT_S, Relay
from storage.channels import calls_channel, desk_channel
from storage.codec import encode
from storage.desk_events import DeskEnvelope, encode_desk
from storage.envelope import Envelope

log = logging.getLogger(__name__)

# A batch is written and its replies are read without a pause for the event loop: at 100 that is 2 to 3 ms, which
# audio does not notice. Larger ones are hardly faster (40,000 events/s at 20 a batch, 55,000 at 200, in C).
_BATCH = 100

# One line in the log for each this many refused events (and one for the first).
_LOG_EVERY = 1000

# An idle publisher looks after Redis this often, so that readiness tells the truth between calls.
_GREET_EVERY_S = 5.0

# What nobody has acknowledged is looked for in Redis this often, this many at a time: 200 answers hold up the
# event loop for about 5 ms. When some are found lost, the rest is looked at without a pause.
_RECONCILE_EVERY_S = 2.0
_RECONCILE_AT_ONCE = 200

T = TypeVar("T")


class Publisher:
    """The way out for all calls of this process.

    Order of calls: `start` inside a running loop, `emit` at will (also before `start`: it waits), `drain`,
    `stop`. Or `async with Publisher(url) as publisher`.

    Bounded by its outbox. Without one given, `capacity` events wait in memory: when they are that many,
    live-only events are dropped first; when only events for the record wait, new ones are refused, counted in
    `refused` and logged as errors. With a SqliteOutbox nothing for the record is refused while the disk takes
    it; `problem` says when to take no more calls.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        capacity: int = 20_000,
        outbox: Outbox | None = None,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
        reconcile_every_s: float = _RECONCILE_EVERY_S,
    ) -> None:
        """`capacity`: about 0.5 kB each; 20,000 are 40 calls for 15 minutes without Redis.

        The publisher closes the outbox. Raises ValueError for a URL that is not Redis'.
        """
        self._redis_url = redis_url
        self._outbox: Outbox = MemoryOutbox(capacity) if outbox is None else outbox
        self._relay = Relay(redis_url, reply_timeout_s=reply_timeout_s)
        self._reply_timeout_s = reply_timeout_s
        self._reconcile_every_s = reconcile_every_s
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = False
        self.refused = 0  # events for the record that were not taken
        self.live_dropped = 0  # live-only events that gave way
        self.sent_again = 0  # events that Redis had lost, or whose acknowledgement was lost

    def start(self) -> None:
        """Begin writing. Redis need not be there yet."""
        assert not self._tasks, "a publisher is started once"
        self._outbox.start(self._arrived.set)
        work = {"publisher": self._run()}
        if self._outbox.durable:
            work |= {"acknowledgements": self._hear(), "reconcile": self._reconcile()}
        self._tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]

    def emit(self, envelope: Envelope) -> None:
        """Take an event; returns at once, never raises for a full outbox, a lost Redis or a full disk.

        Call from the event loop's thread. Events of one call leave in the order they were emitted.
        """
        channel = calls_channel(envelope.tenant, envelope.call_id)
        admission = self._outbox.append(channel, encode(envelope), envelope)
        if admission is not Admission.TAKEN:
            self._count(admission, envelope)
            if admission is not Admission.TAKEN_FOR_LIVE:
                return
        self._emptied.clear()

    def announce(self, envelope: DeskEnvelope) -> None:
        """Tell whoever listens to the desk's channel. Gives way like a live-only event; never raises or blocks."""
        if (
            self._outbox.append(desk_channel(envelope.tenant), encode_desk(envelope))
            is Admission.LIVE_DROPPED
        ):
            self.live_dropped += 1
            return
        self._emptied.clear()

    @property
    def depth(self) -> int:
        """Events that Redis does not have yet."""
        return len(self._outbox)

    @property
    def healthy(self) -> bool:
        """Redis took the last batch (or greeted us), and the outbox is less than 80 % full."""
        return self._connected and self._outbox.fullness < 0.8

    @property
    def problem(self) -> str | None:
        """Why no new call should be taken: a sentence with its remedy; None when all is well."""
        return self._outbox.problem

    def open_calls(self) -> Sequence[OpenCall]:
        """Calls that an earlier process left without an end: give each its `call.ended` after the start."""
        return self._outbox.open_calls()

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        """Numbered events of a call that may not be in Postgres yet, with seq > `after`, by seq.

        What is missing here has been acknowledged, so it is in Postgres (or is no event of this server).
        [] where the disk does not answer.
        """
        try:
            return await self._outbox.events_after(call_id, after, limit)
        except sqlite3.Error as error:
            log.error("publisher.outbox_unreadable call_id=%s error=%s", call_id, error)
            return []

    async def erase(self, call_ids: Collection[str]) -> int:
        """Forget every event of these calls, on disk too; returns how many there were.

        The calls must be over. What is in Redis already is not touched. Raises sqlite3.Error where the disk
        refuses: nothing is erased then.
        """
        return await self._outbox.erase(call_ids)

    async def drain(self, timeout: float) -> int:
        """Wait until everything is out, `timeout` seconds at most; returns how many events are left."""
        try:
            await asyncio.wait_for(self._emptied.wait(), timeout)
        except TimeoutError:
            log.warning("publisher.drain_timeout left=%d timeout_s=%.1f", self.depth, timeout)
        return self.depth

    async def stop(self) -> None:
        """Stop writing, close the connections and the outbox. Idempotent.

        What still waits in memory is lost: `drain` first. What waits on disk is sent at the next start.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            await cancel_for_sure(task)
        self._connected = False
        await self._relay.close()
        if self.depth and self._outbox.durable:
            log.warning("publisher.stopped_with_events left=%d: they are sent at the next start", self.depth)
        elif self.depth:
            log.error("publisher.stopped_with_events left=%d: they are lost; drain longer", self.depth)
        await self._outbox.close()

    async def __aenter__(self) -> Publisher:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _run(self) -> None:
        await self._persist(self._relay.greet)
        while True:
            batch = self._outbox.oldest(_BATCH)
            if batch:
                # The very same batch until it is taken: the relay may have to find out what became of it.
                stream_ids = await self._persist(lambda batch=batch: self._relay.write(batch))  # type: ignore[misc]
                self._outbox.delivered(batch, stream_ids)
                continue
            if not self.depth:
                self._emptied.set()
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), _GREET_EVERY_S)
            except TimeoutError:
                await self._persist(self._relay.greet)

    async def _hear(self) -> None:
        async for event_ids in Acknowledgements(self._redis_url):
            self._outbox.acknowledged(event_ids)

    async def _reconcile(self) -> None:
        presence = Presence(self._redis_url, reply_timeout_s=self._reply_timeout_s)
        try:
            while True:
                lost = 0
                try:
                    lost = await self._send_lost_again(presence)
                except FAILURES:
                    pass  # `_run` tells about a lost Redis
                except sqlite3.Error as error:
                    log.warning("publisher.reconcile_failed error=%s: tried again", error)
                if not lost:
                    await asyncio.sleep(self._reconcile_every_s)
        finally:
            await presence.close()

    async def _send_lost_again(self, presence: Presence) -> int:
        """Look at one portion; returns how many of it Redis has lost."""
        sent = await self._outbox.unsettled(_RECONCILE_AT_ONCE)
        lost = await presence.lost(sent) if sent else []
        if not lost:
            return 0
        log.warning(
            "publisher.sent_again events=%d: in no stream and not acknowledged; Redis has lost data, or an "
            "acknowledgement was lost",
            len(lost),
        )
        self.sent_again += len(lost)
        self._emptied.clear()
        await self._outbox.send_again(lost)
        return len(lost)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until Redis has answered well; cancelling leaves the outbox as it is."""
        failures = 0
        while True:
            try:
                result = await attempt()
            except FAILURES as error:
                self._connected = False
                if failures == 0:
                    log.warning(
                        "publisher.redis_lost waiting=%d error=%s: events are kept and sent when Redis is "
                        "back; check that it runs at REDIS_URL",
                        self.depth,
                        error,
                    )
                await asyncio.sleep(backoff_s(failures))
                failures += 1
                continue
            if failures:
                log.info("publisher.redis_back waiting=%d", self.depth)
            self._connected = True
            return result

    def _count(self, admission: Admission, envelope: Envelope) -> None:
        if admission is not Admission.REFUSED:
            self.live_dropped += 1
            return
        self.refused += 1
        if self.refused % _LOG_EVERY == 1:
            log.error(
                "publisher.refused type=%s call_id=%s refused=%d waiting=%d: the record of this call has a hole "
                "now, because too much waits in memory; bring Redis back (and the outbox's disk)",
                envelope.type,
                envelope.call_id,
                self.refused,
                self.depth,
            )
