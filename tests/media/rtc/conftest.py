"""Real calls over UDP on this machine: the caller on aiortc's stock path, the peer on ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from media.rtc.caller import Caller
from media.rtc.peer import Peer, PeerConfig
from tests.fakes.listener import Listener

LOOPBACK = ("127.0.0.1",)
CONFIG = PeerConfig(addresses=LOOPBACK)


@dataclass(frozen=True)
class Call:
    caller: Caller
    peer: Peer
    listener: Listener


@asynccontextmanager
async def a_call(
    *,
    codec: str = "opus",
    config: PeerConfig = CONFIG,
    expected_loss_percent: int = 0,
    lose: Callable[[int], bool] | None = None,
) -> AsyncIterator[Call]:
    """Connected on entry, hung up and closed on exit."""
    listener = Listener()
    caller = Caller(
        codecs=(codec,), addresses=LOOPBACK, expected_loss_percent=expected_loss_percent, lose=lose
    )
    peers: list[Peer] = []

    async def post(offer: str) -> str:
        peers.append(await Peer.answer(offer, listener, config))
        return peers[0].answer_sdp

    async with AsyncExitStack() as stack:
        stack.push_async_callback(caller.close)
        stack.callback(lambda: None)
        try:
            await caller.connect(post)
            await listener.until("connected")
            yield Call(caller, peers[0], listener)
        finally:
            for peer in peers:
                await peer.close()


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """Every test of this folder ends with the tasks it began with."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for _ in range(5):
        left = {task for task in left if not task.done()}
        if left:
            await asyncio.sleep(0)
    assert not left
