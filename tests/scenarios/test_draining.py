"""SIGTERM with a call running: nobody new, whoever talks may finish, then a goodbye; nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from realtime.simulator.script import Asked, Reply, Script
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]


def answer(asked: Asked) -> Reply:
    text = "Goodbye." if "The call must end now" in asked.instructions else "Hello."
    return Reply(text=text, audio_ms=400)


SCRIPT = Script(says=[answer], loop=True)


async def sigterm(house: House) -> asyncio.subprocess.Process:
    server = house.processes["serve"]
    server.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        while True:
            async with house.http.get("/readyz") as response:
                if response.status == 503:
                    return server
            await asyncio.sleep(0.02)  # another process; it answers when it has seen the signal


async def test_a_draining_server_takes_nobody_new_and_lets_the_running_call_end_by_itself(
    house: HouseMaker,
) -> None:
    async with house(mind=SCRIPT) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)

        server = await sigterm(running)
        async with running.http.post(
            "/v1/calls?agent=dental-reception", data="v=0", headers={"Content-Type": "application/sdp"}
        ) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        await caller.speak(loud(600))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert await asyncio.wait_for(server.wait(), 20) == 0
        assert ended.data["reason"] == "caller_hangup"
        assert "Traceback" not in running.logs["serve"].read_text()


async def test_at_the_drain_limit_the_agent_says_goodbye_and_the_record_is_whole(house: HouseMaker) -> None:
    async with house(mind=SCRIPT, settings={"CORDBOARD_SERVER__DRAIN_LIMIT_S": "0.2"}) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)

        server = await sigterm(running)
        assert await asyncio.wait_for(server.wait(), 30) == 0

        ended = await running.events.until("call.ended", call_id=call_id)
        assert ended.data["reason"] == "agent_hangup"
        words = [each.data["text"] for each in running.events.of(call_id, "transcript.final")]
        assert words == ["Hello.", "Goodbye."]
        stored = await rows_of(
            running.database_url,
            "SELECT seq FROM events WHERE call_id = $1",
            call_id,
            count=ended.data["last_seq"] + 1,
        )
        assert len(stored) == ended.data["last_seq"] + 1
        await caller.close()
