"""A task that waits for Redis ends when it is told to, at whatever point of its way."""

from __future__ import annotations

import asyncio

import pytest

from storage.bus.cancellation import cancel_for_sure
from storage.bus.subscriber import Subscriber


async def listen(redis_url: str) -> None:
    async for _ in Subscriber(redis_url, ["nothing:*"]):
        raise AssertionError("nobody publishes here")


@pytest.mark.parametrize("passes", range(0, 120, 3))
async def test_a_subscriber_cancelled_anywhere_on_its_way_ends_at_once(redis_url: str, passes: int) -> None:
    task = asyncio.create_task(listen(redis_url))
    for _ in range(passes):
        await asyncio.sleep(0)  # one pass of the loop: one step further on its way

    task.cancel()

    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()


async def test_a_task_that_swallows_cancellations_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1

    await asyncio.wait_for(cancel_for_sure(asyncio.create_task(stubborn())), 5)

    assert swallowed == 3
