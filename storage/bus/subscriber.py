"""Events from Redis as they happen: for `cordboard events tail`, and for live feeds of calls on other nodes.

Pub/sub is at most once: what is published while nobody is connected is gone. So a listener that keeps state
follows the contract's rule: seq <= last → ignore, seq > last + 1 → fetch the gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

import redis.asyncio
import redis.exceptions

from storage.bus.backoff import backoff_s
from storage.bus.cancellation import raise_if_cancelled
from storage.channels import desk_channel
from storage.codec import EnvelopeError, decode
from storage.desk_events import DeskEnvelope, decode_desk
from storage.envelope import Envelope

log = logging.getLogger(__name__)

# Looking at the connection this often finds a server that went away without a word.
_PING_EVERY_S = 15.0
_REPLY_TIMEOUT_S = 5.0
# Whoever watches a page is to see what is so within 2 s of Redis' return, and reading it takes time, too.
_LONGEST_WAIT_S = 1.0


E = TypeVar("E")


class Listener(Generic[E]):
    """`async for envelope in …`: for ever, across restarts of Redis.

    `on_connect` is called each time the subscription stands (also the first): events may have been missed
    before it, so take a snapshot then. Messages that `read` refuses (EnvelopeError) are counted in `undecodable` and
    skipped. A reader that is too slow is cut off by Redis at 32 MB and connects again.
    May be cancelled at any time.
    """

    def __init__(
        self,
        redis_url: str,
        patterns: Sequence[str],
        read: Callable[[bytes], E],
        on_connect: Callable[[], None] | None,
    ) -> None:
        self._redis_url = redis_url
        self._patterns = list(patterns)
        self._read = read
        self._on_connect = on_connect
        self.connected = False
        self.undecodable = 0

    async def __aiter__(self) -> AsyncIterator[E]:
        failures = 0
        while True:
            try:
                async with redis.asyncio.from_url(
                    self._redis_url,
                    socket_timeout=_REPLY_TIMEOUT_S,
                    socket_connect_timeout=_REPLY_TIMEOUT_S,
                    client_name="cordboard-subscriber",
                    retry=None,
                ) as client:
                    async for body in self._messages(client):
                        failures = 0
                        if body is not None and (envelope := self._decode(body)) is not None:
                            yield envelope
            except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
                if failures == 0:
                    log.warning("subscriber.redis_lost error=%s: connecting again until it is back", error)
                self.connected = False
                await asyncio.sleep(backoff_s(failures, longest_s=_LONGEST_WAIT_S))
                failures += 1
            finally:
                self.connected = False

    async def _messages(self, client: redis.asyncio.Redis) -> AsyncIterator[bytes | None]:
        """Bodies of messages; None for everything else that came."""
        async with client.pubsub() as pubsub:
            await pubsub.psubscribe(*self._patterns)
            raise_if_cancelled()
            waiting_for = len(self._patterns)
            pinged = False
            while True:
                message = await pubsub.get_message(timeout=_PING_EVERY_S)
                raise_if_cancelled()
                if message is None:
                    if pinged:
                        raise TimeoutError("Redis did not answer a ping")
                    await pubsub.ping()
                    raise_if_cancelled()
                    pinged = True
                    continue
                pinged = False
                if message["type"] == "psubscribe":
                    waiting_for -= 1
                    if waiting_for == 0:
                        self.connected = True
                        if self._on_connect is not None:
                            self._on_connect()
                yield message["data"] if message["type"] == "pmessage" else None

    def _decode(self, body: bytes) -> E | None:
        try:
            return self._read(body)
        except EnvelopeError as error:
            self.undecodable += 1
            if self.undecodable == 1:
                log.warning("subscriber.undecodable error=%s: somebody else publishes on our channels", error)
            return None


class Subscriber(Listener[Envelope]):
    """`async for envelope in Subscriber(url, [calls_pattern()])`: the events of calls. See `Listener`."""

    def __init__(
        self, redis_url: str, patterns: Sequence[str], *, on_connect: Callable[[], None] | None = None
    ) -> None:
        super().__init__(redis_url, patterns, decode, on_connect)


class DeskSubscriber(Listener[DeskEnvelope]):
    """`async for envelope in DeskSubscriber(url, tenant)`: what happens without a call. See `Listener`."""

    def __init__(self, redis_url: str, tenant: str, *, on_connect: Callable[[], None] | None = None) -> None:
        super().__init__(redis_url, [desk_channel(tenant)], decode_desk, on_connect)
