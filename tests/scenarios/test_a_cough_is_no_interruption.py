"""What sounds like speech and is not, on a real line: the agent pauses, finds out, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from media.rtc.caller import Caller
from realtime.simulator.script import Reply, Script
from tests.scenarios.house import House
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

DESK = """
id = "desk"
name = "Robin"

[interruption]
min_speech_ms = 300
"""
GREETING = "Good morning, this is the office, my name is Robin, how can I help you on this fine day?"
GREETING_MS = 4000


def audible_ms(caller: Caller) -> int:
    """How much of the agent's voice has arrived."""
    packets = [np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).mean() for _, pcm in caller.received]
    return 20 * int(sum(loudness > 300 for loudness in packets))


async def heard_at_least(caller: Caller, ms: int) -> None:
    async with asyncio.timeout(10):
        while audible_ms(caller) < ms:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # packets arrive at their own pace


@pytest.mark.trap(2, 18)
async def test_a_cough_into_the_greeting_makes_it_pause_and_a_caller_who_speaks_is_answered(
    house: HouseMaker, tmp_path: Path
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.toml").write_text(DESK)
    script = Script(
        hears=["", "I have a question."],
        says=[Reply(text=GREETING, audio_ms=GREETING_MS), Reply(text="Yes?", audio_ms=400)],
    )
    settings = {"CORDBOARD_AGENTS__PATH": str(tmp_path / "agents")}
    async with house(mind=script, settings=settings, worker=False) as running:
        caller, call_id = await running.call(agent="desk")
        session = await running.simulator.session()
        await heard_at_least(caller, 600)

        await caller.speak(loud(120))
        greeted = await running.events.until("transcript.final", call_id=call_id)
        heard_of_greeting_ms = audible_ms(caller)
        await caller.speak(loud(800))
        answered = await running.events.until("turn.completed", call_id=call_id, count=2)
        await caller.close()

        noises = [name for name, _ in session.sent if name == "input_audio_buffer.speech_started"]
        assert len(noises) == 2, "the server took the cough for speech, and then the caller"
        assert (greeted.data["heard_text"], greeted.data["interrupted"]) == (GREETING, False)
        assert heard_of_greeting_ms >= GREETING_MS - 100
        assert running.events.of(call_id, "turn.interrupted") == []
        started = [each.data["speaker"] for each in running.events.of(call_id, "turn.started")]
        assert started == ["agent", "caller"]
        assert answered.data["response_latency_ms"] is not None
