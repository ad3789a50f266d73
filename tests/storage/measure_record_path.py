"""What the record costs: `python -m tests.storage.measure_record_path [--rate 50 1000 4000] [--seconds 4]`.

Stamping and emitting in microseconds, and emit → row in Postgres in milliseconds, through a publisher here and
a worker in a process of its own, on the embedded servers (fsync on). A row's time is taken when it is inserted,
so the commit itself is not in it.
"""

# ruff: noqa: ASYNC110 - it paces itself by the clock and waits for another process

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from storage.bus.publisher import Publisher
from storage.call_ids import new_call_id
from storage.embedded.servers import EmbeddedServers
from storage.envelope import Sequencer
from storage.postgres.migrate import migrate
from tests.fakes.call_story import said

ROOT = Path(__file__).parent.parent.parent
CALLS = 100
EVENT = said(1, "Hello there, I would like an appointment tomorrow at three, please.")


async def main(rates: list[int], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedServers(folder) as servers:
            await migrate(servers.database_url)
            connection = await asyncpg.connect(servers.database_url)
            await connection.execute("ALTER TABLE events ADD stored timestamptz DEFAULT clock_timestamp()")
            worker = await asyncio.create_subprocess_exec(
                sys.executable,
                str(ROOT / "tests/fakes/worker_main.py"),
                servers.redis_url,
                servers.database_url,
                cwd=ROOT,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                stdout=asyncio.subprocess.PIPE,
            )
            assert worker.stdout is not None
            await worker.stdout.readline()
            for rate in rates:
                await measure(servers, connection, rate, seconds)
            worker.terminate()
            await worker.wait()
            await connection.close()


async def measure(
    servers: EmbeddedServers, connection: asyncpg.Connection, rate: int, seconds: float
) -> None:
    await connection.execute("TRUNCATE events")
    sequencers = [Sequencer(new_call_id()) for _ in range(CALLS)]
    stamp_us, emit_us, sent = [], [], {}
    total = int(rate * seconds)
    async with Publisher(servers.redis_url) as publisher:
        began = time.perf_counter()
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
        await publisher.drain(60)
        while await connection.fetchval("SELECT count(*) FROM events") < total:
            await asyncio.sleep(0.05)
    rows = await connection.fetch(
        "SELECT call_id || ':' || seq AS id, extract(epoch FROM stored)::float8 AS stored FROM events"
    )
    late_ms = [(row["stored"] - sent[row["id"]]) * 1000 for row in rows]
    print(
        f"{rate:>6}/s  stamp p50 {at(stamp_us, 50):.1f} p99 {at(stamp_us, 99):.1f} us"
        f"  emit p50 {at(emit_us, 50):.1f} p99 {at(emit_us, 99):.1f} us"
        f"  to Postgres p50 {at(late_ms, 50):.1f} p99 {at(late_ms, 99):.1f} max {max(late_ms):.1f} ms"
    )


def at(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, nargs="+", default=[50, 1000, 4000])
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rate, arguments.seconds))
