"""What is measured of a call is what its caller lived through: real audio, and the caller's own watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest

from media.rtc.caller import Caller
from realtime.simulator.script import FunctionCall, Reply, Script
from storage.metrics import as_json, measure
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]
ASKED_MS, ANSWER_MS, STORY_MS = 1_000, 1_200, 8_000
# The caller's watch and ours are read by processes that share a busy machine with other tests.
WITHIN_MS = 300
STORY = "We are open from nine until five every day and on Saturdays we are open from ten until two"


def audible_at(caller: Caller) -> list[float]:
    """When each 20 ms of the agent's voice arrived."""
    return [
        at for at, pcm in caller.received if np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).mean() > 300
    ]


async def hears_more_than(caller: Caller, packets: int) -> None:
    async with asyncio.timeout(15):
        while len(audible_at(caller)) <= packets:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # packets arrive at their own pace


@pytest.mark.spec("Scenario: Track conversation success rate", "Requirement: Conversation Quality Monitoring")
async def test_every_completed_call_is_measured_stored_and_in_the_summary(house: HouseMaker) -> None:
    booking = {"name": "Ann Lee", "date": "2031-11-26", "time": "15:00"}
    script = Script(
        hears=["I need an appointment on Wednesday at three, I am Ann Lee", "Wait, no"],
        says=[
            Reply(text="Hello.", audio_ms=600),
            FunctionCall("schedule_appointment", booking),
            Reply(text="You are booked.", audio_ms=ANSWER_MS),
            Reply(text=STORY, audio_ms=STORY_MS),
        ],
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        greeting = len(audible_at(caller))

        await caller.speak(loud(ASKED_MS))
        asked_until = asyncio.get_running_loop().time()
        await hears_more_than(caller, greeting)
        waited_ms = (audible_at(caller)[greeting] - asked_until) * 1000
        await running.events.until("turn.completed", call_id=call_id, count=2)

        heard = len(audible_at(caller))
        await caller.speak(loud(700))  # is told a story, and breaks into it
        await hears_more_than(caller, heard + 25)
        await caller.speak(loud(700))
        await running.events.until("turn.interrupted", call_id=call_id)
        await running.http.delete(f"/v1/calls/{call_id}")
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        (row,) = await rows_of(
            running.database_url,
            "SELECT data->'measured' AS measured FROM call_metrics WHERE call_id = $1 AND contributed IS NOT NULL",
            call_id,
            count=1,
        )
        async with running.http.get(f"/v1/calls/{call_id}/metrics") as response:
            served = (await response.json())["metrics"]
        async with running.http.get("/v1/metrics/summary?agent=dental-reception") as response:
            figures = {each["id"]: each for each in (await response.json())["figures"]}
        async with running.http.get("/v1/metrics/series?metric=goal_completion_rate&bucket=hour") as response:
            series = (await response.json())["points"]
        log = running.events.of(call_id)

    metrics = measure(log)
    assert row["measured"] is not None
    assert served["measured"] == as_json(metrics)
    assert served["turns"] == ended.data["metrics"]["turns"]
    assert metrics.complete

    booked = metrics.answers[0]
    assert booked.tools
    assert booked.response_ms is not None
    assert booked.breakdown is not None
    assert abs(booked.response_ms - waited_ms) < WITHIN_MS
    assert 400 <= booked.breakdown.endpointing_ms <= 600  # the agent's turn detection: 500 ms of silence
    parts = booked.breakdown
    whole = parts.endpointing_ms + parts.transport_in_ms + parts.model_ms + parts.playout_ms
    assert abs(whole + parts.transport_out_ms - booked.response_ms) <= 20

    said = [each.data for each in log if each.type == "transcript.final" and each.data["speaker"] == "caller"]
    assert abs(said[0]["end_ms"] - said[0]["start_ms"] - ASKED_MS) <= WITHIN_MS
    assert metrics.interruptions is not None
    assert metrics.interruptions.by_caller == 1
    assert metrics.interruptions.yields_ms[0] < 2_000
    assert (metrics.stops.count, metrics.stops.without_words) == (1, 0)
    assert metrics.heard.ratio is not None
    assert 0 < metrics.heard.ratio < 1  # most of the story was never heard
    assert [(goal.status, goal.rung) for goal in metrics.goals] == [("achieved", "system_of_record")]
    assert (metrics.slots.required, metrics.slots.filled, metrics.slots.confirmed) == (3, 3, 3)
    assert (metrics.contained, metrics.resolved) == (True, True)
    assert metrics.media is not None

    assert (figures["calls"]["value"], figures["calls"]["few"]) == (1, True)
    assert figures["goal_completion_rate"]["value"] == 1
    assert figures["goal_completion_rate"]["interval"] == {"low": 0.2065, "high": 1.0}
    assert figures["handoff_rate"]["value"] == 0
    assert figures["turns_per_call"]["value"] == metrics.turns
    assert figures["response_latency_p50"]["n"] == len(metrics.answers)
    assert [(point["value"], point["n"]) for point in series] == [(1.0, 1)]
