"""What a worker does from time to time, beside its work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from storage.batch import rows_of
from storage.call_ids import lowest_call_id
from storage.envelope import Envelope, Sequencer
from storage.events import CallAnnotated
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.record import save_batch
from storage.postgres.standing_check import check_ended_calls
from storage.worker.duties import DUTIES, Duty, months_ahead, run_duties, standing_check
from tests.fakes.call_story import ended, numbered, said, started, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.servers import PostgresServer

SOON = 0.01


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url, max_size=6)
    yield made
    await made.close()


class Counted:
    """A duty that counts how often it is done, and may fail."""

    def __init__(self, name: str = "counted", fails_with: Exception | None = None) -> None:
        self.done = 0
        self._fails_with = fails_with
        self.duty = Duty(name=name, every_s=SOON, work=self._work)

    async def _work(self, pool: Pool) -> None:
        self.done += 1
        if self._fails_with is not None:
            raise self._fails_with


@asynccontextmanager
async def on_duty(pool: Pool, duties: Sequence[Duty]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(run_duties(pool, duties, ask_every_s=SOON))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_duties_are_done_again_and_again(pool: Pool) -> None:
    one, other = Counted("one"), Counted("other")

    async with on_duty(pool, [one.duty, other.duty]):
        await eventually(lambda: one.done > 3 and other.done > 3)


@pytest.mark.parametrize(
    "error", [ValueError("ours"), asyncpg.LockNotAvailableError("busy"), OSError("gone")]
)
async def test_a_duty_that_fails_is_one_line_and_the_others_go_on(
    pool: Pool, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    bad, good = Counted("bad", error), Counted("good")

    async with on_duty(pool, [Duty(name="bad", every_s=60, work=bad.duty.work), good.duty]):
        await eventually(lambda: good.done > 3)

    assert bad.done == 1
    assert caplog.text.count("worker.duty_failed duty=bad") == 1


async def test_of_two_workers_one_has_the_duties_and_the_other_takes_them_over(pool: Pool) -> None:
    first, second = Counted(), Counted()

    async with on_duty(pool, [first.duty]) as task:
        await eventually(lambda: first.done > 0)
        async with on_duty(pool, [second.duty]):
            seen = first.done
            await eventually(lambda: first.done > seen + 5)
            assert second.done == 0

            task.cancel()
            await eventually(lambda: second.done > 0)


async def test_duties_outlive_postgres(postgres_server: PostgresServer) -> None:
    pool = await connect_pool(postgres_server.url())
    counted = Counted()

    async with on_duty(pool, [counted.duty]):
        await eventually(lambda: counted.done > 0)
        postgres_server.kill()
        postgres_server.start()
        seen = counted.done
        await eventually(lambda: counted.done > seen)
    pool.terminate()


async def save_call(pool: Pool, *, ended_at: datetime, without: int | None = None) -> str:
    """A call of a minute; the event with the number `without` is missing."""
    begun = ended_at - timedelta(minutes=1)
    call_id = lowest_call_id(begun)[:-12] + f"{without or 0:012}"
    sequencer = Sequencer(call_id)
    story = [started(), said(0, "hello"), said(1, "hello"), ended()]
    envelopes = [
        sequencer.stamp(event, at) for event, at in zip(story, (begun, begun, begun, ended_at), strict=True)
    ]
    await save(pool, [envelope for envelope in envelopes if envelope.seq != without])
    return call_id


async def save(pool: Pool, envelopes: Sequence[Envelope]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, rows_of(envelopes))


@pytest.mark.parametrize("missing", [1, 2])
async def test_a_call_without_one_of_its_events_is_found_and_named(pool: Pool, missing: int) -> None:
    now = datetime.now(UTC)
    await save_call(pool, ended_at=now - timedelta(minutes=20))
    broken = await save_call(pool, ended_at=now - timedelta(minutes=30), without=missing)

    async with pool.acquire() as connection:
        found = await check_ended_calls(connection, now)

    assert found.calls == 2
    assert found.incomplete == (broken,)


async def test_calls_that_ended_just_now_or_long_ago_are_not_looked_at(pool: Pool) -> None:
    now = datetime.now(UTC)
    await save_call(pool, ended_at=now - timedelta(minutes=1), without=1)
    await save_call(pool, ended_at=now - timedelta(hours=2), without=1)

    async with pool.acquire() as connection:
        assert (await check_ended_calls(connection, now)).calls == 0
        assert len((await check_ended_calls(connection, now, within=timedelta(hours=3))).incomplete) == 1


async def test_an_event_that_follows_the_end_is_not_too_many(pool: Pool) -> None:
    sequencer = Sequencer(lowest_call_id(datetime.now(UTC) - timedelta(minutes=21)))
    then = datetime.now(UTC) - timedelta(minutes=20)
    story = [*whole_call(), CallAnnotated(kind="rating", value=5)]
    await save(pool, numbered([sequencer.stamp(event, then) for event in story]))

    async with pool.acquire() as connection:
        found = await check_ended_calls(connection, datetime.now(UTC))

    assert (found.calls, found.incomplete) == (1, ())


async def test_the_standing_check_says_what_it_found(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    with caplog.at_level(logging.INFO):
        await standing_check(pool)
    assert "worker.standing_check calls=0 incomplete=0" in caplog.text

    broken = await save_call(pool, ended_at=now - timedelta(minutes=30), without=1)
    await standing_check(pool)

    assert "calls=1 incomplete=1" in caplog.text
    assert broken in caplog.text


async def test_rows_that_no_month_claims_are_an_alarm(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    await months_ahead(pool)
    assert caplog.text == ""

    await save_call(pool, ended_at=datetime(2041, 1, 1, tzinfo=UTC))
    await months_ahead(pool)

    assert "worker.stray_rows" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_every_duty_has_a_name_of_its_own() -> None:
    names = [duty.name for duty in DUTIES]

    assert len(set(names)) == len(names)
