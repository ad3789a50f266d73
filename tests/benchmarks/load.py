"""The callers' process: `python -m tests.benchmarks.load URL AGENT`, orders on standard input, answers on output.

The server's token is taken from CORDBOARD_TOKEN.
See `measurements.Order`. Ends at the end of its input, hanging everything up.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator

import aiohttp
import msgspec

from tests.benchmarks.light_caller import LightCaller
from tests.benchmarks.measurements import Added, CallHeard, Load, Order
from tests.benchmarks.voice import voice

SLOTS = 10  # callers are not in step with one another: a tenth of them speaks every 2 ms
INTERVAL_S = 0.020


class Metronome:
    """Steps every caller every 20 ms by absolute deadlines; says how late it was."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots: list[list[LightCaller]] = [[] for _ in range(SLOTS)]
        self._started = self._loop.time()
        self._beat = 0
        self.lateness_ms: list[float] = []
        self._arm()

    def join(self, caller: LightCaller) -> None:
        min(self._slots, key=len).append(caller)

    def stop(self) -> None:
        self._timer.cancel()

    def _due(self) -> float:
        return self._started + self._beat * INTERVAL_S / SLOTS

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._due(), self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        while self._due() <= now:
            members = self._slots[self._beat % SLOTS]
            if members:
                self.lateness_ms.append((now - self._due()) * 1000)
            for caller in members:
                caller.step()
            self._beat += 1
        self._arm()


class Callers:
    """The calls of this process."""

    def __init__(self, http: aiohttp.ClientSession, agent: str) -> None:
        self._http = http
        self._agent = agent
        self._calls: list[LightCaller] = []
        self._metronome = Metronome()
        self._before: list[tuple[int, int]] = []
        self._cpu_before = 0.0

    async def add(self, count: int, over_s: float) -> Added:
        """Calls in turn, spread evenly over `over_s`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        added = []
        for number in range(count):
            await asyncio.sleep(started + number * over_s / count - loop.time())
            caller = LightCaller(voice())
            await caller.connect(self._post)
            self._calls.append(caller)
            self._metronome.join(caller)
            added.append(caller.setup_ms)
        return Added(setup_ms=added)

    def start(self) -> None:
        now = time.monotonic()
        for call in self._calls:
            call.forget(now)
        self._metronome.lateness_ms = []
        self._before = [(call.sent, len(call.marks_sent)) for call in self._calls]
        self._cpu_before = time.process_time()

    async def stop(self) -> Load:
        cpu_s = time.process_time() - self._cpu_before
        lateness = self._metronome.lateness_ms
        counts = [(call.sent, list(call.marks_sent)) for call in self._calls]
        return Load(
            calls=[
                CallHeard(packets=await call.take(), marks_sent=marks[marks_before:], sent=sent - sent_before)
                for call, (sent, marks), (sent_before, marks_before) in zip(
                    self._calls, counts, self._before, strict=True
                )
            ],
            step_lateness_ms=lateness,
            cpu_s=cpu_s,
        )

    async def close(self) -> None:
        self._metronome.stop()
        for call in self._calls:
            await call.close()

    async def _post(self, offer: str) -> str:
        async with self._http.post(
            f"/v1/calls?agent={self._agent}", data=offer, headers={"Content-Type": "application/sdp"}
        ) as response:
            text = await response.text()
            if response.status != 201:
                raise RuntimeError(f"the call was not answered: {response.status} {text}")
            return text


async def _orders() -> AsyncIterator[Order]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield msgspec.json.decode(line, type=Order)


def _answer(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


async def main(url: str, agent: str) -> None:
    voice()
    authorization = os.environ["CORDBOARD_TOKEN"]
    # A connection a call, as from so many browsers.
    connector = aiohttp.TCPConnector(force_close=True)
    headers = {"Authorization": authorization}
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as http:
        callers = Callers(http, agent)
        try:
            async for order in _orders():
                match order.do:
                    case "add":
                        _answer(await callers.add(order.count, order.over_s))
                    case "start":
                        callers.start()
                        _answer({})
                    case "stop":
                        _answer(await callers.stop())
                    case "close":
                        break
        finally:
            await callers.close()
    _answer({})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
