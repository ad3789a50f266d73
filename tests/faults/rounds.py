"""The faults: each is one round of misfortune, after which everything is up again.

A round takes the running chain and a source of chance, and may be repeated for as long as one likes.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis.asyncio

from storage.call_ids import new_call_id
from storage.channels import FIELD, STREAMS
from storage.codec import encode
from storage.envelope import Sequencer
from tests.fakes.call_story import NOON, said, started
from tests.fakes.cut_proxy import Cut
from tests.faults.chain import Chain

Round = Callable[[Chain, random.Random], Awaitable[None]]

# A worker that is awake acknowledges something within this; one that reads its pending list has done so before.
ACK_WITHIN_S = 2.0


async def worker_killed(chain: Chain, chance: random.Random) -> None:
    """kill -9 at any moment, or when the commit is done and the acknowledgement is about to be sent."""
    worker = chance.choice(chain.workers)
    if chance.random() < 0.6:
        await _at_acknowledgement(chain, Cut.BEFORE_SERVER)
        # Which of the workers it was is not known to the proxy; the connection of any of them was cut there.
        for each in chain.workers:
            await chain.kill(each.name)
        for each in chain.workers:
            await chain.start_worker(each)
        return
    await chain.kill(worker.name)
    await asyncio.sleep(chance.uniform(0, 0.5))
    await chain.start_worker(worker)


async def worker_cut_off(chain: Chain, chance: random.Random) -> None:
    """The worker's connection breaks at COMMIT or at the acknowledgement; the server may have done it or not."""
    moment = chance.choice((Cut.BEFORE_SERVER, Cut.BEFORE_REPLY))
    if chance.random() < 0.5:
        await _at_acknowledgement(chain, moment)
        return
    chain.to_postgres.cut_next(b"COMMIT", moment)
    await _happened(chain, chain.to_postgres.happened)


async def redis_killed(chain: Chain, chance: random.Random) -> None:
    chain.redis.kill()
    await asyncio.sleep(chance.uniform(0, 0.3))
    chain.redis.start()


async def redis_killed_behind(chain: Chain, chance: random.Random) -> None:
    """What Redis held when it was killed was not in Postgres yet."""
    async with _behind(chain, chance):
        await redis_killed(chain, chance)


async def power_cut(chain: Chain, chance: random.Random) -> None:
    """The same, and what was not fsynced is gone."""
    async with _behind(chain, chance):
        chain.bytes_cut += chain.redis.power_cut()
        await asyncio.sleep(chance.uniform(0, 0.3))
        chain.redis.start()


async def flushed(chain: Chain, chance: random.Random) -> None:
    """Somebody says FLUSHALL: streams, groups and all."""
    async with _behind(chain, chance):
        assert chain.redis.ask("FLUSHALL") == b"+OK"


async def redis_down(chain: Chain, chance: random.Random, *, seconds: float) -> None:
    await asyncio.to_thread(chain.redis.stop)
    await asyncio.sleep(seconds)
    chain.redis.start()


async def redis_stands_still(chain: Chain, chance: random.Random) -> None:
    """Connections stay open, nothing answers, longer than anybody waits for a reply."""
    chain.redis.pause()
    await asyncio.sleep(chance.uniform(0.5, 6.0))
    chain.redis.resume()


async def postgres_killed(chain: Chain, chance: random.Random) -> None:
    await asyncio.to_thread(chain.postgres.kill_all)
    await asyncio.sleep(chance.uniform(0, 0.3))
    chain.postgres.start()


async def postgres_down(chain: Chain, chance: random.Random, *, seconds: float) -> None:
    # The proxy of the workers lives in this loop, and what a stopping server still says goes through it.
    await asyncio.to_thread(chain.postgres.stop)
    await asyncio.sleep(seconds)
    chain.postgres.start()


async def server_killed(chain: Chain, chance: random.Random) -> None:
    await chain.kill_server()
    await chain.start_server()


async def server_killed_without_redis(chain: Chain, chance: random.Random) -> None:
    """What the outbox held was nowhere else; the new process finishes the stories before Redis is back."""
    chain.redis.kill()
    await asyncio.sleep(chance.uniform(0.2, 1.0))
    await server_killed(chain, chance)
    await asyncio.sleep(chance.uniform(0, 0.5))
    chain.redis.start()


async def split_brain(chain: Chain, chance: random.Random) -> None:
    """Two workers of one name: one stands still with a batch in hand, the other takes it; then the first goes on.

    Its acknowledgement comes late, too, on a connection that it does not know any more.
    """
    late = chance.random() < 0.5
    if late:
        await _at_acknowledgement(chain, Cut.LATE)
    first, second, *_ = chance.sample(chain.workers, len(chain.workers))
    sleeper = chain.processes[first.name]
    sleeper.send_signal(signal.SIGSTOP)
    await chain.kill(second.name)
    await chain.start_worker(second)  # begins with what is pending under the name of both
    await asyncio.sleep(chance.uniform(1.2, 2.5))  # longer than the claim's idle time
    if late and chain.to_redis.happened.is_set():
        chain.to_redis.deliver()
    sleeper.send_signal(signal.SIGCONT)


async def poisoned(chain: Chain, chance: random.Random) -> None:
    """A stranger writes into the workers' streams what no publisher of ours would."""
    async with redis.asyncio.from_url(chain.redis.url) as client:
        for body in poison(chance):
            await client.xadd(chance.choice(STREAMS), {FIELD: body})
            chain.poison.append(body)
        await client.xadd(chance.choice(STREAMS), {"not the field": b"x"})


def poison(chance: random.Random) -> list[bytes]:
    """One of each kind, never the same bytes again."""
    sequencer = Sequencer(new_call_id())
    start, words = (encode(sequencer.stamp(event, NOON)) for event in (started(), said(0, "NUL:")))
    return [
        chance.randbytes(40),
        words.replace(b"NUL:", b"NUL\\u0000"),
        words.replace(b'"seq":1', b'"seq":"one"'),
        words.replace(b'"v":1', b'"v":7'),
        start.replace(b'"at":"2026', b'"at":"the year 2026'),
        encode(Sequencer(f"no-uuid-{chance.randrange(1 << 40):x}").stamp(started(), NOON)),
    ]


def any_of(rounds: list[Round]) -> Round:
    """One of these, at random."""

    async def one(chain: Chain, chance: random.Random) -> None:
        await chance.choice(rounds)(chain, chance)

    return one


@asynccontextmanager
async def _behind(chain: Chain, chance: random.Random) -> AsyncIterator[None]:
    """The workers stand still for a while before and during the block, so that Redis holds what nobody else has."""
    chain.signal_workers(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.3, 1.5))
    try:
        yield
    finally:
        chain.signal_workers(signal.SIGCONT)


async def _at_acknowledgement(chain: Chain, moment: Cut) -> None:
    chain.to_redis.cut_next(b"XACK", moment)
    await _happened(chain, chain.to_redis.happened)


async def _happened(chain: Chain, event: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(event.wait(), ACK_WITHIN_S)
    except TimeoutError:
        return  # nobody had anything to say; the next that has is cut
    chain.strokes += 1
