"""The whole way of an event as processes that can be killed one by one: media server → Redis → workers → Postgres.

The workers reach Redis and Postgres through proxies of the test, which can end a worker between its commit and its
acknowledgement, or the connection in the middle of a COMMIT. The media server and the outsider reach Redis directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import redis.asyncio

from storage.bus.sqlite_outbox import UNSETTLED_AFTER_S
from storage.channels import STREAMS
from tests.fakes.cut_proxy import CutProxy
from tests.fakes.eventually import eventually
from tests.fakes.servers import LOOPBACK
from tests.faults.breakable import BreakablePostgres, BreakableRedis
from tests.faults.ledger import Kill
from tests.faults.producer import Orders

ROOT = Path(__file__).parent.parent.parent
# A start takes about a second here; a machine with other things to do needs longer.
READY_WITHIN_S = 30.0
# After the last fault: reconciling (rows of 5 s ago), claiming (every 10 s), and the backlog.
SETTLED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the media server does."""

    rate: float = 150.0  # events a second, live-only ones among them
    calls: int = 100  # at once
    unsettled_after_s: float = UNSETTLED_AFTER_S  # when the outbox begins to ask after an event
    reconcile_every_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One replica. Two may have the same `consumer`; that is a mistake they have to survive."""

    name: str  # the process
    consumer: str
    claim_idle_ms: int = 30_000


@dataclass(slots=True, kw_only=True)
class Chain:
    """Order of calls: inside `running_chain`, any of the rest, `finish` at the end."""

    folder: Path
    redis: BreakableRedis
    postgres: BreakablePostgres
    database_url: str
    load: Load
    workers: tuple[Worker, ...]
    seed: str
    to_redis: CutProxy
    to_postgres: CutProxy
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    server_kills: list[Kill] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)  # start of the process → stories finished
    poison: list[bytes] = field(default_factory=list)  # what a stranger wrote into the streams
    strokes: int = 0  # connections cut at the very moment that was meant
    bytes_cut: int = 0  # what power cuts took from the append-only file
    settle_s: float = 0.0

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def heard(self) -> Path:
        return self.folder / "heard"

    async def start_server(self) -> None:
        """Returns when it has finished what an earlier one left."""
        began = time.monotonic()
        orders = Orders(
            redis_url=self.redis.url,
            outbox=str(self.folder / "outbox.sqlite"),
            ledger=str(self.ledger),
            rate=self.load.rate,
            calls=self.load.calls,
            seed=f"{self.seed}/{len(self.server_kills)}",
            unsettled_after_s=self.load.unsettled_after_s,
            reconcile_every_s=self.load.reconcile_every_s,
        )
        await self._start("server", "producer", msgspec.json.encode(orders).decode())
        await self._ready("server")
        if self.server_kills:
            self.recovery_s.append(time.monotonic() - began)

    async def kill_server(self) -> None:
        asked = time.monotonic()
        await self.kill("server")
        self.server_kills.append(Kill(asked, time.monotonic()))

    async def start_worker(self, worker: Worker) -> None:
        """Returns at once: a worker waits for its servers by itself."""
        redis_url = self.redis.url.replace(str(self.redis.port), str(self.to_redis.port))
        database_url = self.database_url.replace(str(self.postgres.port), str(self.to_postgres.port))
        await self._start(
            worker.name, "worker", redis_url, database_url, worker.consumer, str(worker.claim_idle_ms)
        )  # fmt: skip

    async def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    def signal_workers(self, number: signal.Signals) -> None:
        for worker in self.workers:
            self.processes[worker.name].send_signal(number)

    async def finish(self) -> None:
        """The media server ends its calls and leaves when its outbox is empty; then the workers stop."""
        began = time.monotonic()
        server = self.processes["server"]
        server.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await server.wait()
        except TimeoutError:
            raise AssertionError(f"the outbox did not empty: {self.last_words('server')}") from None
        await self._streams_empty()
        self.settle_s = time.monotonic() - began
        for worker in self.workers:
            self.processes[worker.name].send_signal(signal.SIGTERM)
        for worker in self.workers:
            async with asyncio.timeout(READY_WITHIN_S):
                assert await self.processes[worker.name].wait() == 0, self.last_words(worker.name)

    async def _streams_empty(self) -> None:
        async with redis.asyncio.from_url(self.redis.url) as client:

            async def nothing_waits() -> bool:
                return sum([await client.xlen(stream) for stream in STREAMS]) == 0

            await eventually(nothing_waits, within=SETTLED_WITHIN_S)

    def last_words(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-2000:]

    @property
    def sent_again(self) -> int:
        """Events that a media server found lost in Redis, by its own words."""
        said = re.findall(r"publisher\.sent_again events=(\d+)", (self.folder / "server.log").read_text())
        return sum(map(int, said))

    async def start_outsider(self) -> None:
        await self._start("outsider", "outsider", self.redis.url, str(self.heard))
        await self._ready("outsider")

    async def _start(self, name: str, module: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "SIGKILL", "--",
                sys.executable, "-m", f"tests.faults.{module}", *arguments,
                cwd=ROOT, env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip

    async def _ready(self, name: str) -> None:
        output = self.processes[name].stdout
        assert output is not None
        try:
            line = await asyncio.wait_for(output.readline(), READY_WITHIN_S)
        except TimeoutError:
            line = b""
        assert line == b"ready\n", f"{name} did not start: {self.last_words(name)}"


@asynccontextmanager
async def running_chain(
    *,
    folder: Path,
    redis: BreakableRedis,
    postgres: BreakablePostgres,
    database_url: str,
    seed: str,
    load: Load | None = None,
    workers: tuple[Worker, ...] = (Worker(name="worker", consumer="w"),),
) -> AsyncIterator[Chain]:
    """Everything running and ready; everything gone afterwards. The servers are the caller's."""
    async with (
        CutProxy(redis.port, LOOPBACK) as to_redis,
        CutProxy(postgres.port, LOOPBACK) as to_postgres,
    ):
        chain = Chain(
            folder=folder,
            redis=redis,
            postgres=postgres,
            database_url=database_url,
            load=load or Load(),
            workers=workers,
            seed=seed,
            to_redis=to_redis,
            to_postgres=to_postgres,
        )
        try:
            await chain.start_outsider()
            for worker in workers:
                await chain.start_worker(worker)
            await chain.start_server()
            yield chain
        finally:
            for process in chain.processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
