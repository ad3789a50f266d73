"""What this server's agents say about how long calls are kept, told to the record.

The worker deletes, and does not know agents that are files. Told at the start and whenever an agent changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from realtime.agent import Agent

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0


class RetentionRecord(Protocol):
    """May raise OSError while it is away."""

    async def say(self, days: Mapping[str, int | None]) -> None: ...


class AgentRetention:
    """Order: `watch` as a task."""

    def __init__(
        self, agents: Mapping[str, Agent], record: RetentionRecord, *, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._agents = agents
        self._record = record
        self._look_every_s = look_every_s

    async def watch(self) -> None:
        """Until cancelled, which is safe at any time. While the record is away it is tried again."""
        told: dict[str, int | None] = {}
        while True:
            days = {agent.id: agent.privacy.retention_days for agent in self._agents.values()}
            if days != told:
                try:
                    await self._record.say(days)
                    told = days
                except Exception as error:  # whatever it is, the calls of this process are worth more
                    log.debug("retention.not_told error=%s", type(error).__name__)
            await asyncio.sleep(self._look_every_s)
