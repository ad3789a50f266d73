"""From an operator's click to the operator heard by the caller: `python -m tests.benchmarks.takeover`.

30 takeovers of calls in which the agent speaks without a pause, over real sockets, DTLS-SRTP and Opus, against
`cordboard serve` with Redis and Postgres. The click is the HTTP request with the offer; heard is the first packet
at the caller in which the operator's tone is found. Silent is the longest stretch around the takeover in which
neither voice was in what the caller received.
"""

from __future__ import annotations

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from media.format import FRAME_MS, SAMPLE_RATE
from media.rtc.caller import Caller
from realtime.simulator.script import Reply, Script
from storage.postgres.migrate import migrate
from tests.fakes.desk_client import at_the_desk
from tests.fakes.servers import PostgresServer, RedisServer
from tests.fakes.tones import tone
from tests.scenarios.house import SECRET, House, open_house

RUNS = 30
OPERATOR_HZ = 1000.0
# One long sentence as a tone: whatever silence there is, the takeover made it.
SCRIPT = Script(hears=["hello"], says=[Reply(text="word " * 60, audio_ms=30_000, tone_hz=440.0)] * 3)


def loud(pcm: bytes) -> bool:
    return bool(np.abs(np.frombuffer(pcm, "<i2")).max(initial=0) > 500)


def has_operator(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    at = np.arange(len(samples)) / SAMPLE_RATE
    return bool(2 * abs(np.mean(samples * np.exp(-2j * np.pi * OPERATOR_HZ * at))) > 1500)


async def one(house: House, operator_id: str) -> tuple[float, float]:
    """(click to heard in ms, longest silence in ms)."""
    loop = asyncio.get_running_loop()
    async with at_the_desk(house.url, SECRET, operator_id) as (operator,):
        caller, call_id = await house.call()
        try:
            await house.events.until("turn.started", call_id=call_id)
            await asyncio.sleep(1.0)  # into the middle of the sentence
            clicked = loop.time()
            taking = asyncio.create_task(operator.take_over(call_id))
            leg: Caller = await taking
            speaking = asyncio.create_task(leg.speak(tone(OPERATOR_HZ, 2.0)))
            await asyncio.sleep(1.5)
            speaking.cancel()
            await operator.end(call_id)
            heard = caller.received
            first = next(at for at, pcm in heard if at > clicked and has_operator(pcm))
            spoken = [at for at, pcm in heard if clicked - 0.3 < at < first + 0.5 and loud(pcm)]
            silent = max((b - a for a, b in pairwise(spoken)), default=0.0) * 1000 - FRAME_MS
            return (first - clicked) * 1000, max(0.0, silent)
        finally:
            await caller.close()


async def measure(redis_url: str, database_url: str, folder: Path) -> None:
    async with open_house(
        redis_url=redis_url, database_url=database_url, folder=folder, mind=SCRIPT
    ) as house:
        await one(house, "warm")
        found = [await one(house, f"op{number}") for number in range(RUNS)]
    latency, silence = ([each[place] for each in found] for place in (0, 1))
    for name, values in (("click to heard", latency), ("nobody audible", silence)):
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {max(values):.0f} ms, n {len(values)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        redis, postgres = RedisServer(folder / "redis"), PostgresServer(folder / "postgres")
        redis.start()
        postgres.start()
        try:
            database_url = postgres.fresh_database()
            asyncio.run(migrate(database_url))
            asyncio.run(measure(redis.url, database_url, folder))
        finally:
            redis.kill()
            postgres.stop()


if __name__ == "__main__":
    main()
