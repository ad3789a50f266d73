"""The worker's life: wait for both servers, take entries, store them, let go of them.

Nothing is acknowledged before it is committed, and everything may be done twice. Several workers may run at
once, also under the same consumer name: they share the work, and the tables absorb what two of them do.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import nullcontext

import asyncpg

from storage.bus.backoff import backoff_s
from storage.bus.cancellation import cancel_for_sure
from storage.channels import stream_of
from storage.postgres.migrate import MigrationError, migrate
from storage.postgres.pool import UNREACHABLE, Pool, connect_pool
from storage.worker.consumer import consumer_name
from storage.worker.duties import run_duties
from storage.worker.intake import CLAIM_IDLE_MS, FAILURES, Entry, Intake, wait_or_stop
from storage.worker.store import store

log = logging.getLogger(__name__)

# How often to look for entries that a lost worker left behind.
_CLAIM_EVERY_S = 10.0

# How often to strike lost workers off the consumer group.
_REMOVE_EVERY_S = 600.0

# Events a transaction: below 100 the round trips cost, above 500 nothing is gained (83,200 rows/s with 100,
# 84,200 with 500), and a batch that must be halved for one bad event costs more.
_BATCH = 500

# A batch that is being stored when `stop` comes is given this long; it is milliseconds, unless Postgres hangs.
# Well below the ten seconds after which a container is killed.
_FINISH_WITHIN_S = 5.0

# Tries between two lines in the log about the same outage: about a minute at the longest backoff.
_LOG_EVERY = 40

_POSTGRES_FAILURES = (*UNREACHABLE, asyncpg.PostgresError)


async def run_worker(
    redis_url: str,
    database_url: str,
    *,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
    consumer: str | None = None,
    claim_idle_ms: int = CLAIM_IDLE_MS,
) -> None:
    """Work until `stop` is set; the batch at hand is finished then, as far as Postgres answers.

    `ready` is called once, when Postgres is migrated and Redis answers. A server that is away, at the start or
    later, is waited for, with one line in the log. `consumer` (default: see `consumer_name`) must stay the same
    over restarts, so that a restarted worker finds what it had taken. Raises MigrationError when the tables
    cannot be brought up to date.
    """
    with consumer_name(redis_url) if consumer is None else nullcontext(consumer) as name:
        await _Worker(redis_url, database_url, stop, name, claim_idle_ms).run(ready)


async def worker_process(
    redis_url: str, database_url: str, *, ready: Callable[[], None] | None = None
) -> int:
    """`run_worker` until SIGTERM or Ctrl-C; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await run_worker(redis_url, database_url, stop=stop, ready=ready)
    except (MigrationError, ValueError) as error:  # ValueError: a URL that is none
        log.error("worker.cannot_start %s", error)
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 0


class _Worker:
    def __init__(
        self, redis_url: str, database_url: str, stop: asyncio.Event, consumer: str, claim_idle_ms: int
    ) -> None:
        self._intake = Intake(redis_url, consumer, claim_idle_ms=claim_idle_ms)
        self._database_url = database_url
        self._stop = stop
        self._pool: Pool | None = None

    async def run(self, ready: Callable[[], None] | None) -> None:
        duties: asyncio.Task[None] | None = None
        try:
            await self._hold(self._open_database)
            if self._stop.is_set() or self._pool is None:
                return
            duties = asyncio.create_task(run_duties(self._pool))
            told = ready is None
            failures = 0
            while not self._stop.is_set():
                try:
                    await self._intake.connect()
                    if failures:
                        log.info("worker.redis_back")
                    failures = 0
                    if not told and ready is not None:
                        ready()
                        told = True
                    await self._work()
                except FAILURES as error:
                    if failures == 0:
                        log.warning(
                            "worker.redis_lost error=%s: events wait with their publishers; check that Redis "
                            "runs at REDIS_URL",
                            str(error) or type(error).__name__,
                        )
                    await wait_or_stop(backoff_s(failures), self._stop)
                    failures += 1
        finally:
            if self._pool is not None:
                self._pool.terminate()  # first: whoever waits for a server that hangs must not hold us
            if duties is not None:
                await cancel_for_sure(duties)
            await self._intake.close()

    async def _work(self) -> None:
        """Read and store until `stop`, beginning with what an earlier connection was given."""
        await self._take_up()
        loop = asyncio.get_running_loop()
        claim_at = remove_at = loop.time()
        while not self._stop.is_set():
            if loop.time() >= claim_at:
                claim_at = loop.time() + _CLAIM_EVERY_S
                if await self._intake.claim():
                    await self._take_up()
            if loop.time() >= remove_at:
                remove_at = loop.time() + _REMOVE_EVERY_S
                await self._intake.remove_gone()
            await self._handle(await self._intake.fresh())

    async def _take_up(self) -> None:
        while not self._stop.is_set() and (entries := await self._intake.pending()):
            await self._handle(entries)

    async def _handle(self, entries: Sequence[Entry]) -> None:
        """Store, then let go, batch by batch. What is held when `stop` comes stays in the pending list."""
        for batch in _batches(entries):
            stored = await self._stored(batch)
            if stored is None:
                return
            await self._intake.finish(batch, _by_stream(stored))

    async def _stored(self, entries: Sequence[Entry]) -> list[str] | None:
        """The ids of the events taken care of; None when `stop` came first."""
        stored: list[str] | None = None

        async def attempt() -> None:
            nonlocal stored
            assert self._pool is not None
            stored = await store(self._pool, entries)

        await self._hold(attempt)
        return stored

    async def _open_database(self) -> None:
        try:
            await migrate(self._database_url)
        except asyncpg.InterfaceError as error:
            if isinstance(error, ValueError):  # not a URL: waiting does not help
                raise ValueError(f"DATABASE_URL is not usable: {error}") from error
            raise
        self._pool = await connect_pool(self._database_url)

    async def _hold(self, attempt: Callable[[], Coroutine[None, None, None]]) -> None:
        """Try until Postgres has taken it, or `stop` is set between two tries."""
        failures = 0
        while True:
            try:
                await self._unless_stopped(attempt())
            except _POSTGRES_FAILURES as error:
                if failures % _LOG_EVERY == 0:
                    log.warning(
                        "worker.postgres_lost error=%s: events wait in Redis; check that Postgres runs at "
                        "DATABASE_URL and that `cordboard db migrate` has run",
                        str(error) or type(error).__name__,
                    )
                await wait_or_stop(backoff_s(failures), self._stop)
                failures += 1
                if self._stop.is_set():
                    return
                continue
            if failures:
                log.info("worker.postgres_back")
            return

    async def _unless_stopped(self, attempt: Coroutine[None, None, None]) -> None:
        """Await it; raises TimeoutError when it is still at it five seconds after `stop`."""
        working = asyncio.create_task(attempt)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await asyncio.wait((working,), timeout=_FINISH_WITHIN_S)
            if not working.done():
                if self._pool is not None:
                    self._pool.terminate()  # a cancelled query waits for the server to say so
                await cancel_for_sure(working)
                raise TimeoutError("PostgreSQL did not answer before the worker had to stop")
            working.result()
        finally:
            stopping.cancel()
            working.cancel()


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), _BATCH):
        yield entries[start : start + _BATCH]


def _by_stream(event_ids: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for event_id in event_ids:
        found[stream_of(event_id.partition(":")[0])].append(event_id)
    return found
