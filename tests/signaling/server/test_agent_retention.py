"""The record knows how long each agent's calls are kept, without anybody restarting anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from realtime.agent import Agent, Privacy
from signaling.server.agent_retention import AgentRetention
from storage.bus.cancellation import cancel_for_sure
from tests.fakes.eventually import eventually


class Book:
    """Refuses as long as `down`."""

    def __init__(self) -> None:
        self.said: list[dict[str, int | None]] = []
        self.down = True
        self.asked = 0

    async def say(self, days: Mapping[str, int | None]) -> None:
        self.asked += 1
        if self.down:
            raise OSError("away")
        self.said.append(dict(days))


def agent(days: int | None) -> Agent:
    return Agent(id="front", name="Front", privacy=Privacy(retention_days=days))


async def test_it_is_told_when_the_record_is_there_and_again_when_an_agent_changes() -> None:
    agents, book = {"front": agent(30)}, Book()
    task = asyncio.create_task(AgentRetention(agents, book, look_every_s=0.01).watch())
    try:
        await eventually(lambda: book.asked > 2)
        book.down = False
        await eventually(lambda: book.said == [{"front": 30}])
        agents["front"] = agent(None)
        await eventually(lambda: book.said == [{"front": 30}, {"front": None}])
    finally:
        await cancel_for_sure(task)
