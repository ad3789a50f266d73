"""A call lasts longer than the provider lets a session live, over real audio: the caller notices nothing of it.

The provider's sixty minutes are seconds here: the simulator ends each session with `session_expired` at its cap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from realtime.files.agents import load_agents
from realtime.simulator.speech import synthesize
from tests.scenarios.house import AGENT, ROOT, House

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

CAP_S = 12.0
RENEWED = {"CORDBOARD_REALTIME__SESSION_MAX_S": "12", "CORDBOARD_REALTIME__ROTATE_BEFORE_S": "6"}
TURNS = (
    "Hello, my name is John Miller and I would like to book an appointment.",
    "Next Wednesday, please.",
    "At three in the afternoon.",
    "Yes, that is right.",
)


@pytest.mark.trap(11)
@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (RENEWED, "rotation"),
        # Nothing is known of the cap: the sessions are lost wherever the call stands. Drops have their own scenario.
        pytest.param({}, "session_expired", marks=pytest.mark.soak),
    ],
)
async def test_a_booking_is_talked_about_across_several_sessions(
    house: HouseMaker, settings: Mapping[str, str], cause: str
) -> None:
    agent = load_agents(ROOT / "deploy" / "agents")[AGENT]
    async with house(worker=False, settings=settings) as running:
        running.simulator.max_session_s = CAP_S
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        for number, words in enumerate(TURNS, start=2):
            await caller.speak(synthesize(words) + bytes(48_000))
            await running.events.until("turn.completed", call_id=call_id, count=number, within_s=30)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        renewed = running.events.of(call_id, "session.reconnected")
        assert {each.data["cause"] for each in renewed} == {cause}
        # What was said, once each, and everything of it understood although no session heard it all.
        finals = [each.data for each in running.events.of(call_id, "transcript.final")]
        caller_said = [each["text"].lower() for each in finals if each["speaker"] == "caller"]
        assert len(caller_said) == len(TURNS), caller_said
        assert "john miller" in caller_said[0]
        slots = {
            each.data["slot"]: each.data["value"] for each in running.events.of(call_id, "slot.confirmed")
        }
        assert (slots["name"], slots["time"]) == ("John Miller", "15:00")
        booked = [each for each in running.events.of(call_id, "tool.finished") if each.data["ok"]]
        assert [each.data["name"] for each in booked].count("schedule_appointment") == 1
        agent_said = [each["text"] for each in finals if each["speaker"] == "agent"]
        assert sum("Harbour Dental" in text for text in agent_said) == 1, "a second greeting"
        assert not [text for text in agent_said[1:] if "your name" in text.lower()]
        # One pause at the most is longer than an answer takes.
        turns = [each.data["response_latency_ms"] for each in running.events.of(call_id, "turn.completed")]
        slow = [ms for ms in turns[1:] if ms is None or ms > 2500]
        assert len(slow) <= (1 if cause == "session_expired" else 0), turns
        assert running.events.of(call_id, "session.failed") == []
        # Each session was told who it is, in every update.
        assert len(running.simulator.sessions) == len(renewed) + 1 >= 3
        for session in running.simulator.sessions:
            updates = [e["session"] for e in session.client_events if e["type"] == "session.update"]
            assert updates
            for update in updates:
                for text in (agent.personality, agent.tone):
                    assert text in update["instructions"]
            assert "Book" in updates[0]["instructions"]
        print(
            f"{cause}: {len(renewed)} times, deaf for {[e.data['gap_ms'] for e in renewed]} ms, turns {turns} ms"
        )
