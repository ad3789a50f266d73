"""Events out of this process: taken at once, written to Redis in order by a task of its own.

Audio never waits for Redis: `emit` only puts the event into the outbox. While Redis is away events wait, and
go out in order when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from storage.bus.backoff import backoff_s
from storage.bus.cancellation import cancel_for_sure
from storage.bus.outbox import Admission, MemoryOutbox, Outbox
from storage.bus.relay import FAILURES, REPLY_TIMEOUT_S, Relay
from storage.channels import calls_channel, desk_channel, stream_of
from storage.codec import encode
from storage.desk_events import DeskEnvelope, encode_desk
from storage.envelope import Envelope

log = logging.getLogger(__name__)

# Measured sweet spot for MULTI XADD+PUBLISH: 55,000 events/s at 200 a batch, 40,000 at 20.
_BATCH = 200

# One line in the log for each this many refused events (and one for the first).
_LOG_EVERY = 1000

# An idle publisher looks after Redis this often, so that readiness tells the truth between calls.
_GREET_EVERY_S = 5.0


class Publisher:
    """The way out for all calls of this process.

    Order of calls: `start` inside a running loop, `emit` at will (also before `start`: it waits), `drain`,
    `stop`. Or `async with Publisher(url) as publisher`.

    Bounded: `capacity` events wait. When they are that many, live-only events are dropped first; when only
    events for the record wait, new ones are refused, counted in `refused` and logged as errors.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        capacity: int = 20_000,
        outbox: Outbox | None = None,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
    ) -> None:
        """`capacity`: about 0.5 kB each; 20,000 are 40 calls for 15 minutes without Redis.

        Raises ValueError for a URL that is not Redis'.
        """
        self._outbox: Outbox = MemoryOutbox(capacity) if outbox is None else outbox
        self._relay = Relay(redis_url, reply_timeout_s=reply_timeout_s)
        self._capacity = capacity
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._task: asyncio.Task[None] | None = None
        self._connected = False
        self.refused = 0  # events for the record that were not taken
        self.live_dropped = 0  # live-only events that gave way

    def start(self) -> None:
        """Begin writing. Redis need not be there yet."""
        assert self._task is None, "a publisher is started once"
        self._task = asyncio.create_task(self._run(), name="publisher")

    def emit(self, envelope: Envelope) -> None:
        """Take an event; returns at once, never raises for a full outbox or a lost Redis.

        Call from the event loop's thread. Events of one call leave in the order they were emitted.
        """
        body = encode(envelope)
        channel = calls_channel(envelope.tenant, envelope.call_id)
        stream = None if envelope.live_only else stream_of(envelope.call_id)
        admission = self._outbox.append(envelope.id, stream, channel, body)
        if admission is not Admission.TAKEN:
            self._count(admission, envelope)
            if admission is not Admission.TAKEN_FOR_LIVE:
                return
        self._emptied.clear()
        self._arrived.set()

    def announce(self, envelope: DeskEnvelope) -> None:
        """Tell whoever listens to the desk's channel. Gives way like a live-only event; never raises or blocks."""
        channel = desk_channel(envelope.tenant)
        if self._outbox.append(None, None, channel, encode_desk(envelope)) is Admission.LIVE_DROPPED:
            self.live_dropped += 1
            return
        self._emptied.clear()
        self._arrived.set()

    @property
    def depth(self) -> int:
        """Events that Redis does not have yet."""
        return len(self._outbox)

    @property
    def healthy(self) -> bool:
        """Redis took the last batch (or greeted us), and the outbox is less than 80 % full."""
        return self._connected and self.depth < self._capacity * 0.8

    async def drain(self, timeout: float) -> int:
        """Wait until everything is out, `timeout` seconds at most; returns how many events are left."""
        try:
            await asyncio.wait_for(self._emptied.wait(), timeout)
        except TimeoutError:
            log.warning("publisher.drain_timeout left=%d timeout_s=%.1f", self.depth, timeout)
        return self.depth

    async def stop(self) -> None:
        """Stop writing and close the connection. What is still waiting is lost: `drain` first. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            await cancel_for_sure(task)
        self._connected = False
        await self._relay.close()
        if self.depth:
            log.error("publisher.stopped_with_events left=%d: they are lost; drain longer", self.depth)

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
                await self._persist(lambda batch=batch: self._relay.write(batch))  # type: ignore[misc]
                self._outbox.delivered(batch)
                continue
            self._emptied.set()
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), _GREET_EVERY_S)
            except TimeoutError:
                await self._persist(self._relay.greet)

    async def _persist(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until Redis has answered well; cancelling leaves the outbox as it is."""
        failures = 0
        while True:
            try:
                await attempt()
            except FAILURES as error:
                self._connected = False
                if failures == 0:
                    log.warning(
                        "publisher.redis_lost waiting=%d error=%s: events are kept in memory and sent when "
                        "Redis is back; check that it runs at REDIS_URL",
                        self.depth,
                        error,
                    )
                await asyncio.sleep(backoff_s(failures))
                failures += 1
                continue
            if failures:
                log.info("publisher.redis_back waiting=%d", self.depth)
            self._connected = True
            return

    def _count(self, admission: Admission, envelope: Envelope) -> None:
        if admission is not Admission.REFUSED:
            self.live_dropped += 1
            return
        self.refused += 1
        if self.refused % _LOG_EVERY == 1:
            log.error(
                "publisher.refused type=%s call_id=%s refused=%d waiting=%d: the record of this call has a hole "
                "now, because Redis has been away too long; bring Redis back or take no more calls",
                envelope.type,
                envelope.call_id,
                self.refused,
                self.depth,
            )
