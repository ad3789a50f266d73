"""What this server knows of the calls on other servers: heard on Redis, completed from the record.

Implements `signaling.web.ports.OtherNodes`. Events of our own calls come back from Redis, too, and are left
alone: they were delivered when they happened. Pub/sub forgets what is said while nobody listens, so each time
the subscription stands anew, the record is asked which calls run and what was missed, and every client of the
live feed gets a new snapshot, REFRESH_WITHIN_S later at most, whether the record answers or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from signaling.other_calls import MOST_CALLS, OtherCalls
from signaling.web.feed import Feed
from signaling.web.topics import Topics
from storage.bus.subscriber import Subscriber
from storage.channels import calls_pattern
from storage.envelope import Envelope
from storage.projection import CallView

log = logging.getLogger(__name__)

LONGEST_CALL = timedelta(days=1)
"""A call without an end on record that began before is a call whose server never came back."""
REFRESH_WITHIN_S = 0.5
"""When the subscription stands again: clients are to be right within 2 s of Redis' return, and most of that may
have gone by until the next try to connect."""
RECORD_WITHIN_S = 2.0
"""At any other time."""
AFTER_CONNECTING_S = (1.0, 2.0, 4.0, 8.0)
"""The record catches up with an outage in about a second; then looking again finds what was missed."""
REFRESH_EVERY_S = 30.0
"""Finds what slipped through a subscription that stood; about 2 ms of Postgres for a hundred calls."""
FILL_EVERY_S = 0.25
GIVE_UP_AFTER = 120
"""Tries to read a missing event, half a minute of them while the record answers; then it is in dead_letters."""
_PAGE = 1000
_TRIES_AT_ONCE = 50  # calls; more wait for the next round, so that one round stays below a second


class RunningCalls(Protocol):
    """The record, as far as it is needed here. Both may raise OSError or TimeoutError while it is down."""

    async def running_calls(self, *, since: datetime, limit: int) -> list[tuple[CallView, int]]:
        """Calls of every node without an end, each with its last seq."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope] | None: ...


class Neighbours:
    """Order: `run` as a task; the rest at any time. Everything happens on the event loop."""

    def __init__(
        self, redis_url: str, tenant: str, *, record: RunningCalls, feed: Feed, ours: Callable[[str], bool]
    ) -> None:
        """`ours`: whether a call's events come from this process."""
        self._redis_url = redis_url
        self._tenant = tenant
        self._record = record
        self._feed = feed
        self._ours = ours
        self._calls = OtherCalls()
        self._connected = False  # again, and nobody has seen to it yet
        self._wake = asyncio.Event()
        self._holes = False  # something is missing and looked for
        self._tries: dict[str, int] = {}

    # OtherNodes

    def live_calls(self) -> list[CallView]:
        return self._calls.running()

    def live_call(self, call_id: str) -> CallView | None:
        return self._calls.view(call_id)

    def last_seq(self, call_id: str) -> int:
        return self._calls.last_seq(call_id)

    def events_after(self, call_id: str, after: int) -> list[Envelope]:
        return self._calls.events_after(call_id, after)

    def erase(self, call_ids: Collection[str]) -> set[str]:
        """Forget these calls, which were erased; clients that look at them are told to look again."""
        self._calls.erase(call_ids)
        self._feed.renew(lambda topics: not topics.call_ids.isdisjoint(call_ids))
        return set()

    # The task

    async def run(self) -> None:
        """Until cancelled, which is safe at any time."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen(), name="other nodes' events")
            both.create_task(self._complete(), name="other nodes' record")

    async def _listen(self) -> None:
        subscriber = Subscriber(self._redis_url, [calls_pattern(self._tenant)], on_connect=self._on_connect)
        async for envelope in subscriber:
            self._hear(envelope)

    def _on_connect(self) -> None:
        self._connected = True
        self._wake.set()

    def _hear(self, envelope: Envelope) -> None:
        if self._ours(envelope.call_id):
            return
        if envelope.seq is None:
            self._feed.publish(envelope)
        elif self._calls.hear(envelope, datetime.now(UTC)):
            self._feed.publish(envelope)
            if not self._holes and self._calls.has_hole(envelope.call_id):
                self._wake.set()

    async def _complete(self) -> None:
        loop = asyncio.get_running_loop()
        due = [loop.time()]
        while True:
            self._wake.clear()
            if self._connected:
                self._connected = False
                await self._refresh(REFRESH_WITHIN_S)
                self._feed.renew(self._concerned)
                due = [loop.time() + s for s in AFTER_CONNECTING_S]
            elif loop.time() >= due[0]:
                if await self._refresh(RECORD_WITHIN_S):
                    self._feed.renew(self._concerned)
                due = due[1:] or [loop.time() + REFRESH_EVERY_S]
            self._holes = await self._fill()
            self._calls.forget_ended(datetime.now(UTC))
            if self._calls.forget_silent(datetime.now(UTC)):
                self._feed.renew(self._concerned)
            wait_s = due[0] - loop.time()
            try:
                async with asyncio.timeout(min(wait_s, FILL_EVERY_S) if self._holes else wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _refresh(self, within_s: float) -> bool:
        """Ask the record which calls run. True when calls were found that no client has been told of."""
        now = datetime.now(UTC)
        try:
            async with asyncio.timeout(within_s):
                running = await self._record.running_calls(since=now - LONGEST_CALL, limit=MOST_CALLS)
        except (OSError, TimeoutError):
            return False  # said in the log by the health check; the next refresh is near
        theirs = [(view, last_seq) for view, last_seq in running if not self._ours(view.id)]
        found = [view.id for view, last_seq in theirs if self._calls.found(view, last_seq, now)]
        self._calls.doubt(view.id for view, _ in theirs)
        return bool(found)

    async def _fill(self) -> bool:
        """Read from the record what is missing. True while something still is."""
        holes = self._calls.holes()
        for call_id in sorted(holes, key=lambda call_id: self._tries.get(call_id, 0))[:_TRIES_AT_ONCE]:
            after = holes[call_id]
            try:
                async with asyncio.timeout(RECORD_WITHIN_S):
                    events = await self._record.events_after(call_id, after, _PAGE)
            except (OSError, TimeoutError):
                return True
            for envelope in self._calls.fill(call_id, events or [], datetime.now(UTC)):
                self._feed.publish(envelope)
            self._judge(call_id, after, found=events or [])
        left = self._calls.holes()
        self._tries = {call_id: tries for call_id, tries in self._tries.items() if call_id in left}
        return bool(left)

    def _judge(self, call_id: str, after: int, found: Sequence[Envelope]) -> None:
        """Was it the next event that came? If not, how long shall we wait for it?"""
        if self._calls.last_seq(call_id) > after:
            self._tries.pop(call_id, None)
            return
        if not found and not self._calls.is_ahead(call_id):
            self._calls.believe(call_id)  # it was only a doubt, or the record is behind
            return
        self._tries[call_id] = self._tries.get(call_id, 0) + 1
        if self._tries[call_id] >= GIVE_UP_AFTER:
            log.warning(
                "neighbours.event_missing call_id=%s after=%d: not on record either; see dead_letters",
                call_id,
                after,
            )
            self._calls.give_up(call_id)

    def _concerned(self, topics: Topics) -> bool:
        return topics.all_calls or topics.handoffs or not all(map(self._ours, topics.call_ids))
