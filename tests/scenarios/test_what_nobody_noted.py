"""The model forgets to record what the caller says: it is caught beside the conversation, and nobody hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from realtime.simulator.script import Asked, Reply, Script
from tests.scenarios.house import House
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]
SUMMARY = {"summary": "John asked for tomorrow.", "outcome": "answered", "goals": {"appointment": "achieved"}}
SAID = ["Hello, this is Harbour Dental.", "And when?", "At what time?", "Until tomorrow then."]


def notes(asked: Asked) -> Reply:
    """A model that only listens."""
    if '"summary"' in asked.instructions:
        return Reply(text=json.dumps(SUMMARY))
    return Reply(text='{"name": "John Miller", "date": "tomorrow", "time": null}')


async def test_forgotten_facts_are_filled_and_the_goal_is_not_taken_for_done(house: HouseMaker) -> None:
    script = Script(
        hears=["I am John Miller, I need an appointment.", "Tomorrow.", "I will call again."],
        says=[Reply(text=text, audio_ms=500) for text in SAID],
        writes=[notes] * 9,
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        for number in (2, 3, 4):
            await caller.speak(loud(700))
            await running.events.until("turn.completed", call_id=call_id, count=number)
            if number == 2:
                await running.events.until("slot.filled", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()
        session = await running.simulator.session()

        tomorrow = (datetime.now(ZoneInfo("America/New_York")) + timedelta(days=1)).date().isoformat()
        filled = [each.data for each in running.events.of(call_id, "slot.filled")]
        assert [(each["slot"], each["value"], each["confirmed"]) for each in filled] == [
            ("name", "John Miller", False),
            ("date", tomorrow, False),
        ]
        finals = [each.data for each in running.events.of(call_id, "transcript.final")]
        assert [each["text"] for each in finals if each["speaker"] == "agent"] == SAID
        (goal,) = running.events.of(call_id, "goal.completed")
        # The judge said "achieved"; nothing was booked.
        assert goal.data == {"goal": "appointment", "status": "partial", "rung": "confirmed_slots"}
        assert (ended.data["outcome"], ended.data["summary"]) == ("answered", SUMMARY["summary"])

        first, second = (
            each["session"]["instructions"]
            for each in session.client_events
            if each["type"] == "session.update"
        )
        assert second.startswith(first), "the agent's personality and everything else stands as it was"
        assert second.removeprefix(first).strip().splitlines() == [
            "Already known: name is John Miller.",
            f"Already known: date is {tomorrow}.",
            "Still missing: time.",
        ]


async def test_telling_the_model_costs_the_prompt_cache_once(house: HouseMaker) -> None:
    """Tokens of the conversation's own responses, by the simulator's accounting of a prefix cache."""
    script = Script(
        hears=["I am John Miller.", "Tomorrow.", "Just tomorrow.", "Yes."],
        says=[Reply(text=text, audio_ms=500) for text in (*SAID, "Goodbye.")],
        writes=[notes] * 9,
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        for number in (2, 3, 4, 5):
            await caller.speak(loud(700))
            await running.events.until("turn.completed", call_id=call_id, count=number)
            if number == 2:
                await running.events.until("slot.filled", call_id=call_id, count=2)
        used = [each.data for each in running.events.of(call_id, "usage.recorded")]
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

        spoken = [each for each in used if each["output_audio_tokens"]]
        greeting, told_later, told_now, after, last = spoken
        assert told_later["cached_tokens"] > 0
        # All but the last section of the instructions stays cached at the one response that follows the update.
        assert 0.8 < told_now["cached_tokens"] / greeting["input_tokens"] < 1
        for before, now in ((told_now, after), (after, last)):
            assert now["cached_tokens"] == before["input_tokens"]
        asides = [each for each in used if not each["output_audio_tokens"]]
        assert asides
        assert all(each["input_audio_tokens"] == 0 for each in asides)
