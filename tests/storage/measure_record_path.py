"""What the record costs: `python -m tests.storage.measure_record_path [--rate 50 1000 6000] [--seconds 4]`.

Stamping and emitting in microseconds, emit → a plain subscriber and emit → row in Postgres in milliseconds:
publisher and its outbox in this process, worker and subscriber (of five of the hundred calls) in processes of
their own, on the embedded servers (fsync on). A row's time is taken when it is inserted, so the commit itself is
not in it.
`--outbox memory|normal|full` chooses where events wait (`full`: every group waits for the disk).
"""

# ruff: noqa: ASYNC110 - it paces itself by the clock and waits for another process

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.bus.subscriber import Subscriber
from storage.call_ids import new_call_id
from storage.channels import calls_channel
from storage.embedded.servers import EmbeddedServers
from storage.envelope import Sequencer
from storage.postgres.migrate import migrate
from tests.fakes.call_story import said

ROOT = Path(__file__).parent.parent.parent
CALLS = 100
HEARD = 5  # of them: a subscriber of all of them would be what is measured
EVENT = said(1, "Hello there, I would like an appointment tomorrow at three, please.")


async def main(rates: list[int], seconds: float, outbox: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedServers(Path(folder) / "servers") as servers:
            await migrate(servers.database_url)
            connection = await asyncpg.connect(servers.database_url)
            await connection.execute("ALTER TABLE events ADD stored timestamptz DEFAULT clock_timestamp()")
            script = str(ROOT / "tests/fakes/worker_main.py")
            async with child(script, servers.redis_url, servers.database_url):
                for number, rate in enumerate(rates):
                    await measure(servers, connection, rate, seconds, outbox, Path(folder) / str(number))
            await connection.close()


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[None]:
    """A Python process that prints a line when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def measure(
    servers: EmbeddedServers,
    connection: asyncpg.Connection,
    rate: int,
    seconds: float,
    outbox: str,
    folder: Path,
) -> None:
    await connection.execute("TRUNCATE events")
    heard = Path(f"{folder}.heard")
    sequencers = [Sequencer(new_call_id()) for _ in range(CALLS)]
    stamp_us, emit_us, sent = [], [], {}
    total = int(rate * seconds)
    kept = None if outbox == "memory" else SqliteOutbox(folder / "outbox", fsync=outbox)
    async with (
        child(
            *("-m", "tests.storage.measure_record_path", "--listen", servers.redis_url, str(heard)),
            *(calls_channel("default", sequencer.call_id) for sequencer in sequencers[:HEARD]),
        ),
        Publisher(servers.redis_url, outbox=kept) as publisher,
    ):
        while not publisher.healthy:
            await asyncio.sleep(0.01)
        began = time.perf_counter()
        cpu = time.process_time()
        for number in range(total):
            while (time.perf_counter() - began) * rate < number:
                await asyncio.sleep(0.001)
            t0 = time.perf_counter()
            envelope = sequencers[number % CALLS].stamp(EVENT, datetime.now(UTC))
            t1 = time.perf_counter()
            publisher.emit(envelope)
            t2 = time.perf_counter()
            sent[envelope.id] = time.time()
            stamp_us.append((t1 - t0) * 1e6)
            emit_us.append((t2 - t1) * 1e6)
        took = time.perf_counter() - began
        cpu = time.process_time() - cpu
        await publisher.drain(60)
        while await connection.fetchval("SELECT count(*) FROM events") < total:
            await asyncio.sleep(0.05)
        while kept is not None and kept.unacknowledged:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # the subscriber writes what it has heard when it has a moment
    rows = await connection.fetch(
        "SELECT call_id || ':' || seq AS id, extract(epoch FROM stored)::float8 AS stored FROM events"
    )
    late_ms = [(row["stored"] - sent[row["id"]]) * 1000 for row in rows]
    heard_ms = [(float(when) - sent[name]) * 1000 for name, when in lines_of(heard)]
    print(
        f"{total / took:>6.0f}/s  stamp p50 {at(stamp_us, 50):.1f} p99 {at(stamp_us, 99):.1f} us"
        f"  emit p50 {at(emit_us, 50):.1f} p99 {at(emit_us, 99):.1f} max {max(emit_us):.0f} us"
        f"  to subscriber p50 {at(heard_ms, 50):.2f} p99 {at(heard_ms, 99):.1f} ms ({len(heard_ms)} heard)"
        f"  to Postgres p50 {at(late_ms, 50):.1f} p99 {at(late_ms, 99):.1f} max {max(late_ms):.1f} ms"
        f"  publisher's CPU {cpu / took:.0%}  load {os.getloadavg()[0]:.1f}"
    )


def lines_of(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


async def listen(redis_url: str, path: Path, channels: list[str]) -> None:
    """Writes id and time of everything that is published there."""
    with path.open("w", buffering=1 << 16) as out:
        connected = lambda: print("ready", flush=True)  # noqa: E731 - one line for one callback
        events = Subscriber(redis_url, channels, on_connect=connected).__aiter__()
        following = asyncio.ensure_future(anext(events))
        while True:
            done, _ = await asyncio.wait([following], timeout=0.2)
            if not done:
                out.flush()
                continue
            out.write(f"{following.result().id} {time.time()}\n")
            following = asyncio.ensure_future(anext(events))


def at(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, nargs="+", default=[50, 1000, 6000])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--outbox", choices=["memory", "normal", "full"], default="normal")
    parser.add_argument("--listen", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.listen:
        asyncio.run(listen(arguments.listen[0], Path(arguments.listen[1]), arguments.listen[2:]))
    else:
        asyncio.run(main(arguments.rate, arguments.seconds, arguments.outbox))
