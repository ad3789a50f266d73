"""Everything that can be killed is killed, again and again: nothing is lost, doubled or out of place.

The short form is part of `make test`; `make soak` runs each case for 150 s. Both print the same table. A case's
seed is printed when it fails, and CORDBOARD_FAULTS_SEED sets it: it decides what happens in which order, though
not to the millisecond.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE
from tests.faults import ledger, rounds
from tests.faults.breakable import BreakablePostgres, BreakableRedis, Keeps
from tests.faults.chain import Chain, Load, Worker, running_chain
from tests.faults.record import read_events, standing_checks, tables, undisturbed
from tests.faults.rounds import Round
from tests.faults.table import Row
from tests.faults.verdict import compare, differences, hearing

ONE = (Worker(name="worker", consumer="w", claim_idle_ms=1000),)
TWO = (
    Worker(name="a", consumer="a", claim_idle_ms=1000),
    Worker(name="b", consumer="b", claim_idle_ms=1000),
)
SAME_NAME = (
    Worker(name="w.1", consumer="w", claim_idle_ms=1000),
    Worker(name="w.2", consumer="w", claim_idle_ms=1000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long a case goes on, and how long an outage in it is."""

    seconds: float
    outage_s: float
    load: Load


# The outbox looks after its events sooner than it does by default, so that the end is not long in coming.
SHORT = Length(seconds=7.0, outage_s=4.0, load=Load(unsettled_after_s=1.0, reconcile_every_s=0.5))
LONG = Length(seconds=150.0, outage_s=20.0, load=Load())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row of the matrix."""

    fault: str
    round: Callable[[Length], Round]
    keeps: Keeps = Keeps.EVERYSEC
    valkey: bool = False
    workers: tuple[Worker, ...] = ONE
    hits: Callable[[Chain], int] = lambda chain: 1  # how often the fault really struck, where it might miss

    @property
    def servers(self) -> str:
        return f"{'Valkey' if self.valkey else 'Redis'} {self.keeps.value}"


def always(round_: Round) -> Callable[[Length], Round]:
    return lambda length: round_


def redis_down(length: Length) -> Round:
    return partial(rounds.redis_down, seconds=length.outage_s)


def postgres_down(length: Length) -> Round:
    return partial(rounds.postgres_down, seconds=length.outage_s)


def anything(length: Length) -> Round:
    return rounds.any_of(
        [
            rounds.worker_killed,
            rounds.worker_cut_off,
            rounds.redis_killed,
            rounds.redis_stands_still,
            rounds.power_cut,
            rounds.flushed,
            rounds.postgres_killed,
            rounds.server_killed,
            rounds.server_killed_without_redis,
            rounds.split_brain,
            rounds.poisoned,
            partial(rounds.redis_down, seconds=length.outage_s / 4),
            partial(rounds.postgres_down, seconds=length.outage_s / 4),
        ]
    )


def strokes(chain: Chain) -> int:
    return chain.strokes


def bytes_cut(chain: Chain) -> int:
    return chain.bytes_cut


CASES = [
    Case(fault="worker kill -9", round=always(rounds.worker_killed), workers=TWO, hits=strokes),
    Case(fault="worker cut off at COMMIT or XACK", round=always(rounds.worker_cut_off), workers=TWO, hits=strokes),
    Case(fault="Redis kill -9", round=always(rounds.redis_killed)),
    Case(fault="Redis kill -9", round=always(rounds.redis_killed), keeps=Keeps.ALWAYS),
    Case(fault="Redis kill -9, worker behind", round=always(rounds.redis_killed_behind), keeps=Keeps.NOTHING),
    Case(fault="Redis power cut, worker behind", round=always(rounds.power_cut), hits=bytes_cut),
    Case(fault="Redis power cut, worker behind", round=always(rounds.power_cut), keeps=Keeps.ALWAYS),
    Case(fault="Redis power cut, worker behind", round=always(rounds.power_cut), valkey=True, hits=bytes_cut),
    Case(fault="Redis down", round=redis_down),
    Case(fault="Redis stands still", round=always(rounds.redis_stands_still)),
    Case(fault="FLUSHALL, worker behind", round=always(rounds.flushed)),
    Case(fault="Postgres kill -9", round=always(rounds.postgres_killed)),
    Case(fault="Postgres down", round=postgres_down),
    Case(fault="media server kill -9, Redis down", round=always(rounds.server_killed_without_redis)),
    Case(fault="poison events", round=always(rounds.poisoned)),
    Case(fault="two workers of one name", round=always(rounds.split_brain), workers=SAME_NAME),
    Case(fault="all at random", round=anything, workers=SAME_NAME),
    Case(fault="all at random", round=anything, workers=SAME_NAME, valkey=True),
]  # fmt: skip


@pytest.mark.parametrize(
    "length", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault}, {case.servers}")
async def test_nothing_is_lost_doubled_or_out_of_place(
    case: Case,
    length: Length,
    faults_postgres: BreakablePostgres,
    shim: Path,
    tmp_path: Path,
    table: list[Row],
) -> None:
    seed = os.environ.get("CORDBOARD_FAULTS_SEED") or str(random.SystemRandom().randrange(1_000_000))
    print(f"CORDBOARD_FAULTS_SEED={seed}")
    chance = random.Random(f"{seed}/{case.fault}/{case.servers}")
    faults_postgres.start()
    redis = BreakableRedis(tmp_path / "redis", keeps=case.keeps, valkey=case.valkey, shim=shim)
    redis.start()
    try:
        async with running_chain(
            folder=tmp_path,
            redis=redis,
            postgres=faults_postgres,
            database_url=faults_postgres.fresh_database(TEMPLATE),
            seed=seed,
            load=length.load,
            workers=case.workers,
        ) as chain:
            done = await play(chain, case.round(length), length, chance)
            await chain.finish()
            await judge(case, chain, done, table)
    finally:
        redis.kill()


async def play(chain: Chain, one: Round, length: Length, chance: random.Random) -> int:
    """Round after round, with time to recover between them, or hardly any; returns how many."""
    loop = asyncio.get_running_loop()
    ends, done = loop.time() + length.seconds, 0
    while loop.time() < ends:
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        await one(chain, chance)
        done += 1
    await asyncio.sleep(chance.uniform(0, 0.5))
    return done


async def judge(case: Case, chain: Chain, done: int, table: list[Row]) -> None:
    """Adds the case's row to `table`, then AssertionError for whatever is wrong."""
    emitted = ledger.read(chain.ledger)
    events = await read_events(chain.database_url)
    verdict = compare(emitted, events, chain.server_kills)
    heard = hearing([line.envelope for line in ledger.read(chain.heard)], events)
    checks = await standing_checks(chain.database_url)
    found = await tables(chain.database_url)
    assert chain.redis.ask("FLUSHALL") == b"+OK"
    again = await undisturbed(events, chain.redis.url, chain.postgres.fresh_database(TEMPLATE))

    table.append(
        Row(
            fault=case.fault,
            servers=case.servers,
            rounds=done,
            emitted=verdict.emitted,
            lost=verdict.lost,
            doubled=verdict.doubled,
            out_of_place=verdict.out_of_place,
            tail=f"{verdict.tail} ({verdict.tail_ms} ms)" if verdict.tail else "0",
            recovered=verdict.recovered,
            recovered_s=round(max(chain.recovery_s, default=0.0), 1),
            sent_again=chain.sent_again,
            heard_live=heard.heard,
            settled_s=round(chain.settle_s, 1),
        )
    )
    assert (verdict.lost, verdict.doubled, verdict.out_of_place, verdict.unexplained) == (0, 0, 0, 0), verdict
    assert differences(found, again) == {}
    assert (checks.incomplete, checks.unended) == (0, 0), checks
    assert checks.rolled_up == checks.ended > 0
    assert set(checks.dead_letters) <= set(chain.poison)
    assert len(checks.dead_letters) == len(chain.poison) or case.round is anything, (
        "Redis may lose a stranger's"
    )
    assert heard.wrong == 0, heard
    assert case.hits(chain) > 0, "the fault has not struck once: this was no test"
