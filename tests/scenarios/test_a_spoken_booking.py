"""An appointment is booked by voice alone, over several turns, with the simulator that really hears and speaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from realtime.simulator.speech import synthesize, transcribe
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]


@pytest.mark.spec("Scenario: Goal-oriented conversation", "Scenario: Context persistence")
async def test_an_appointment_is_booked_over_several_spoken_turns(house: HouseMaker) -> None:
    turns = [
        "Hello, my name is John Miller and I would like to book an appointment.",
        "Next Wednesday, please.",
        "At three in the afternoon.",
        "Yes, that is right.",
    ]
    async with house() as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        for number, words in enumerate(turns, start=2):
            await caller.speak(synthesize(words) + bytes(48_000))
            await running.events.until("turn.completed", call_id=call_id, count=number, within_s=30)
        finished = running.events.of(call_id, "tool.finished")
        await running.http.delete(f"/v1/calls/{call_id}")
        ended = await running.events.until("call.ended", call_id=call_id)
        heard = transcribe(b"".join(pcm for _, pcm in caller.received))
        await caller.close()

        # The name was said in the first turn only: it was remembered to the last.
        assert [each.data["name"] for each in finished] == [
            *["record_information"] * 3,
            "confirm_information",
            "schedule_appointment",
        ]
        assert all(each.data["ok"] for each in finished)
        (booked,) = await rows_of(
            running.database_url,
            "SELECT name, starts_at AT TIME ZONE 'America/New_York' AS local FROM appointments WHERE call_id = $1",
            call_id,
            count=1,
        )
        assert booked["name"] == "John Miller"
        assert (booked["local"].strftime("%A"), booked["local"].hour) == ("Wednesday", 15)
        date = booked["local"].date().isoformat()
        for kind in ("slot.filled", "slot.confirmed"):
            slots = running.events.of(call_id, kind)
            assert {each.data["slot"]: each.data["value"] for each in slots} == {
                "name": "John Miller", "date": date, "time": "15:00",
            }  # fmt: skip
        (goal,) = running.events.of(call_id, "goal.completed")
        assert goal.data == {"goal": "appointment", "status": "achieved", "rung": "system_of_record"}
        assert ended.data["outcome"] == "booked"
        assert "appointment" in ended.data["summary"]
        (session,) = await rows_of(
            running.database_url,
            "SELECT outcome FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        assert session["outcome"] == "booked"
        kept = await rows_of(
            running.database_url,
            "SELECT slot, value #>> '{}' AS value, confirmed FROM slots WHERE call_id = $1 ORDER BY slot",
            call_id,
            count=3,
        )
        assert [tuple(row) for row in kept] == [
            ("date", date, True), ("name", "John Miller", True), ("time", "15:00", True),
        ]  # fmt: skip
        stored = await rows_of(
            running.database_url,
            "SELECT speaker, text FROM transcripts WHERE call_id = $1 ORDER BY position",
            call_id,
            count=2 * len(turns) + 1,
        )
        assert [row["speaker"] for row in stored] == ["agent", *["caller", "agent"] * len(turns)]
        assert "john miller" in stored[1]["text"].lower()
        # Nothing that was said was asked for again.
        asked = [row["text"].lower() for row in stored[2:] if row["speaker"] == "agent"]
        assert not [text for text in asked if "your name" in text]
        assert "john" in heard.lower()


async def test_asking_for_a_person_asks_for_an_operator(house: HouseMaker) -> None:
    async with house() as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(synthesize("I want to speak to a human, please.") + bytes(48_000))
        requested = await running.events.until("handoff.requested", call_id=call_id, within_s=30)
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()

        assert requested.data["method"] == "ai"
        (row,) = await rows_of(
            running.database_url, "SELECT state, reason FROM handoffs WHERE call_id = $1", call_id, count=1
        )
        assert row["state"] == "requested"
