"""Calls that were erased are forgotten by this server, too: in its memory and in its outbox.

It hears the order on Redis and answers. What was ordered while it did not listen it finds in Postgres: at the
start, and each time the subscription stands again. Until both have answered once, its outbox may still send events
of such calls; the worker drops them. A call that is not over is forgotten when it is.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import redis.exceptions

from storage.bus.erase_orders import EraseOrders, answer
from storage.envelope import Envelope
from storage.erasure import EraseAnswer, EraseOrder
from storage.postgres.tombstones import FIRST

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
# A tombstone is dated when its transaction began and is seen when that ended.
OVERLAP = timedelta(minutes=10)
_PAGE = 500
_EVENTS = 100_000  # more than any call has


class ErasableOutbox(Protocol):
    """The publisher, as far as it is needed here. `erase` may raise sqlite3.Error."""

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]: ...

    async def erase(self, call_ids: Collection[str]) -> int: ...


class CallMemory(Protocol):
    """Something that remembers calls."""

    def erase(self, call_ids: Collection[str]) -> set[str]:
        """Forget these; returns those that still run here, which are kept."""


class Tombstones(Protocol):
    """The record of what was erased. May raise OSError while it is away."""

    async def since(self, at: datetime, after: str = FIRST, *, limit: int) -> list[tuple[str, datetime]]: ...


class Forgetting:
    """Order: `run` as a task, for as long as the process answers."""

    def __init__(
        self,
        redis_url: str,
        tenant: str,
        node: str,
        *,
        outbox: ErasableOutbox,
        memories: Sequence[CallMemory],
        tombstones: Tombstones,
    ) -> None:
        self._redis_url, self._tenant, self._node = redis_url, tenant, node
        self._outbox = outbox
        self._memories = memories
        self._tombstones = tombstones
        self._looked_until = datetime(1970, 1, 1, tzinfo=UTC)
        self._later: set[str] = set()  # not over yet
        self._wake = asyncio.Event()
        self._look = True

    async def run(self) -> None:
        """Until cancelled, which is safe at any time: what was not finished is found again."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen(), name="orders to erase")
            both.create_task(self._catch_up(), name="what was erased meanwhile")

    async def _listen(self) -> None:
        async for order in EraseOrders(self._redis_url, self._tenant, on_connect=self.look_again):
            told = await self._obey(order)
            try:
                await answer(self._redis_url, self._tenant, told)
            except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
                log.warning("erasure.not_answered error=%s", error)

    def look_again(self) -> None:
        """The subscription stands anew: orders may have been missed."""
        self._look = True
        self._wake.set()

    async def _obey(self, order: EraseOrder) -> EraseAnswer:
        running: set[str] = set()
        try:
            if order.count_only:
                events = 0
                for call_id in order.call_ids:
                    events += len(await self._outbox.events_after(call_id, -1, _EVENTS))
            else:
                events, running = await self._forget(order.call_ids)
                log.info(
                    "erasure.done calls=%d events=%d running=%d", len(order.call_ids), events, len(running)
                )
        except sqlite3.Error as error:
            log.error("erasure.outbox_refuses error=%s: tried again", error)
            self.look_again()
            return EraseAnswer(order=order.order, node=self._node, events=0, problem=f"its outbox: {error}")
        return EraseAnswer(order=order.order, node=self._node, events=events, running=sorted(running))

    async def _forget(self, call_ids: Collection[str]) -> tuple[int, set[str]]:
        running: set[str] = set()
        for memory in self._memories:
            running |= memory.erase(call_ids)
        over = set(call_ids) - running
        self._later = (self._later - over) | running
        return (await self._outbox.erase(over) if over else 0), running

    async def _catch_up(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._look:
                    await self._read_tombstones()
                if self._later:
                    await self._forget(set(self._later))
            except Exception as error:  # whatever it is, the calls of this process are worth more
                log.debug("erasure.waits error=%s", type(error).__name__)
            try:
                async with asyncio.timeout(LOOK_AGAIN_S if self._look or self._later else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _read_tombstones(self) -> None:
        self._look = False
        at, after = self._looked_until, FIRST
        try:
            while page := await self._tombstones.since(at, after, limit=_PAGE):
                await self._forget([call_id for call_id, _ in page])
                after, at = page[-1]
        except BaseException:
            self._look = True
            raise
        self._looked_until = max(self._looked_until, at - OVERLAP)
