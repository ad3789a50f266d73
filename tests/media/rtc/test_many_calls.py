"""Two hundred calls, one after another, leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from media.playout import PartKey
from media.rtc.peer import Peer
from tests.fakes.calls import CONFIG, a_call, settled
from tests.fakes.listener import Listener
from tests.fakes.tones import tone

CALLS = 200
WARM_UP = 40  # pools, caches and malloc's arenas have reached their size
PART = PartKey("response", "item", 0)
HELLO = tone(440, 0.1)


def open_files() -> set[str]:
    process = psutil.Process()
    sockets = {f"{c.fd} {c.type} {c.laddr}" for c in process.net_connections("all")}
    return sockets | {f"{file.fd} {file.path}" for file in process.open_files()}


def resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


@contextmanager
def nothing_left_over() -> Iterator[None]:
    gc.collect()
    tasks, threads, files = asyncio.all_tasks(), set(threading.enumerate()), open_files()
    descriptors = psutil.Process().num_fds()
    yield
    gc.collect()
    assert asyncio.all_tasks() == tasks
    assert set(threading.enumerate()) <= threads
    assert open_files() == files
    assert psutil.Process().num_fds() == descriptors


async def one_call() -> None:
    async with a_call() as call:
        call.peer.play(PART, HELLO)
        await call.listener.until("started")


async def test_calls_leave_no_task_socket_thread_or_file_and_memory_stays_flat() -> None:
    for _ in range(WARM_UP):
        await one_call()
    with nothing_left_over():
        half = (CALLS - WARM_UP) // 2
        before = resident_bytes()
        for _ in range(half):
            await one_call()
        middle = resident_bytes()
        for _ in range(half):
            await one_call()
        after = resident_bytes()
        await settled()

    assert (
        min(middle - before, after - middle) < 2_000_000
    )  # a leak of 25 kB a call would show in both halves


@pytest.mark.parametrize("steps", range(0, 40, 4))
async def test_a_call_that_is_dropped_at_any_point_of_its_set_up_leaves_nothing(steps: int) -> None:
    async with a_call() as call:
        offer = call.caller._connection.localDescription.sdp
    with nothing_left_over():
        answering = asyncio.create_task(Peer.answer(offer, Listener(), CONFIG))
        for _ in range(steps):
            await asyncio.sleep(0)
        answering.cancel()
        try:
            peer = await answering
        except asyncio.CancelledError:
            pass
        else:
            await peer.close()
        await settled()
