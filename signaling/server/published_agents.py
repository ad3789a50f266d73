"""Keeping the shelf of this node at what the database says: told by the desk's channel, and asking by itself.

Pub/sub is at most once and Redis may be away, so the news only says "look now". Without any news the database
is asked every ASK_EVERY_S; it answers with one number an agent.
"""

from __future__ import annotations

import asyncio
import logging

from signaling.server.agent_shelf import AgentShelf
from storage.bus.subscriber import DeskSubscriber
from storage.desk_events import AgentPublished
from storage.postgres.agents import AgentStore
from storage.postgres.pool import RecordUnavailableError

log = logging.getLogger(__name__)

# How long a node may answer with the old version while Redis is away: short enough for a person who has just
# published, and one query of a millisecond in that time.
ASK_EVERY_S = 10.0


class PublishedAgents:
    """Order of calls: `refresh` once before the doors open, then `watch` for as long as the process runs."""

    def __init__(self, store: AgentStore, shelf: AgentShelf, *, ask_every_s: float = ASK_EVERY_S) -> None:
        self._store = store
        self._shelf = shelf
        self._ask_every_s = ask_every_s
        self._one_at_a_time = asyncio.Lock()
        self._look = asyncio.Event()
        self._away = False

    async def refresh(self) -> bool:
        """Put on the shelf what was published since. False, and a line in the log, while PostgreSQL is away."""
        async with self._one_at_a_time:
            try:
                for agent_id, number in (await self._store.published()).items():
                    if not self._shelf.has_seen(agent_id, number):
                        self._shelf.put(await self._store.version(agent_id, number))
            except RecordUnavailableError as error:
                if not self._away:
                    log.warning(
                        "agents.not_read: agents answer as they did before, newer versions follow when the "
                        "database is back: %s",
                        error,
                    )
                self._away = True
                return False
            self._away = False
            return True

    async def watch(self, redis_url: str, tenant: str) -> None:
        """For ever; may be cancelled at any time."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(redis_url, tenant), name="desk's channel")
            while True:
                self._look.clear()
                try:
                    await self.refresh()
                except Exception:  # whatever it is, the calls of this process are worth more
                    log.exception("agents.refresh_failed: agents answer as they did before")
                try:
                    async with asyncio.timeout(self._ask_every_s):
                        await self._look.wait()
                except TimeoutError:
                    continue

    async def _listen(self, redis_url: str, tenant: str) -> None:
        # What was said while nobody was connected is made up for by looking on every connect.
        async for envelope in DeskSubscriber(redis_url, tenant, on_connect=self._look.set):
            if envelope.type == AgentPublished.type:
                self._look.set()
