"""Whatever ends a call, its session with the provider does too: one that is forgotten costs an hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from media.rtc.caller import Caller
from realtime.simulator.script import Reply, Script
from tests.scenarios.house import House
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

SCRIPT = Script(
    says=[Reply(text="Hello, this is the desk, what can I do for you?", audio_ms=3000)], loop=True
)


async def hung_up_by_request(running: House, caller: Caller, call_id: str) -> None:
    await running.http.delete(f"/v1/calls/{call_id}")


async def browser_closed(running: House, caller: Caller, call_id: str) -> None:
    await caller.close()


async def hung_up_while_speaking(running: House, caller: Caller, call_id: str) -> None:
    speaking = asyncio.create_task(caller.speak(loud(3000)))
    await running.events.until("turn.interrupted", call_id=call_id)
    await running.http.delete(f"/v1/calls/{call_id}")
    speaking.cancel()


async def hung_up_while_a_session_is_opened(running: House, caller: Caller, call_id: str) -> None:
    running.simulator.faults.next("no_session_created")
    running.simulator.faults.next("drop_1011", after="input_audio_buffer.speech_started")
    opened = len(running.simulator.sessions)
    await caller.speak(loud(200))
    await running.simulator.session(opened)
    await running.http.delete(f"/v1/calls/{call_id}")


@pytest.mark.trap(22)
async def test_no_session_outlives_its_call(house: HouseMaker) -> None:
    async with house(mind=SCRIPT, worker=False) as running:
        for ending in (
            hung_up_by_request,
            browser_closed,
            hung_up_while_speaking,
            hung_up_while_a_session_is_opened,
        ):
            first = len(running.simulator.sessions)
            caller, call_id = await running.call()
            await running.events.until("turn.started", call_id=call_id)
            await ending(running, caller, call_id)
            await running.events.until("call.ended", call_id=call_id)
            for session in running.simulator.sessions[first:]:
                assert await session.ended() in (1000, 1011), ending.__name__
            heard = [session.received_audio_ms for session in running.simulator.sessions]
            await caller.close()
            await running.http.get("/readyz")
            assert heard == [session.received_audio_ms for session in running.simulator.sessions]
