"""The way of an event, measured: `python -m tests.benchmarks.record_path` (part of `make bench`).

Calls of 90 events, as they come from a media server (words, slots, tools, turns, an end), emitted at a steady rate
by one publisher on a durable outbox; one storage worker; Debian's Redis (AOF, fsync every second) and PostgreSQL
(fsync on), all on this machine. 6,000 events a second are 12,000 calls, of which 67 end in each second.

    emit         microseconds that the event loop gives to `Publisher.emit`, nothing else
    subscriber   milliseconds from emit to a plain subscriber of a twentieth of the calls
    Postgres     milliseconds from emit to the commit, by Postgres' own time of it (track_commit_timestamp)

    --rate 50 1000 6000   events a second, one after the other
    --seconds 10          each
    --fsync full          every group of the outbox waits for the disk

Exits with 1 where 6,000 a second are not reached at p99 < 50 ms to Postgres and p50 <= 2 ms to a subscriber. Writes
results/record_path.json beside this file with --write.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from storage.bus.outbox_file import Fsync
from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.bus.subscriber import Subscriber
from storage.call_ids import new_call_id
from storage.channels import calls_channel
from storage.envelope import Sequencer
from storage.events import (
    CallAnswered,
    Event,
    SlotFilled,
    ToolCalled,
    ToolFinished,
    TurnCompleted,
    TurnStarted,
)
from storage.postgres.migrate import migrate
from tests.benchmarks import machine
from tests.benchmarks.figures import Spread, spread
from tests.fakes.call_story import ended, said, started
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, rows
from tests.fakes.servers import PostgresServer, RedisServer

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results" / "record_path.json"
AT_ONCE = 100  # calls that take turns
LENGTH = 90  # events of a call: three minutes at one event in two seconds
HEARD = 20  # every how many-eth call is listened to: one listener to all of them would be what is measured
STEP_S = 0.001  # the publisher's process wakes this often, as audio makes a media server wake

ASKED_RATE = 6000
POSTGRES_P99_MS = 50.0
SUBSCRIBER_P50_MS = 2.0
DRAINED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One rate's figures."""

    asked_rate: int
    rate: float  # events a second that were emitted
    emit_us: Spread
    subscriber_ms: Spread
    postgres_ms: Spread
    publisher_us: (
        float  # CPU an event, of the whole process with its writing thread, this benchmark's own included
    )
    worker_us: float  # the same of the worker
    load_average: float  # of the machine, afterwards

    @property
    def held(self) -> bool:
        return (
            self.rate >= 0.99 * self.asked_rate
            and self.postgres_ms.p99 < POSTGRES_P99_MS
            and self.subscriber_ms.p50 <= SUBSCRIBER_P50_MS
        )


class DurablePostgres(PostgresServer):
    """As in production: a commit is on the disk. It also remembers when it was made."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "fsync=on", "-c", "track_commit_timestamp=on"]


def story() -> list[Event]:
    """One call of LENGTH events; what stands in them is the same for all calls."""
    middle: list[Event] = []
    for turn in range(LENGTH):
        middle += [
            said(2 * turn + 1, f"I would like an appointment tomorrow at {turn}, please, if that is possible."),
            TurnStarted(turn=turn, speaker="agent", item_id=f"item_{2 * turn + 2}"),
            ToolCalled(name="get_customer_info", call_item_id=f"fc_{turn}", arguments={"phone": "+12065550123"}),
            ToolFinished(
                name="get_customer_info", call_item_id=f"fc_{turn}", ok=True, duration_ms=35,
                output={"name": "Ann Lee"}, error=None,
            ),
            said(2 * turn + 2, "Of course. There is room at three in the afternoon, with Doctor Green."),
            SlotFilled(goal="booking", slot="time", value=f"{turn:02}:00", confirmed=False),
            TurnCompleted(turn=turn, response_latency_ms=400 + turn, tools=["get_customer_info"]),
        ]  # fmt: skip
    return [started(), CallAnswered(setup_ms=150, codec="opus"), *middle[: LENGTH - 3], ended()]


async def measure(
    rate: int, seconds: float, fsync: Fsync, redis: RedisServer, database_url: str, folder: Path
) -> Journey:
    """One rate, on tables of its own."""
    events = story()
    total = int(rate * seconds)
    ids = [new_call_id() for _ in range(total // LENGTH + 2 * AT_ONCE)]
    sent: dict[str, float] = {}
    emit_us: list[float] = []
    outbox = SqliteOutbox(folder / "outbox.sqlite", fsync=fsync)
    async with (
        _child("tests.fakes.worker_main", redis.url, database_url) as worker,
        _listener(redis.url, folder / "heard", [calls_channel("default", each) for each in ids[::HEARD]]),
        Publisher(redis.url, outbox=outbox) as publisher,
    ):
        await eventually(lambda: publisher.healthy)
        turns = random.Random(1)
        # The first calls are shorter, so that not all of them end at once.
        calls = [
            (Sequencer(call_id), iter([*events[:2], *events[turns.randrange(2, LENGTH) :]]))
            for call_id in ids[:AT_ONCE]
        ]
        waiting = iter(ids[AT_ONCE:])
        began, cpu, worker_cpu = time.perf_counter(), time.process_time(), machine.cpu_s(worker.pid)
        emitted = 0
        while emitted < total:
            while emitted < min(total, (time.perf_counter() - began) * rate):
                place = turns.randrange(AT_ONCE)
                sequencer, story_ = calls[place]
                event = next(story_, None)
                if event is None:
                    calls[place] = (Sequencer(next(waiting)), iter(events))
                    continue
                envelope = sequencer.stamp(event, datetime.now(UTC))
                at = time.time()
                before = time.perf_counter()
                publisher.emit(envelope)
                emit_us.append((time.perf_counter() - before) * 1e6)
                sent[str(envelope.id)] = at
                emitted += 1
            await asyncio.sleep(STEP_S)
        took = time.perf_counter() - began
        load = os.getloadavg()[0]
        await eventually(lambda: not outbox.unacknowledged, within=DRAINED_WITHIN_S)
        cpu, worker_cpu = time.process_time() - cpu, machine.cpu_s(worker.pid) - worker_cpu
    postgres_ms = await _postgres_ms(database_url, sent)
    heard = [line.split() for line in (folder / "heard").read_text().splitlines()]
    result = Journey(
        asked_rate=rate,
        rate=round(total / took, 1),
        emit_us=_spread(emit_us),
        subscriber_ms=_spread([(float(at) - sent[event_id]) * 1000 for event_id, at in heard]),
        postgres_ms=_spread(postgres_ms),
        publisher_us=round(cpu / total * 1e6, 1),
        worker_us=round(worker_cpu / total * 1e6, 1),
        load_average=round(load, 2),
    )
    assert len(postgres_ms) == total, f"{total - len(postgres_ms)} events are not on record"
    return result


async def _postgres_ms(database_url: str, sent: dict[str, float]) -> list[float]:
    connection = await asyncpg.connect(database_url)
    try:
        stored = await connection.fetch(
            "SELECT call_id || ':' || seq AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at "
            "FROM events"
        )
    finally:
        await connection.close()
    assert await rows(database_url, INCOMPLETE) == []
    return [(row["at"] - sent[row["id"]]) * 1000 for row in stored]


def _spread(values: Sequence[float]) -> Spread:
    found = spread(values)
    assert found is not None
    return found


@asynccontextmanager
async def _child(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process of ours that prints a line when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert await process.stdout.readline(), f"{module} did not start"
        yield process
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _listener(redis_url: str, file: Path, channels: Sequence[str]) -> AsyncIterator[None]:
    names = file.with_suffix(".channels")
    names.write_text("\n".join(channels))
    async with _child("tests.benchmarks.record_path", "--listen", redis_url, str(file), str(names)):
        yield


async def listen(redis_url: str, channels: list[str]) -> list[str]:
    """Until SIGTERM: the id of each event, and when it came."""
    heard: list[str] = []
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    subscriber = Subscriber(redis_url, channels, on_connect=lambda: print("ready", flush=True))

    async def follow() -> None:
        async for envelope in subscriber:
            heard.append(f"{envelope.id} {time.time()}")  # noqa: PERF401 - it never ends

    following = asyncio.create_task(follow())
    await stop.wait()
    following.cancel()
    return heard


async def run(rates: list[int], seconds: float, fsync: Fsync) -> list[Journey]:
    done = []
    with tempfile.TemporaryDirectory(prefix="cordboard-record-") as name:
        folder = Path(name)
        redis, postgres = RedisServer(folder / "redis"), DurablePostgres(folder / "postgres")
        redis.start()
        postgres.start()
        try:
            for rate in rates:
                here = folder / str(rate)
                here.mkdir()
                database_url = postgres.fresh_database()
                await migrate(database_url)
                done.append(await measure(rate, seconds, fsync, redis, database_url, here))
                print(line(done[-1]), flush=True)
        finally:
            redis.stop()
            postgres.stop()
    return done


def line(of: Journey) -> str:
    return (
        f"{of.rate:,.0f}/s: emit p50 {of.emit_us.p50} p99 {of.emit_us.p99} us; "
        f"subscriber p50 {of.subscriber_ms.p50} p99 {of.subscriber_ms.p99} ms; "
        f"Postgres p50 {of.postgres_ms.p50} p99 {of.postgres_ms.p99} worst {of.postgres_ms.worst} ms; "
        f"CPU an event: publisher {of.publisher_us} us, worker {of.worker_us} us; load {of.load_average}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.record_path",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rate", type=int, nargs="+", default=[50, 1000, ASKED_RATE])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--fsync", choices=["normal", "full"], default="normal")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--listen", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.listen:
        redis_url, file, channels = arguments.listen
        heard = asyncio.run(listen(redis_url, Path(channels).read_text().split()))
        Path(file).write_text("\n".join(heard))
        return
    before = os.getloadavg()[0]
    print(f"load average before: {before:.2f}")
    done = asyncio.run(run(arguments.rate, arguments.seconds, arguments.fsync))
    if arguments.write:
        result: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.description(),
            "versions": machine.versions(),
            "load_average_before": round(before, 2),
            "fsync": arguments.fsync,
            "rates": done,
        }
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    sys.exit(0 if all(each.held for each in done if each.asked_rate == ASKED_RATE) else 1)


if __name__ == "__main__":
    main()
