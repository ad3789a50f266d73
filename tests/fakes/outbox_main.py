"""`python outbox_main.py REDIS_URL OUTBOX CALLS`: emits events of some calls through a durable outbox until it is
killed; prints "ready" when Redis answers."""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path

from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.call_ids import new_call_id
from storage.envelope import Sequencer
from storage.events import DtmfReceived
from tests.fakes.call_story import started
from tests.fakes.eventually import eventually


async def main(redis_url: str, path: Path, calls: int) -> None:
    async with Publisher(redis_url, outbox=SqliteOutbox(path)) as publisher:
        await eventually(lambda: publisher.healthy)
        sequencers = [Sequencer(new_call_id()) for _ in range(calls)]
        for sequencer in sequencers:
            publisher.emit(sequencer.stamp(started(), datetime.now(UTC)))
        print("ready", flush=True)
        for sequencer in itertools.cycle(sequencers):
            publisher.emit(sequencer.stamp(DtmfReceived(digit="1", duration_ms=90), datetime.now(UTC)))
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
