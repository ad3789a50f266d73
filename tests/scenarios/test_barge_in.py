"""The caller speaks while the agent does: the agent stops, and remembers what was heard, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest

from media.rtc.caller import Caller
from realtime.simulator.script import Reply, Script
from realtime.simulator.session import SimulatedSession
from tests.scenarios.house import House
from tests.scenarios.voices import loud

# What the caller may still hear after `speech_started`. The figure itself (60 ms at most) is measured by
# tests/benchmarks/calls.py; here it only has to be told from playing on, on however busy a machine.
STOP_WITHIN_S = 0.5
HEARD_WITHIN_MS = 60  # how far the truncation may be from the audio that arrived
STORY = (
    "Our practice is open from Monday to Friday and we have free parking behind the house and new patients "
    "are welcome at any time of the year"
)


def audible(caller: Caller) -> list[float]:
    """Arrival of each 20 ms packet in which the agent can be heard."""
    return [
        at for at, pcm in caller.received if np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).mean() > 300
    ]


async def heard_at_least(caller: Caller, ms: int) -> None:
    async with asyncio.timeout(10):
        while len(caller.packets) * 20 < ms:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # packets arrive at their own pace


def sent_at(session: SimulatedSession, kind: str) -> float:
    return next(at for name, at in session.sent if name == kind)


@pytest.mark.parametrize("speaks_after_ms", [700, 1900])
async def test_the_agent_stops_at_once_and_remembers_what_was_heard(
    house: Callable[..., AbstractAsyncContextManager[House]], speaks_after_ms: int
) -> None:
    script = Script(says=[Reply(text=STORY, audio_ms=10_000), Reply(text="Yes?", audio_ms=400)])
    async with house(mind=script, worker=False) as running:
        caller, call_id = await running.call()
        session = await running.simulator.session()
        await heard_at_least(caller, speaks_after_ms)

        speaking = asyncio.create_task(caller.speak(loud(700)))
        truncate = await session.client_event("conversation.item.truncate")
        await speaking
        interrupted = await running.events.until("turn.interrupted", call_id=call_id)
        final = await running.events.until("transcript.final", call_id=call_id)
        await running.events.until("turn.started", call_id=call_id, count=2)

        stopped = sent_at(session, "input_audio_buffer.speech_started")
        # What came before the answer to the interruption: the audio of the story.
        answered = sent_at(session, "response.done")
        story = [at for at in audible(caller) if at < max(answered, stopped + 0.3)]
        assert story[-1] - stopped <= STOP_WITHIN_S
        arrived_ms = len(story) * 20
        assert abs(truncate["audio_end_ms"] - arrived_ms) <= HEARD_WITHIN_MS
        assert interrupted.data["heard_ms"] == truncate["audio_end_ms"]
        assert final.data["interrupted"] is True
        assert final.data["heard_text"] == interrupted.data["heard_text"]
        assert STORY.startswith(final.data["heard_text"])
        spoken_share = truncate["audio_end_ms"] / 10_000
        assert abs(len(final.data["heard_text"]) / len(STORY) - spoken_share) < 0.08
        await caller.close()
