"""What callers hear while Redis and Postgres are both away: `python -m tests.benchmarks.audio_in_an_outage`.

The calls of `tests.benchmarks.calls` (real ICE, DTLS-SRTP and Opus, the server on a core of its own), measured for
as long before, in and after an outage of both servers. Late is a frame that reached its caller more than 20 ms off
its schedule, or not at all. The outage may cost 0.1 % of the frames more than the same run had before it; afterwards
every call must be on record, whole.

    --calls 10 --seconds 20

Exits with 1 where it does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.calls import Bench, bench
from tests.benchmarks.figures import Spread, pacing, spread
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, rows

ALLOWED = 0.001  # of the frames
ON_RECORD_WITHIN_S = 60.0
ENDED = "SELECT count(*) FROM call_sessions WHERE state = 'ended'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The frames that were due to the callers in one stretch of time."""

    due: int
    late: int
    lateness_ms: Spread | None

    @property
    def share(self) -> float:
        return self.late / self.due


async def listen(measured: Bench, seconds: float) -> Frames:
    """All callers for so long."""
    await measured.load.start()
    began = time.monotonic()
    await asyncio.sleep(seconds)
    ended = time.monotonic()
    heard = await measured.load.stop()
    pacings = [pacing(call.packets, began, ended) for call in heard.calls]
    due = sum(each.expected for each in pacings)
    return Frames(
        due=due,
        late=due - sum(each.in_time for each in pacings),
        lateness_ms=spread([late for each in pacings for late in each.lateness_ms]),
    )


async def run(calls: int, seconds: float) -> bool:
    print(f"load average before: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="cordboard-outage-") as name:
        async with bench(Path(name)) as measured:
            await measured.grow(calls)
            before = await listen(measured, seconds)
            show("before", before)
            # The model runs in this process: it must not be held up while the servers go.
            await asyncio.gather(
                asyncio.to_thread(measured.redis.stop), asyncio.to_thread(measured.postgres.stop)
            )
            outage = await listen(measured, seconds)
            show("Redis and Postgres away", outage)
            measured.redis.start()
            measured.postgres.start()
            show("after", await listen(measured, seconds))
            await on_record(measured, calls)
    held = outage.share <= before.share + ALLOWED
    print(f"all {calls} calls are on record, whole")
    print(
        f"{outage.share - before.share:+.3%} of the frames: {'held' if held else 'not held'} ({ALLOWED:.1%} allowed)"
    )
    return held


async def on_record(measured: Bench, calls: int) -> None:
    """Hangs everything up; AssertionError where a call is not complete in Postgres soon after."""
    async with measured.house.http.get("/v1/calls?limit=200") as response:
        running = [call["id"] for call in (await response.json())["items"]]
    for call_id in running:
        async with measured.house.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200, await response.text()

    async def all_ended() -> bool:
        return await rows(measured.house.database_url, ENDED) == [(calls,)]

    await eventually(all_ended, within=ON_RECORD_WITHIN_S)
    incomplete = await rows(measured.house.database_url, INCOMPLETE)
    assert incomplete == [], f"{len(incomplete)} calls have gaps"


def show(when: str, frames: Frames) -> None:
    worst = frames.lateness_ms.worst if frames.lateness_ms else 0.0
    print(
        f"{when}: {frames.late} of {frames.due} frames late ({frames.share:.3%}), worst {worst} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.audio_in_an_outage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(run(arguments.calls, arguments.seconds)) else 1)


if __name__ == "__main__":
    main()
