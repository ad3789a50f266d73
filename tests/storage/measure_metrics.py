"""How fast the figures are: `python -m tests.storage.measure_metrics [CALLS]` (default 500,000 calls in 90 days).

Measures one call's `measure`, rolling up while storing, and the answer of the summary and of a series with that
many calls on record, by 12 versions of agents around the clock. Needs Debian's PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from storage.batch import rows_of
from storage.call_ids import new_call_id
from storage.codec import decode
from storage.contribution import Key, Sum, contribution_of
from storage.envelope import Envelope
from storage.metric_definitions import BY_ID, DEFINITIONS, figure, histograms_of
from storage.metric_sums import Window
from storage.metrics import measure
from storage.postgres import metrics_hourly
from storage.postgres.migrate import migrate
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.record import save_batch
from storage.worker.rollups import after_insert
from tests.fakes.servers import PostgresServer

LOGS = Path(__file__).parent / "event_logs"
DAYS, VERSIONS = 90, 12
SINCE = datetime(2026, 8, 1, tzinfo=UTC)


async def timed(name: str, times: int, do: Callable[[], Awaitable[object]]) -> None:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await do()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    print(f"{name:58} p50 {taken[len(taken) // 2]:8.1f} ms   max {taken[-1]:8.1f} ms   n={times}")


async def main(calls: int) -> None:
    logs = [[decode(line) for line in path.read_text().splitlines()] for path in sorted(LOGS.glob("*.jsonl"))]
    began = time.perf_counter()
    for _ in range(100):
        for log in logs:
            contribution_of(measure(log))
    each = (time.perf_counter() - began) / (100 * len(logs))
    events = sum(len(log) for log in logs) / len(logs)
    print(
        f"{'measure and contribution of a call of ' + str(round(events)) + ' events':58} {each * 1000:8.2f} ms"
    )
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data")
        server.start()
        try:
            server.sql("CREATE DATABASE figures")
            await migrate(server.url("figures"))
            pool = await connect_pool(server.url("figures"))
            try:
                await fill(pool, calls, logs)
                await read(pool)
                await store(pool, logs)
            finally:
                await pool.close()
        finally:
            server.stop()


async def fill(pool: Pool, calls: int, logs: list[list[Envelope]]) -> None:
    """Only the roll-up: what the summary reads."""
    contributions = [contribution_of(measure(log)) for log in logs]
    hours = DAYS * 24
    per_key = calls / (hours * VERSIONS)
    count = 0.0
    done = 0
    for hour in range(hours):
        sums: dict[Key, Sum] = {}
        for version in range(VERSIONS):
            count += per_key
            at = SINCE + timedelta(hours=hour)
            key = Key(
                tenant="default",
                agent=f"agent{version % 4}",
                agent_version=f"v{version // 4}",
                hour=at.strftime("%Y-%m-%dT%H:00:00Z"),
            )
            total = sums.setdefault(key, Sum())
            while done < count:
                total.add(contributions[done % len(contributions)])
                done += 1
        async with pool.acquire() as connection, connection.transaction():
            await metrics_hourly.add(connection, sums)
    print(f"{done} calls in {hours * VERSIONS} rows by the hour")


async def read(pool: Pool) -> None:
    until = SINCE + timedelta(days=DAYS)

    async def summary(days: float, agent: str | None = None) -> None:
        window = Window(since=until - timedelta(days=days), until=until - timedelta(hours=5), agent=agent)
        async with pool.acquire() as connection:
            now = await metrics_hourly.totals(connection, "default", window)
            before = await metrics_hourly.totals(connection, "default", window.before)
        for each in DEFINITIONS:
            figure(each, now)
            figure(each, before)

    await timed("summary of 7 days, with the 7 before", 20, lambda: summary(7))
    await timed("summary of 45 days, with the 45 before: every call", 20, lambda: summary(45))
    await timed("the same of one agent", 20, lambda: summary(45, "agent1"))

    async def series(days: int, grain: metrics_hourly.Grain) -> None:
        window = Window(since=until - timedelta(days=days), until=until)
        async with pool.acquire() as connection:
            wanted = BY_ID["response_latency_p95"]
            found = await metrics_hourly.series(connection, "default", window, grain, histograms_of(wanted))
        for _, sums in found:
            figure(wanted, sums)

    await timed("series of 90 days by the day", 20, lambda: series(90, "day"))
    await timed("series of 7 days by the hour", 20, lambda: series(7, "hour"))


async def store(pool: Pool, logs: list[list[Envelope]]) -> None:
    """300 calls into the tables, with and without the figures."""
    for name, figures in (("without figures", False), ("with figures", True)):
        began, events = time.perf_counter(), 0
        for _ in range(30):
            batch = [envelope for log in logs for envelope in again(log)]
            events += len(batch)
            async with pool.acquire() as connection, connection.transaction():
                await save_batch(connection, rows_of(batch))
                if figures:
                    await after_insert(connection, batch)
        seconds = time.perf_counter() - began
        print(
            f"{'storing 300 calls of ' + str(events // 300) + ' events, ' + name:58} {events / seconds:8.0f} events/s"
        )


def again(log: list[Envelope]) -> list[Envelope]:
    """The same call, as another one."""
    call_id = new_call_id()
    return [msgspec.structs.replace(each, call_id=call_id, id=f"{call_id}:{each.seq}") for each in log]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000))
