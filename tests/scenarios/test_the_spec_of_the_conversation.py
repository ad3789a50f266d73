"""The user's specification of the conversation, scenario by scenario, over real audio and a running Cordboard.

The titles are the specification's own; tests/test_spec.py holds that none is without a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from realtime.simulator.script import Asked, FunctionCall, Reply, Script
from realtime.simulator.speech import synthesize, transcribe
from storage.postgres.demo_practice import seed_demo
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]
MARY = "+12065550142"

GRUFF = """
id = "garage"
name = "Otto of {{garage}}"
personality = "Gruff, honest, fond of old cars."
tone = "Short sentences. Dry humour."
instructions = "An oil change costs 60 dollars. We never work on Sundays."
greeting = "{{garage}}, Otto here. What is wrong with it?"
tools = ["end_call"]

[variables]
garage = "Otto's Garage"
"""


class Dashboard:
    """A page that follows live: what comes over the WebSocket, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.seen: list[dict[str, Any]] = []

    async def until(self, kind: str) -> dict[str, Any]:
        while True:
            message = json.loads(await self._socket.receive_str(timeout=30))
            self.seen.append(message)
            if message["type"] == kind:
                return message


@pytest.mark.spec("Scenario: Natural conversation flow", "Requirement: AI Conversation Management")
async def test_each_answer_fits_what_was_asked_and_the_history_goes_along(house: HouseMaker) -> None:
    async with house(worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        for number, question in enumerate(("How much is a cleaning?", "Where can I park?"), start=2):
            await caller.speak(synthesize(question) + bytes(48_000))
            await running.events.until("turn.completed", call_id=call_id, count=number, within_s=30)
        session = await running.simulator.session()
        items = [item.kind for item in session.items if item.kind in ("user", "assistant")]
        texts = [each.data["text"] for each in running.events.of(call_id, "transcript.final")]
        heard = transcribe(b"".join(pcm for _, pcm in caller.received)).lower()
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

    greeting, _, price, _, parking = texts
    assert "90" in price or "ninety" in price.lower()
    assert "behind the house" in parking
    assert "park" in heard
    assert items == ["assistant", "user", "assistant", "user", "assistant"]
    assert greeting != price != parking


@pytest.mark.spec("Scenario: Agent personality and instructions")
async def test_each_agents_personality_tone_and_instructions_are_in_every_configuration_of_its_session(
    house: HouseMaker, tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "garage.toml").write_text(GRUFF)
    script = Script(says=[Reply(text="Otto here.", audio_ms=300)])
    async with house(mind=script, worker=False, settings={"CORDBOARD_AGENTS__PATH": str(agents)}) as running:
        caller, call_id = await running.call(agent="garage")
        await running.events.until("turn.completed", call_id=call_id)
        session = await running.simulator.session()
        configured = [each["session"] for each in session.client_events if each["type"] == "session.update"]
        asked = [each["response"] for each in session.client_events if each["type"] == "response.create"]
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

    told = [each["instructions"] for each in configured if "instructions" in each]
    told += [each["instructions"] for each in asked if "instructions" in each]
    assert told
    for instructions in told:
        assert "Otto of Otto's Garage" in instructions
        assert "Gruff, honest, fond of old cars." in instructions
        assert "Short sentences. Dry humour." in instructions
        assert "An oil change costs 60 dollars." in instructions
    assert "What is wrong with it?" in asked[0]["instructions"]


@pytest.mark.spec("Scenario: State synchronization with backend", "Requirement: Conversation State Tracking")
async def test_a_dashboard_follows_live_and_the_rows_say_the_same(house: HouseMaker) -> None:
    script = Script(
        hears=["I need an appointment"],
        says=[Reply(text="Hello.", audio_ms=300), Reply(text="Which day?", audio_ms=300)],
    )
    async with house(mind=script) as running, running.http.ws_connect("/v1/events?topics=calls") as socket:
        dashboard = Dashboard(socket)
        await dashboard.until("snapshot")
        caller, call_id = await running.call()
        await dashboard.until("turn.completed")
        await caller.speak(loud(700))
        await dashboard.until("turn.completed")
        await running.http.delete(f"/v1/calls/{call_id}")
        await dashboard.until("call.ended")
        await caller.close()

        live = [each["type"] for each in dashboard.seen]
        for kind in ("call.started", "call.answered", "turn.started", "transcript.final", "turn.completed"):
            assert kind in live
        words = [each["data"]["text"] for each in dashboard.seen if each["type"] == "transcript.final"]
        stored = await rows_of(
            running.database_url,
            "SELECT text FROM transcripts WHERE call_id = $1 ORDER BY position",
            call_id,
            count=3,
        )
        assert sorted(words) == sorted(row["text"] for row in stored)
        (session,) = await rows_of(
            running.database_url,
            "SELECT state, last_seq FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        assert session["last_seq"] == dashboard.seen[-1]["seq"]


@pytest.mark.spec(
    "Scenario: Trigger operator handoff via function call", "Requirement: Realtime Function Calling"
)
async def test_asking_for_a_person_reaches_the_operators_dashboard(house: HouseMaker) -> None:
    async with house() as running, running.http.ws_connect("/v1/events?topics=handoffs") as socket:
        dashboard = Dashboard(socket)
        await dashboard.until("snapshot")
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(synthesize("I want to speak to a human, please.") + bytes(48_000))
        notified = await dashboard.until("handoff.requested")
        answered = await running.events.until("turn.completed", call_id=call_id, count=2, within_s=30)
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

        assert notified["call_id"] == call_id
        assert notified["data"]["method"] == "ai"
        assert "request_operator_handoff" in answered.data["tools"]
        (row,) = await rows_of(
            running.database_url, "SELECT state FROM handoffs WHERE call_id = $1", call_id, count=1
        )
        assert row["state"] == "requested"


def looked_up(asked: Asked) -> Reply:
    found = json.loads(asked.last_output or "{}")
    return Reply(
        text=f"Thank you, {found.get('name', 'nobody')}. I see you on {found.get('next_appointment')}."
    )


@pytest.mark.spec("Scenario: Database lookup during conversation")
async def test_what_the_database_knows_of_the_number_is_in_the_next_words(
    house: HouseMaker, database_url: str
) -> None:
    await seed_demo(database_url, today=date(2031, 11, 24), zone=ZoneInfo("America/New_York"))
    script = Script(
        hears=["My number is 206 555 0142"],
        says=[
            Reply(text="Hello.", audio_ms=300),
            FunctionCall("get_customer_info", {"phone_number": "206 555 0142"}),
            looked_up,
        ],
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(loud(700))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        answer = running.events.of(call_id, "transcript.final")[-1].data["text"]
        (finished,) = running.events.of(call_id, "tool.finished")
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

    assert finished.data["ok"] is True
    assert "Mary Johnson" in answer
    assert "at 16:00" in answer
    assert MARY not in answer


@pytest.mark.spec("Scenario: Track conversation success rate", "Requirement: Conversation Quality Monitoring")
async def test_a_completed_calls_figures_are_stored_and_served(house: HouseMaker) -> None:
    script = Script(
        hears=["I want a person"],
        says=[
            Reply(text="Hello.", audio_ms=300),
            FunctionCall("request_operator_handoff", {"reason": "asked", "summary": "wants a person"}),
            Reply(text="I have asked for somebody.", audio_ms=300),
        ],
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(loud(700))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()
        (row,) = await rows_of(
            running.database_url, "SELECT turns, data FROM call_metrics WHERE call_id = $1", call_id, count=1
        )
        async with running.http.get(f"/v1/calls/{call_id}/metrics") as response:
            served = (await response.json())["metrics"]

    assert row["turns"] == 2
    assert json.loads(row["data"]) == served
    assert served["tools"]["request_operator_handoff"] == {"called": 1, "failed": 0}
