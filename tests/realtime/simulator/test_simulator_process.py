"""The simulator as a process, and what it leaves behind."""

import asyncio
import gc
import signal
import sys

from realtime.simulator.script import Script
from realtime.simulator.server import Simulator
from realtime.simulator.usage import Piece, usage
from tests.fakes.realtime_caller import calling


async def test_the_process_says_where_it_listens_and_ends_well_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "realtime.simulator", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
            url = line.split()[-1]
            async with calling(url) as caller:
                await caller.update(instructions="x")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert line.startswith("Realtime simulator listening on ws://127.0.0.1:")


async def test_without_the_speech_packages_one_sentence_says_what_to_do() -> None:
    program = (
        "import sys; sys.modules['hibari'] = None\n"
        "from realtime.simulator.__main__ import main; sys.exit(main())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "--port", "0", stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert "pip install 'cordboard[simulator]'" in errors.decode()


async def test_a_hundred_sessions_leave_no_task_and_no_sound() -> None:
    async with Simulator(mind=Script()) as simulator:
        async with calling(simulator.url) as caller:
            await caller.update(instructions="x")
        await simulator.sessions[0].ended()
        before = len(asyncio.all_tasks())
        for _ in range(100):
            async with calling(simulator.url) as caller:
                await caller.send("response.create")
                await caller.next("response.created")
        await simulator.sessions[-1].ended()
        gc.collect()

        assert len(asyncio.all_tasks()) <= before + 1
        assert not any(item.audio for session in simulator.sessions for item in session.items)


def test_the_cache_ends_at_the_first_difference() -> None:
    head, one, two = Piece("head", 10, 0), Piece("one", 0, 5), Piece("two", 3, 0)

    def cached(before: list[Piece], now: list[Piece]) -> object:
        return usage(before, now, text_out=0, audio_out=0)["input_token_details"]["cached_tokens"]

    assert cached([], [head, one]) == 0
    assert cached([head, one], [head, one, two]) == 15
    assert cached([head, one], [head, two, one]) == 10
    assert cached([Piece("other", 10, 0), one], [head, one]) == 0
