"""The live feed: every event to every client that asked for it, and no client can slow down another.

`publish` never blocks and never fails. Each client has a bounded backlog of 256 messages; when it is full
the oldest message goes and a `resync` marker takes its place, so that the client knows what to fetch again.
After events may have been missed for everybody (Redis was away) `renew` has every client sent a new snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from signaling.web.topics import Topics
from storage.codec import encode
from storage.desk_events import DeskEnvelope, encode_desk
from storage.envelope import Envelope

BACKLOG = 256
"""Messages. About five seconds of twenty busy calls; a client further behind than that needs a new start."""

MOST_CALLS = 10_000
"""Running calls whose last seq is remembered. Other nodes' ends may be missed; the longest known goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """Stands where messages were dropped."""

    dropped: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """Stands where a new snapshot is due."""


class Subscription:
    """One client's place in the feed. Policy of its backlog: drop the oldest, tell the client.

    Use: `take()` in a loop from one task. Cancelling `take()` loses nothing.
    """

    def __init__(self, topics: Topics, *, capacity: int = BACKLOG) -> None:
        self.topics = topics
        self._capacity = capacity
        self._messages: deque[str] = deque()
        self._dropped = 0
        self._renewed = False
        self._closed = False
        self._something = asyncio.Event()

    def offer(self, message: str) -> None:
        """Append; the oldest goes when the backlog is full."""
        if len(self._messages) >= self._capacity:
            self._messages.popleft()
            self._dropped += 1
        self._messages.append(message)
        self._something.set()

    def renew(self) -> None:
        """A snapshot is due, before all that waits; asked for several times it is one."""
        self._renewed = True
        self._something.set()

    def close(self) -> None:
        """No more will come; what is in the backlog can still be taken."""
        self._closed = True
        self._something.set()

    async def take(self) -> str | Overflow | Renewal | None:
        """The next message, waiting for one; an `Overflow` first where some were dropped before it, and a
        `Renewal` before everything: what still waits is older than the snapshot then, and numbered lower.

        None: the feed has stopped and everything was taken.
        """
        while not self._messages and not self._renewed:
            if self._closed:
                return None
            self._something.clear()
            await self._something.wait()
        if self._renewed:
            self._renewed = False
            return Renewal()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            return Overflow(dropped=dropped)
        return self._messages.popleft()

    def __len__(self) -> int:
        return len(self._messages)


class Feed:
    """All subscriptions of this process. Everything is called on the event loop."""

    def __init__(self) -> None:
        self._broad: set[Subscription] = set()  # all calls, or the handoffs
        self._of_call: dict[str, set[Subscription]] = {}  # one phone each, mostly
        self._last_seq: dict[str, int] = {}  # running calls only

    @property
    def subscribers(self) -> int:
        return len(self._all())

    def subscribe(self, topics: Topics) -> Subscription:
        """Events published from now on. Take the snapshot in the same step (no await between)."""
        subscription = Subscription(topics)
        if topics.all_calls or topics.handoffs:
            self._broad.add(subscription)
        for call_id in topics.call_ids:
            self._of_call.setdefault(call_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Idempotent."""
        self._broad.discard(subscription)
        for call_id in subscription.topics.call_ids:
            listeners = self._of_call.get(call_id, set())
            listeners.discard(subscription)
            if not listeners:
                self._of_call.pop(call_id, None)

    def publish(self, envelope: Envelope) -> None:
        """Hand an event to whoever asked for it. Never blocks; encodes once, and only if someone listens."""
        self._note_seq(envelope)
        own = self._of_call.get(envelope.call_id, set())
        if not own and not self._broad:
            return
        message: str | None = None
        for subscription in self._broad | own:
            if subscription.topics.wants(envelope):
                if message is None:
                    message = encode(envelope).decode()
                subscription.offer(message)

    def publish_desk(self, envelope: DeskEnvelope) -> None:
        """Hand on what happened without a call, to whoever asked for the handoffs. Never blocks."""
        message: str | None = None
        for subscription in self._broad:
            if subscription.topics.handoffs:
                if message is None:
                    message = encode_desk(envelope).decode()
                subscription.offer(message)

    def renew(self, concerned: Callable[[Topics], bool] = lambda topics: True) -> None:
        """A new snapshot to every client whose topics are concerned."""
        for subscription in self._all():
            if concerned(subscription.topics):
                subscription.renew()

    def stop(self) -> None:
        """The server is going away: every client gets what is waiting for it, then a close."""
        for subscription in self._all():
            subscription.close()

    def last_seq(self, call_ids: Sequence[str]) -> dict[str, int]:
        """The last seq published of each of these running calls; -1 where none was seen yet."""
        return {call_id: self._last_seq.get(call_id, -1) for call_id in call_ids}

    def _all(self) -> set[Subscription]:
        return self._broad.union(*self._of_call.values())

    def _note_seq(self, envelope: Envelope) -> None:
        if envelope.call_id is None or envelope.seq is None:
            return
        if envelope.type in ("call.ended", "call.annotated"):
            self._last_seq.pop(envelope.call_id, None)
        else:
            self._last_seq[envelope.call_id] = envelope.seq
            if len(self._last_seq) > MOST_CALLS:
                self._last_seq.pop(next(iter(self._last_seq)))
