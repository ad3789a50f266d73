"""The whole server, measured from outside: `python -m tests.benchmarks.calls` (`make bench`).

The server under test has a core of its own; callers with real ICE, DTLS-SRTP and Opus, the scripted model, Redis,
PostgreSQL and the storage worker share the others. Callers are added in stages; in each stage, after a whole cycle
of the callers' speech (`voice.py`) for the new ones to settle, everything is measured for one cycle.

    --quick          1 and 10 calls only, under a minute
    --calls 1,20     other stages
    --until-failure  more and more calls after the last stage, until they are no longer held
    --profile FILE   py-spy on the server during the last stage (pip install py-spy)

Writes results/calls.json beside this file (not with --quick) and prints a table for the README.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from storage.postgres.migrate import migrate
from tests.benchmarks import machine
from tests.benchmarks.figures import spread
from tests.benchmarks.measurements import Added, Load, Order
from tests.benchmarks.model import SCRIPT, Watch
from tests.benchmarks.report import Benchmark, Stage, memory_slope_mb, stage, table
from tests.benchmarks.voice import CYCLE_S
from tests.fakes.servers import PostgresServer, RedisServer
from tests.scenarios.house import AGENT, ROOT, House, bearer, open_house

RESULTS = Path(__file__).parent / "results" / "calls.json"
STAGES = (1, 10, 20, 40, 80)
QUICK_STAGES = (1, 10)
STEP = 20  # calls more, a stage, until failure
MOST_CALLS = 400
SETTLE_S = 3.0  # after the last call of a stage has connected: its first barge-in falls into the measurement
LINE_LIMIT = 256 * 1024 * 1024  # a measurement of many calls is one line of JSON

Answer = TypeVar("Answer")


@dataclass(slots=True)
class LoadProcess:
    """The callers, in a process of their own. Order of calls: `add`, then `start` and `stop`, again and again."""

    process: asyncio.subprocess.Process

    async def add(self, count: int, over_s: float) -> Added:
        return await self._ask(Order(do="add", count=count, over_s=over_s), Added)

    async def start(self) -> None:
        await self._ask(Order(do="start"), dict)

    async def stop(self) -> Load:
        return await self._ask(Order(do="stop"), Load)

    async def close(self) -> None:
        await self._ask(Order(do="close"), dict)
        await self.process.wait()

    async def _ask(self, order: Order, answer: type[Answer]) -> Answer:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(order) + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the callers' process has ended; its last words are above")
        return msgspec.json.decode(line, type=answer)


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[LoadProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.load", url, AGENT,
        cwd=ROOT, env={**os.environ, "CORDBOARD_TOKEN": bearer("service")}, limit=LINE_LIMIT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    load = LoadProcess(process)
    try:
        yield load
        await load.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass(slots=True)
class Bench:
    """One server with its callers, and what is known of them."""

    house: House
    load: LoadProcess
    redis: RedisServer
    postgres: PostgresServer
    server_cores: set[int]
    other_cores: set[int]
    watches: list[Watch] = field(default_factory=list)
    setups_ms: list[float] = field(default_factory=list)

    @property
    def server(self) -> int:
        return self.house.processes["serve"].pid

    async def grow(self, calls: int) -> None:
        """More callers, spread over one cycle, so that they are not in step."""
        count = calls - len(self.watches)
        adding = asyncio.create_task(self.load.add(count, CYCLE_S * (count - 1) / count))
        first = len(self.watches)
        for index in range(first, calls):
            self.watches.append(Watch(await self.house.simulator.session(index, timeout=60)))
        self.setups_ms += (await adding).setup_ms
        await asyncio.sleep(SETTLE_S)

    async def measure(self) -> Stage:
        """One cycle of everything."""
        await self.load.start()
        busy = machine.busy_s(self.server_cores | self.other_cores)
        cpu, waited = machine.cpu_s(self.server), machine.waited_s(self.server)
        model_cpu = time.process_time()
        started = time.monotonic()
        await asyncio.sleep(CYCLE_S)
        ended = time.monotonic()
        cpu, waited = machine.cpu_s(self.server) - cpu, machine.waited_s(self.server) - waited
        model_cpu = time.process_time() - model_cpu
        busy = {core: at - busy[core] for core, at in machine.busy_s(busy).items()}
        seconds = ended - started
        rss_mb = machine.rss_mb(self.server)
        heard = await self.load.stop()
        return stage(
            heard,
            self.watches,
            start=started,
            end=ended,
            server_cpu_s=cpu,
            server_waited_s=waited,
            model_cpu_s=model_cpu,
            rss_mb=rss_mb,
            server_core=sum(busy[core] for core in self.server_cores) / seconds,
            other_cores=sum(busy[core] for core in self.other_cores) / seconds / len(self.other_cores),
        )


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    server_cores, other_cores = machine.split_cores()
    # Inherited by everything that is started from here; only the server is moved afterwards.
    machine.pin(os.getpid(), other_cores)
    redis, postgres = RedisServer(folder / "redis"), PostgresServer(folder / "postgres")
    redis.start()
    postgres.start()
    try:
        database_url = postgres.fresh_database()
        await migrate(database_url)
        settings = {
            "CORDBOARD_SERVER__MAX_CALLS": str(MOST_CALLS),
            "CORDBOARD_SERVER__DRAIN_LIMIT_S": "1",
            "CORDBOARD_LOG_LEVEL": "warning",
        }
        async with (
            open_house(
                redis_url=redis.url, database_url=database_url, folder=folder, mind=SCRIPT, settings=settings
            ) as house,
            callers(house.url) as load,
        ):
            measured = Bench(house, load, redis, postgres, server_cores, other_cores)
            machine.pin(measured.server, server_cores)
            yield measured
    finally:
        redis.stop()
        postgres.stop()


async def run(stages: list[int], *, until_failure: bool, profile: Path | None) -> Benchmark:
    load_before = os.getloadavg()[0]
    done: list[Stage] = []
    with tempfile.TemporaryDirectory(prefix="cordboard-bench-") as name:
        folder = Path(name)
        async with bench(folder) as measured:
            waiting = list(stages)
            while waiting:
                calls = waiting.pop(0)
                await measured.grow(calls)
                profiler = _profiler(measured.server, profile) if profile and not waiting else None
                done.append(await measured.measure())
                if profiler is not None:
                    profiler.wait()
                print(f"{calls} calls: {_line(done[-1])}", file=sys.stderr)
                if until_failure and not waiting and done[-1].held and calls + STEP <= MOST_CALLS:
                    waiting.append(calls + STEP)
    return Benchmark(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        machine=machine.description(),
        versions=machine.versions(),
        load_average_before=round(load_before, 2),
        mb_per_call=memory_slope_mb(done),
        setup_ms=spread(measured.setups_ms),
        stages=done,
    )


def _profiler(pid: int, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["py-spy", "record", "--pid", str(pid), "--duration", str(int(CYCLE_S) - 1), "--rate", "100",
         "--nonblocking", "--format", "raw", "--output", str(file)],
    )  # fmt: skip


def _line(result: Stage) -> str:
    state = "held" if result.held else "not held"
    limit = f", limited by {result.limited_by}" if result.limited_by else ""
    return f"{result.core_ms_per_call_s:.1f} core-ms per call-second, {state} ({result.in_time:.1%}){limit}"


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.calls",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--calls", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--until-failure", action="store_true")
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--write", action=argparse.BooleanOptionalAction)
    arguments = parser.parse_args()
    stages = arguments.calls or list(QUICK_STAGES if arguments.quick else STAGES)
    result = asyncio.run(run(stages, until_failure=arguments.until_failure, profile=arguments.profile))
    print(table(result))
    write = arguments.write if arguments.write is not None else not (arguments.quick or arguments.calls)
    if write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
