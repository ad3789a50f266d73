"""The model says nothing, or the caller does: what is heard on a real line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from realtime.recorded_words import CANNOT_GO_ON, ONE_MOMENT
from realtime.simulator.script import Asked, Reply, Script
from tests.scenarios.house import House
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

AGENT = """
id = "desk"
name = "Emma"
greeting = "Hello."
[limits]
idle_prompt_s = 3
idle_hangup_s = 6
"""


def answer(asked: Asked) -> Reply:
    """Says what it was asked for."""
    for told, said in (("Greet", "Hello."), ("still there", "Are you there?"), ("say goodbye", "Goodbye.")):
        if told in asked.instructions.partition("# Now")[2]:
            return Reply(text=said, audio_ms=300)
    return Reply(text="From nine until five.", audio_ms=300)


SCRIPT = Script(says=[answer], loop=True, heard_by_default="When do you open?")


def quick(folder: Path) -> dict[str, str]:
    (folder / "agents").mkdir()
    (folder / "agents" / "desk.toml").write_text(AGENT)
    return {"CORDBOARD_AGENTS__PATH": str(folder / "agents")}


def agent_said(running: House, call_id: str) -> list[str]:
    finals = [each.data for each in running.events.of(call_id, "transcript.final")]
    return [final["heard_text"] for final in finals if final["speaker"] == "agent"]


async def test_an_answer_that_got_lost_is_bridged_with_words_and_asked_for_again(house: HouseMaker) -> None:
    async with house(mind=SCRIPT, worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        running.simulator.faults.next("slow_first_audio", delay_ms=60_000)
        await caller.speak(loud(600))
        asked_again = await running.events.until("watchdog.step", call_id=call_id, count=2)
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await caller.close()

        assert asked_again.data["step"] == "reask"
        assert agent_said(running, call_id) == ["Hello.", ONE_MOMENT.text, "From nine until five."]


async def test_a_provider_without_capacity_is_heard_as_words(house: HouseMaker) -> None:
    async with house(mind=SCRIPT, worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        running.simulator.faults.next("rate_limit_failure", times=2)
        await caller.speak(loud(600))
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert ended.data["reason"] == "provider_failed"
        assert agent_said(running, call_id)[-1] == CANNOT_GO_ON.text
        (handoff,) = running.events.of(call_id, "handoff.requested")
        assert "inference_rate_limit_exceeded" in handoff.data["reason"]


async def test_a_caller_who_says_nothing_is_asked_and_then_let_go(house: HouseMaker, tmp_path: Path) -> None:
    async with house(mind=SCRIPT, worker=False, settings=quick(tmp_path)) as running:
        caller, call_id = await running.call(agent="desk")
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert ended.data["reason"] == "silence"
        assert agent_said(running, call_id) == ["Hello.", "Are you there?", "Goodbye."]
        steps = [each.data["step"] for each in running.events.of(call_id, "watchdog.step")]
        assert steps == ["idle_prompt", "idle_hang_up"]
