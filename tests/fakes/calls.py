"""Real calls over UDP on this machine: the caller on aiortc's stock path, the peer on ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

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
    """Connected on entry; hung up and closed on exit, where no task may be left over."""
    before = asyncio.all_tasks()
    listener = Listener()
    caller = Caller(
        codecs=(codec,), addresses=LOOPBACK, expected_loss_percent=expected_loss_percent, lose=lose
    )
    peers: list[Peer] = []

    async def post(offer: str) -> str:
        peers.append(await Peer.answer(offer, listener, config))
        return peers[0].answer_sdp

    try:
        await caller.connect(post)
        await listener.until("connected")
        yield Call(caller, peers[0], listener)
    finally:
        await caller.close()
        for peer in peers:
            await peer.close()
    await settled()
    assert asyncio.all_tasks() <= before


async def settled() -> None:
    """Lets callbacks that are already due run."""
    for _ in range(3):
        await asyncio.sleep(0)
