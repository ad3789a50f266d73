"""A media server without its media: `python -m tests.faults.producer`, one `Orders` as JSON on its command line.

Prints "ready" when it has finished the stories that an earlier process left in the outbox, then plays calls until
SIGTERM. Then every call ends, and the process waits until the outbox is empty, which is when the workers have said
that everything is in Postgres.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from signaling.server.recovery import finish_stories
from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.envelope import Envelope
from tests.faults.ledger import Ledger
from tests.faults.story import Call

# Far longer than anything that is healed takes; the test's own patience ends first.
DRAIN_S = 120.0
# Events are emitted in bursts this far apart, as calls do it: several things happen at once.
BURST_S = 0.01


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What one media server is to do, and with what."""

    redis_url: str
    outbox: str  # path of its file
    ledger: str  # path
    rate: float  # events a second of all calls together, live-only ones among them
    calls: int  # at once
    seed: str
    unsettled_after_s: float
    reconcile_every_s: float


class Emitter:
    """Emits, and writes down that it has."""

    def __init__(self, publisher: Publisher, ledger: Ledger) -> None:
        self._publisher = publisher
        self._ledger = ledger

    def emit(self, envelope: Envelope) -> None:
        self._publisher.emit(envelope)
        self._ledger.write(envelope)


async def play(emit: Emitter, *, rate: float, calls: int, chance: random.Random, stop: asyncio.Event) -> None:
    # Numbers of no other process on the same ledger.
    names = itertools.count(os.getpid() * 1_000_000)
    running = [Call(chance, names) for _ in range(calls)]
    loop = asyncio.get_running_loop()
    started, emitted = loop.time(), 0
    while not stop.is_set():
        while emitted < (loop.time() - started) * rate:
            place = chance.randrange(calls)
            emit.emit(running[place].next(datetime.now(UTC)))
            emitted += 1
            if running[place].over:
                running[place] = Call(chance, names)
        await asyncio.sleep(BURST_S)
    for call in running:
        last = call.hang_up(datetime.now(UTC))
        if last is not None:
            emit.emit(last)


async def main(orders: Orders) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    outbox = SqliteOutbox(Path(orders.outbox), unsettled_after_s=orders.unsettled_after_s)
    async with Publisher(
        orders.redis_url, outbox=outbox, reconcile_every_s=orders.reconcile_every_s
    ) as publisher:
        emitter = Emitter(publisher, Ledger(Path(orders.ledger)))
        finish_stories(publisher.open_calls(), emitter.emit, datetime.now(UTC))
        print("ready", flush=True)
        await play(
            emitter, rate=orders.rate, calls=orders.calls, chance=random.Random(orders.seed), stop=stop
        )
        async with asyncio.timeout(DRAIN_S):
            while outbox.unacknowledged:  # noqa: ASYNC110 - the outbox tells nobody when it is empty
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Orders)))
