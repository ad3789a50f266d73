"""Calls one after another: what a call took, it gives back."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import psutil
import pytest

from realtime.simulator.script import Reply, Script
from tests.scenarios.house import House

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]
SCRIPT = Script(says=[Reply(text="Hello.", audio_ms=200)])
WARM_UP = 30  # the first calls load codecs and fill caches
KILOBYTES_PER_CALL = 80  # an ended call stays readable for a minute, in about 25 kB


async def one_call(house: House) -> None:
    caller, call_id = await house.call()
    await house.events.until("turn.completed", call_id=call_id)
    await house.http.delete(f"/v1/calls/{call_id}")
    await house.events.until("call.ended", call_id=call_id)
    await caller.close()


@pytest.mark.trap(22)
@pytest.mark.parametrize("calls", [20, pytest.param(200, marks=pytest.mark.soak)])
async def test_calls_one_after_another_leave_no_thread_file_or_memory_behind(
    house: HouseMaker, calls: int
) -> None:
    async with house(mind=SCRIPT, worker=False) as running:
        server = psutil.Process(running.processes["serve"].pid)
        for _ in range(WARM_UP):
            await one_call(running)
        gc.collect()
        before = (server.num_threads(), server.num_fds(), server.memory_info().rss)

        for _ in range(calls):
            await one_call(running)
        async with running.http.get("/v1/calls?state=ai") as response:
            assert (await response.json())["items"] == []
        after = (server.num_threads(), server.num_fds(), server.memory_info().rss)

    assert after[0] <= before[0]
    assert after[1] <= before[1] + 2  # an HTTP connection more or less
    assert (after[2] - before[2]) / calls < KILOBYTES_PER_CALL * 1024
