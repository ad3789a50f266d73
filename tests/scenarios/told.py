"""Several callers at once in one house, and all there is to know of each call afterwards.

A scenario is a function that lives through one call. What it may need while the call lasts is on `Line`; what a
test asserts is read from `Told` when the house is closed, so that one call can serve several tests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from media.rtc.caller import Caller
from realtime.recorded_words import BUNDLED
from realtime.simulator.session import SimulatedSession
from realtime.simulator.speech import synthesize, transcribe
from storage.envelope import Envelope
from tests.scenarios.house import House, open_house
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import Saying, loud

_RECORDED = frozenset(words.text for words in BUNDLED)
# Long enough for the turn detection to find the end of what was said.
PAUSE = bytes(48_000)
# What recognises speech, thinks and speaks for four calls at once shares the machine with all other tests.
PATIENCE_S = 45.0
ROWS = {
    "call_sessions": "SELECT * FROM call_sessions WHERE call_id = $1",
    "transcripts": "SELECT * FROM transcripts WHERE call_id = $1 ORDER BY position",
    "slots": "SELECT *, value #>> '{}' AS plain FROM slots WHERE call_id = $1 ORDER BY slot",
    "tool_calls": "SELECT * FROM tool_calls WHERE call_id = $1 ORDER BY called_at",
    "handoffs": "SELECT * FROM handoffs WHERE call_id = $1",
    "call_metrics": "SELECT * FROM call_metrics WHERE call_id = $1",
    "appointments": "SELECT * FROM appointments WHERE call_id = $1",
}


class Line:
    """One caller's call while it lasts. Every `say` waits until the agent's answer has been heard."""

    def __init__(self, house: House, caller: Caller, call_id: str, saying: Saying | None) -> None:
        self.house = house
        self.caller = caller
        self.call_id = call_id
        self.saying = saying
        self._turns = 0

    async def answered(self) -> Envelope:
        """Until the next turn is complete: the greeting is the first."""
        self._turns += 1
        return await self.until("turn.completed", count=self._turns)

    async def say(self, words: str) -> Envelope:
        """Speak, by voice or (to a scripted model) in writing, and hear the answer."""
        if self.saying is not None:
            self.saying.words = words
            await self.caller.speak(loud(600))
        else:
            await self.caller.speak(await asyncio.to_thread(synthesize, words) + PAUSE)
        return await self.answered()

    async def until(self, kind: str, *, count: int = 1) -> Envelope:
        return await self.house.events.until(kind, call_id=self.call_id, count=count, within_s=PATIENCE_S)

    def session(self) -> SimulatedSession:
        """The newest Realtime session of this call."""
        return sessions_of(self.house, self.call_id)[-1]


def sessions_of(house: House, call_id: str) -> list[SimulatedSession]:
    """In the order in which the call had them."""
    by_id = {session.id: session for session in house.simulator.sessions}
    return [by_id[each.data["session_id"]] for each in house.events.of(call_id, "session.configured")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A call that is over."""

    call_id: str
    events: tuple[Envelope, ...]  # from Redis, numbered ones only
    dashboard: tuple[dict[str, Any], ...]  # what a page saw of it over the WebSocket, while it lasted
    sessions: tuple[SimulatedSession, ...]
    heard: str  # what speech recognition makes of all that the caller was told
    rows: Mapping[str, list[asyncpg.Record]]  # of each table in ROWS
    metrics: dict[str, Any]  # as served
    summary: Mapping[str, dict[str, Any]]  # the figures of all calls with its agent, when all were over
    found: Mapping[str, list[dict[str, Any]]]  # by each search of `Scenario.search`, of this call

    @property
    def instructions(self) -> list[str]:
        """As the model was given them: in each `session.update` of each session, none without; and in each
        response of the conversation's that had its own."""
        found = []
        for session in self.sessions:
            assert session.configurations, (
                "a session that is never configured speaks as the API's defaults say"
            )
            found += [configuration.sent["instructions"] for configuration in session.configurations]
            bodies = [each["response"] for each in session.client_events if each["type"] == "response.create"]
            spoken = [each for each in bodies if each.get("conversation") != "none"]
            found += [each["instructions"] for each in spoken if "instructions" in each]
        return found

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each.data for each in self.events if each.type == kind]

    def said_by(self, speaker: str) -> list[str]:
        """In the order of speaking, as stored; without the recorded words for a model that is slow for once."""
        spoken = [row["text"] for row in self.rows["transcripts"] if row["speaker"] == speaker]
        return [text for text in spoken if text not in _RECORDED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What one caller does, with which agent; `saying`: in writing, to a scripted model."""

    agent: str
    lives: Callable[[Line], Awaitable[None]]
    saying: Saying | None = None
    search: tuple[str, ...] = ()


async def hold(
    scenarios: Mapping[str, Scenario], *, at_once: int, **house: Any
) -> dict[str, Told | BaseException]:
    """So many of them at a time, the first ones first, in a house of `open_house`'s arguments.

    What failed is kept for whoever asks for it.
    """
    lines = asyncio.Semaphore(at_once)

    async def held(scenario: Scenario) -> Told:
        async with lines:
            return await _one(running, scenario, seen)

    async with open_house(**house) as running, _dashboard(running) as seen:
        told = await asyncio.gather(*map(held, scenarios.values()), return_exceptions=True)
        summaries = {
            scenario.agent: await _summary(running, scenario.agent) for scenario in scenarios.values()
        }
    return {
        name: replace(each, summary=summaries[scenario.agent]) if isinstance(each, Told) else each
        for (name, scenario), each in zip(scenarios.items(), told, strict=True)
    }


async def _summary(running: House, agent: str) -> dict[str, dict[str, Any]]:
    """What the page of figures shows of this agent, by the figures' ids."""
    async with running.http.get("/v1/metrics/summary", params={"agent": agent}) as response:
        return {each["id"]: each for each in (await response.json())["figures"]}


async def _one(running: House, scenario: Scenario, seen: list[dict[str, Any]]) -> Told:
    caller, call_id = await running.call(agent=scenario.agent)
    try:
        line = Line(running, caller, call_id, scenario.saying)
        await line.answered()
        await scenario.lives(line)
        await running.http.delete(f"/v1/calls/{call_id}")
        ended = await line.until("call.ended")
    finally:
        await caller.close()
    heard = ""
    if scenario.saying is None:
        heard = await asyncio.to_thread(transcribe, b"".join(pcm for _, pcm in caller.received))
    rows = await _stored(running.database_url, call_id, ended.data["last_seq"])
    async with running.http.get(f"/v1/calls/{call_id}/metrics") as response:
        metrics = (await response.json())["metrics"]
    found = {}
    for query in scenario.search:
        async with running.http.get("/v1/search", params={"q": query, "agent": scenario.agent}) as response:
            found[query] = (await response.json())["items"]
    return Told(
        call_id=call_id,
        events=tuple(running.events.of(call_id)),
        dashboard=tuple(each for each in seen if each.get("call_id") == call_id),
        sessions=tuple(sessions_of(running, call_id)),
        heard=heard,
        rows=rows,
        metrics=metrics,
        summary={},
        found=found,
    )


async def _stored(database_url: str, call_id: str, last_seq: int) -> dict[str, list[asyncpg.Record]]:
    """All rows of the call, once its last event has been stored with what follows from it."""
    await rows_of(database_url, "SELECT FROM events WHERE call_id = $1", call_id, count=last_seq + 1)
    connection = await asyncpg.connect(database_url)
    try:
        return {table: await connection.fetch(query, call_id) for table, query in ROWS.items()}
    finally:
        await connection.close()


@asynccontextmanager
async def _dashboard(running: House):  # type: ignore[no-untyped-def]  # an iterator of the list it fills
    """What a page that follows everything sees, in order."""
    seen: list[dict[str, Any]] = []
    last: dict[str, int] = {}
    async with running.http.ws_connect("/v1/events?topics=calls,handoffs") as socket:
        seen.append(json.loads(await socket.receive_str(timeout=PATIENCE_S)))
        assert seen[0]["type"] == "snapshot"

        async def follow() -> None:
            async for message in socket:
                event = json.loads(message.data)
                # The rule for everybody who subscribes: seq ≤ last → ignore.
                seq, known = event.get("seq"), last.get(event.get("call_id"), -1)
                if seq is None or seq > known:
                    last[event.get("call_id")] = known if seq is None else seq
                    seen.append(event)

        following = asyncio.create_task(follow())
        try:
            yield seen
        finally:
            following.cancel()


def agents_in(folder: Path, *documents: str) -> Path:
    """A folder of these agents, beside those that ship."""
    agents = folder / "agents"
    agents.mkdir()
    shipped = Path(__file__).parents[2] / "deploy" / "agents"
    for path in shipped.glob("*.toml"):
        (agents / path.name).write_text(path.read_text())
    for number, document in enumerate(documents):
        (agents / f"of_this_test_{number}.toml").write_text(document)
    return agents
