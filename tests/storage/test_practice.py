"""Customers and appointments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from storage.call_ids import new_call_id
from storage.postgres.appointments import AppointmentBook, SlotTaken
from storage.postgres.customers import CustomerBook
from storage.postgres.demo_practice import seed_demo, working_day
from storage.postgres.migrate import migrate, read_migrations
from storage.postgres.pool import Database, RecordUnavailableError
from tests.conftest import TEMPLATE
from tests.fakes.record_dump import rows
from tests.fakes.servers import PostgresServer

SEATTLE = ZoneInfo("America/Los_Angeles")
AT_NINE = datetime(2031, 3, 3, 9, 0, tzinfo=SEATTLE)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


async def test_the_demos_customers_are_found_however_the_number_is_said(
    database: Database, database_url: str
) -> None:
    people = await seed_demo(database_url, today=datetime.now(SEATTLE).date(), zone=SEATTLE)
    book = CustomerBook(database)

    assert people == 12
    for number in ("+12065550123", "+1 (206) 555-0123", "206 555 0123", "555-0123"):
        found = await book.find_by_phone(number)
        assert found is not None, number
        assert found.name == "John Smith"
        assert found.next_appointment is not None
        assert found.next_appointment.astimezone(SEATTLE).hour == 10
    for number in ("+12065550999", "0123", "", "+5550123"):
        assert await book.find_by_phone(number) is None, number


async def test_seeding_again_adds_nobody_and_moves_only_what_is_over(database_url: str) -> None:
    today = datetime.now(SEATTLE).date()
    await seed_demo(database_url, today=today - timedelta(days=60), zone=SEATTLE)
    await seed_demo(database_url, today=today, zone=SEATTLE)
    ahead = await rows(database_url, "SELECT name, starts_at FROM appointments ORDER BY name")
    await seed_demo(database_url, today=today + timedelta(days=1), zone=SEATTLE)

    assert await rows(database_url, "SELECT count(*) FROM customers") == [(12,)]
    assert await rows(database_url, "SELECT name, starts_at FROM appointments ORDER BY name") == ahead
    assert await rows(database_url, "SELECT count(*) FROM appointments WHERE starts_at < now()") == [(0,)]


def test_working_days_leave_out_the_weekend() -> None:
    friday = date(2026, 11, 20)

    assert working_day(friday, 1) == date(2026, 11, 23)
    assert working_day(friday, 6) == date(2026, 11, 30)


async def test_the_same_key_books_once(database: Database) -> None:
    book, call_id = AppointmentBook(database), new_call_id()

    first = await book.schedule(
        idempotency_key="k", call_id=call_id, name="John", starts_at=AT_NINE, reason="check-up"
    )
    again = await book.schedule(
        idempotency_key="k", call_id=call_id, name="Jon", starts_at=AT_NINE + timedelta(days=1)
    )

    assert again == first
    assert first.starts_at == AT_NINE
    assert await book.for_call(call_id) == [first]


@pytest.mark.parametrize("minutes", [-29, 0, 29])
async def test_a_time_that_overlaps_another_is_taken(database: Database, minutes: int) -> None:
    book = AppointmentBook(database)
    await book.schedule(idempotency_key="a", call_id=None, name="Anna", starts_at=AT_NINE)

    with pytest.raises(SlotTaken):
        await book.schedule(
            idempotency_key="b", call_id=None, name="Ben", starts_at=AT_NINE + timedelta(minutes=minutes)
        )


async def test_appointments_may_follow_each_other_directly(database: Database) -> None:
    book = AppointmentBook(database)
    times = [AT_NINE + timedelta(minutes=minutes) for minutes in (0, 30, -30)]
    for number, starts_at in enumerate(times):
        await book.schedule(idempotency_key=str(number), call_id=None, name="x", starts_at=starts_at)

    taken = await book.taken_on(AT_NINE, AT_NINE + timedelta(hours=1))

    assert taken == [AT_NINE, AT_NINE + timedelta(minutes=30)]
    assert taken[0].tzinfo is not None


async def test_of_eight_callers_who_want_the_same_time_one_gets_it(database: Database) -> None:
    book = AppointmentBook(database)
    await asyncio.gather(*(book.for_call(new_call_id()) for _ in range(8)))  # eight open connections

    for day in range(6):
        results = await asyncio.gather(
            *(
                book.schedule(
                    idempotency_key=f"{day}:{caller}",
                    call_id=None,
                    name="x",
                    starts_at=AT_NINE + timedelta(days=day),
                )
                for caller in range(8)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(result, SlotTaken) for result in results) == 7


async def test_whoever_writes_the_table_refuses_two_at_the_same_time(
    database: Database, database_url: str
) -> None:
    """A program that asks nobody, and whose row nobody sees until it commits."""
    book = AppointmentBook(database)
    other = await asyncpg.connect(database_url)
    insert = """INSERT INTO appointments (starts_at, ends_at, name, idempotency_key)
                VALUES ($1::timestamptz, $1::timestamptz + interval '30 minutes', 'x', $2)"""
    writing = other.transaction()
    await writing.start()
    await other.execute(insert, AT_NINE, "theirs")
    ours = asyncio.create_task(book.schedule(idempotency_key="k", call_id=None, name="y", starts_at=AT_NINE))
    await until_somebody_waits(database)
    await writing.commit()

    with pytest.raises(SlotTaken):
        await ours
    with pytest.raises(asyncpg.ExclusionViolationError):
        await other.execute(insert, AT_NINE + timedelta(minutes=29), "later")
    await other.execute(insert, AT_NINE + timedelta(minutes=30), "after")
    await other.execute("UPDATE appointments SET cancelled_at = now() WHERE idempotency_key = 'theirs'")
    await other.close()
    assert (await book.schedule(idempotency_key="k", call_id=None, name="y", starts_at=AT_NINE)).id


async def until_somebody_waits(database: Database) -> None:
    """For another's transaction. PostgreSQL tells nobody: asking is all there is."""
    async with asyncio.timeout(5), database.connection() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await connection.fetchval(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_appointments_that_overlapped_before_the_rule_are_kept(empty_database_url: str) -> None:
    migrations = read_migrations()
    await migrate(empty_database_url, [each for each in migrations if each.version < 4])
    connection = await asyncpg.connect(empty_database_url)
    for key in ("first", "second"):
        await connection.execute(
            """INSERT INTO appointments (starts_at, ends_at, name, idempotency_key)
               VALUES ($1::timestamptz, $1::timestamptz + interval '30 minutes', 'x', $2)""",
            AT_NINE,
            key,
        )

    await migrate(empty_database_url)

    kept = await connection.fetch("SELECT idempotency_key, tolerated FROM appointments ORDER BY id")
    await connection.close()
    assert [tuple(row) for row in kept] == [("first", False), ("second", True)]


async def test_a_demo_whose_time_was_booked_by_a_caller_starts_all_the_same(
    database: Database, database_url: str
) -> None:
    today = datetime.now(SEATTLE).date()
    await seed_demo(database_url, today=today - timedelta(days=60), zone=SEATTLE)
    nine = datetime.combine(working_day(today, 2), time(9, 0), SEATTLE)  # Anna Berg's
    await AppointmentBook(database).schedule(idempotency_key="k", call_id=None, name="y", starts_at=nine)

    assert await seed_demo(database_url, today=today, zone=SEATTLE) == 12
    anna = await CustomerBook(database).find_by_phone("+12065550101")
    assert anna is not None
    assert anna.next_appointment is None


async def test_tenants_do_not_share_a_book(database: Database) -> None:
    for tenant in ("a", "b"):
        await AppointmentBook(database, tenant).schedule(
            idempotency_key="k", call_id=None, name="x", starts_at=AT_NINE
        )

    assert len(await AppointmentBook(database, "a").taken_on(AT_NINE, AT_NINE + timedelta(days=1))) == 1


async def test_when_a_customer_comes_next(database: Database, database_url: str) -> None:
    await seed_demo(database_url, today=date(2020, 1, 1), zone=SEATTLE)
    customer = await CustomerBook(database).find_by_phone("+12065550107")
    assert customer is not None
    book = AppointmentBook(database)
    for key, days in (("later", 9), ("sooner", 2)):
        await book.schedule(
            idempotency_key=key,
            call_id=None,
            name=customer.name,
            starts_at=datetime.now(UTC) + timedelta(days=days),
            customer_id=customer.id,
        )

    coming = await book.next_for(customer.id)

    assert coming is not None
    assert coming.starts_at < datetime.now(UTC) + timedelta(days=3)


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="zone"):
        await AppointmentBook(database).schedule(
            idempotency_key="k",
            call_id=None,
            name="x",
            starts_at=datetime(2031, 3, 3, 9, 0),  # noqa: DTZ001 - the point of the test
        )


async def test_without_postgres_every_read_says_so_quickly_and_works_again_afterwards(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.fresh_database(TEMPLATE)
    postgres_server.stop()
    database = Database(url)
    book = CustomerBook(database)

    with pytest.raises(RecordUnavailableError, match="DATABASE_URL"):
        await book.find_by_phone("+12065550123")
    assert not await database.reachable()

    postgres_server.start()
    assert await book.find_by_phone("+12065550123") is None
    postgres_server.kill()
    with pytest.raises(RecordUnavailableError):
        await book.find_by_phone("+12065550123")
    postgres_server.start()
    assert await database.reachable()
    await database.close()
