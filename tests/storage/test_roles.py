"""Who may do what: the matrix of rights, tried on a real server with real logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg
import pytest

from storage.batch import rows_of
from storage.call_ids import lowest_call_id, new_call_id
from storage.postgres.agents import AgentStore
from storage.postgres.appointments import AppointmentBook
from storage.postgres.archive import Archive
from storage.postgres.audit import AuditLog
from storage.postgres.customers import CustomerBook
from storage.postgres.erasure import find_calls, forget_customer, forget_letters
from storage.postgres.forgetting import forget_calls
from storage.postgres.migrate import Migration, MigrationError, migrate, read_migrations
from storage.postgres.partitions import drop_before, make_ahead, stray_rows
from storage.postgres.pool import Database, connect_pool
from storage.postgres.record import save_batch
from storage.postgres.retention import RetentionBook
from storage.postgres.rights import FUNCTIONS, OWNED, TABLES, Role
from storage.postgres.roles import existing_roles, give_rights, make_roles, roles_sql
from storage.postgres.scrubbing import vacuum
from storage.postgres.tombstones import TombstoneBook, entomb, older_are_through
from storage.worker.duties import DUTIES, Duty
from storage.worker.run import run_worker
from tests.conftest import TEMPLATE
from tests.fakes.call_story import numbered, stamped, whole_call
from tests.fakes.record_dump import count_events
from tests.fakes.servers import PostgresServer
from tests.fakes.streams import put, settled

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
TIDY_WORKER = "a_worker_that_also_keeps"  # what a worker has to be that shall delete old calls by itself
OWNER = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = $1"
GROUPS = [role for role in Role if role is not Role.MIGRATOR]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Roles belong to the whole server: it is this file's own."""
    made = PostgresServer(tmp_path_factory.mktemp("roles") / "data")
    made.start()
    made.sql(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(made.url(TEMPLATE)))
    asyncio.run(_make_roles(made.url(TEMPLATE)))
    for role in Role:
        made.sql(f"CREATE ROLE {login(role)} LOGIN IN ROLE {role}")
    made.sql(f"CREATE ROLE {TIDY_WORKER} LOGIN IN ROLE {Role.WRITER}, {Role.KEEPER}")
    yield made
    made.stop()


async def _make_roles(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await make_roles(connection) == list(Role)
        assert await give_rights(connection)
    finally:
        await connection.close()


@pytest.fixture
def url(server: PostgresServer) -> str:
    """A fresh database with all tables and rights; as superuser."""
    return server.fresh_database(TEMPLATE)


def login(role: Role) -> str:
    return f"a_{role.removeprefix('cordboard_')}"


def url_of(role: Role, url: str) -> str:
    return url.replace("postgres@", f"{login(role)}@")


@asynccontextmanager
async def signed_in(role: Role, url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url_of(role, url))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("role", GROUPS)
async def test_a_role_has_the_rights_of_the_matrix_and_no_others(url: str, role: Role) -> None:
    wanted = {
        (table, right)
        for table, rights in TABLES.items()
        for right in rights.get(role, "").split(", ")
        if right
    }
    async with signed_in(role, url) as connection:
        there = await connection.fetch(
            "SELECT relname::text AS name FROM pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = 'public'::regnamespace"
        )
        has = {
            (row["name"], right)
            for row in there
            for right in RIGHTS
            if await connection.fetchval(
                "SELECT has_table_privilege($1, $2)", f'public."{row["name"]}"', right
            )
        }

    assert has == {(table, right) for table, right in wanted if table in {row["name"] for row in there}}


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.WRITER, "DELETE FROM events"),
        (Role.WRITER, "UPDATE events SET type = 'x'"),
        (Role.WRITER, "DELETE FROM transcripts"),
        (Role.WRITER, "TRUNCATE events"),
        (Role.WRITER, "SELECT * FROM events_default"),
        (Role.WRITER, "INSERT INTO slots_default VALUES (gen_random_uuid(), 'g', 's', NULL, true, now(), 1)"),
        (Role.WRITER, "SELECT * FROM customers"),
        (Role.WRITER, "SELECT * FROM dead_letters"),
        (Role.WRITER, "SELECT drop_months_before('2025-01-01')"),
        (Role.WRITER, "CREATE TABLE mine (x int)"),
        (Role.WRITER, "ALTER TABLE events ADD COLUMN mine int"),
        (Role.READER, "INSERT INTO call_metrics (call_id, data) VALUES (gen_random_uuid(), '{}')"),
        (Role.READER, "SELECT * FROM customers"),
        (Role.READER, "SELECT * FROM dead_letters"),
        (Role.READER, "SELECT * FROM audit_log"),
        (Role.READER, "SELECT make_months('2040-01-01', 1)"),
        (Role.SERVER, "DELETE FROM events"),
        (Role.SERVER, "INSERT INTO events VALUES (gen_random_uuid(), 0, 't', 't', now(), '{}')"),
        (Role.SERVER, "UPDATE audit_log SET actor = 'nobody'"),
        (Role.SERVER, "DELETE FROM audit_log"),
        (Role.KEEPER, "UPDATE events SET data = '{}'"),
        (Role.KEEPER, "DELETE FROM audit_log"),
        (Role.KEEPER, "SELECT drop_months_before(now()::date + 40)"),
    ],
)
async def test_what_a_role_is_not_for_is_refused(url: str, role: Role, statement: str) -> None:
    async with signed_in(role, url) as connection:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RaiseError)):
            await connection.execute(statement)


async def test_a_worker_needs_no_more_than_the_writers_rights(
    url: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_worker(redis_url, url_of(Role.WRITER, url), stop=stop, ready=ready.set, consumer="w")
    )
    await asyncio.wait_for(ready.wait(), 10)
    await put(redis_url, [*stamped(whole_call()), *stamped(whole_call())])
    await settled(redis_url)
    stop.set()
    await asyncio.wait_for(task, 10)

    assert await count_events(url) == 2 * len(numbered(stamped(whole_call())))
    assert "permission denied" not in caplog.text
    assert "rollup_failed" not in caplog.text


@pytest.mark.parametrize("duty", DUTIES, ids=lambda duty: duty.name)
async def test_the_workers_duties_need_no_more_than_that_either(url: str, duty: Duty) -> None:
    worker = TIDY_WORKER if "retention" in duty.name else login(Role.WRITER)
    pool = await connect_pool(url.replace("postgres@", f"{worker}@"))
    try:
        await duty.work(pool)
    finally:
        await pool.close()


async def test_a_keeper_erases_and_only_cleaning_up_is_the_owners(url: str) -> None:
    call_id = new_call_id()
    pool = await connect_pool(url_of(Role.KEEPER, url))
    try:
        async with pool.acquire() as keeper:
            found = [looked async for looked in find_calls(keeper, "default", "+12065550123")]
            await entomb(keeper, "default", [call_id])
            assert await older_are_through(keeper, 10)
            await forget_calls(keeper, "default", [call_id], because="erased")
            await forget_customer(keeper, "default", "+12065550123", [call_id])
            await forget_letters(keeper, "+12065550123")
            scrubbed = await vacuum(keeper, [call_id])
    finally:
        await pool.close()

    assert found
    assert scrubbed.done == []
    assert "audit_log" in scrubbed.not_ours


async def test_a_media_server_needs_no_more_than_the_servers_rights(url: str) -> None:
    database = Database(url_of(Role.SERVER, url))
    try:
        agents = AgentStore(database)
        first = await agents.create("front", {"id": "front"}, by="ann")
        await agents.save_draft("front", {"id": "front", "name": "Front"}, seen=[first.revision], by="ann")
        await agents.publish("front", seen=None, note="", by="ann")
        await AuditLog(database).write(actor="ann", action="listened", subject="a call")
        begins, ends = datetime(2026, 12, 1, 9, tzinfo=UTC), datetime(2026, 12, 1, 18, tzinfo=UTC)
        assert await AppointmentBook(database).taken_on(begins, ends) == []
        assert await CustomerBook(database).find_by_phone("+12065550123") is None
        assert await Archive(database).get_call(new_call_id()) is None
        await RetentionBook(database, "default").say({"front": 30})
        assert await TombstoneBook(database, "default").since(begins) == []
        assert await agents.published() == {"front": 1}
    finally:
        await database.close()


async def test_the_writer_makes_months_which_are_then_the_migrators_and_closed_to_all(url: str) -> None:
    async with signed_in(Role.WRITER, url) as writer:
        assert "events_2040_01" in await make_ahead(writer, date(2040, 1, 1), months=0)
        assert await stray_rows(writer) == {}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await writer.fetch("SELECT * FROM events_2040_01")
        owner = await writer.fetchval(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'events_2040_01'"
        )

    assert owner == Role.MIGRATOR


async def test_the_keeper_drops_months_and_deletes_calls(url: str) -> None:
    async with signed_in(Role.WRITER, url) as writer:
        await make_ahead(writer, date(2025, 1, 1), months=0)
    pool = await connect_pool(url_of(Role.WRITER, url))
    async with pool.acquire() as connection:
        call_id = lowest_call_id(datetime(2025, 2, 1, tzinfo=UTC))
        await save_batch(connection, rows_of(stamped(whole_call(), call_id)))
    await pool.close()

    async with signed_in(Role.KEEPER, url) as keeper:
        assert "events_2025_01" in await drop_before(keeper, date(2025, 2, 1))
        await keeper.execute("DELETE FROM events WHERE call_id = $1", call_id)
        assert await keeper.fetchval("SELECT count(*) FROM events") == 0


async def test_a_login_without_rights_may_start_where_there_is_nothing_to_migrate(url: str) -> None:
    for role in GROUPS:
        assert await migrate(url_of(role, url)) == []


async def test_a_login_without_rights_is_told_who_shall_migrate(url: str) -> None:
    newer = Migration(version=900, name="900_more.sql", sql="CREATE TABLE more (x int)")

    with pytest.raises(MigrationError, match="cordboard_migrator"):
        await migrate(url_of(Role.WRITER, url), [*read_migrations(), newer])


async def test_a_member_of_the_migrators_migrates_and_the_new_table_has_its_rights(
    server: PostgresServer,
) -> None:
    url = server.fresh_database()
    server.sql(f"GRANT USAGE, CREATE ON SCHEMA public TO {Role.MIGRATOR}", url.rpartition("/")[2])
    files = read_migrations()
    await migrate(url_of(Role.MIGRATOR, url), files[:-1])

    await migrate(url_of(Role.MIGRATOR, url), files)

    async with signed_in(Role.READER, url) as reader:
        for group in ("events", "call_sessions", "agents"):
            assert await reader.fetchval(f"SELECT count(*) FROM {group}") == 0
            owner = await reader.fetchval(
                "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = $1::regclass", group
            )
            assert owner == Role.MIGRATOR
    async with signed_in(Role.WRITER, url) as writer:
        assert await make_ahead(writer, date(2040, 1, 1), months=0)


async def test_giving_the_rights_again_changes_nothing(url: str) -> None:
    acl = "SELECT relname::text, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    connection = await asyncpg.connect(url)
    try:
        before = await connection.fetch(acl)
        assert await make_roles(connection) == []
        assert await give_rights(connection)
        assert await connection.fetch(acl) == before
    finally:
        await connection.close()


async def test_without_roles_nothing_is_given(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await existing_roles(connection) == set()
        assert not await give_rights(connection)
    finally:
        await connection.close()


async def test_every_table_and_every_function_is_named_in_the_rights(url: str) -> None:
    """A new table must be put into `rights.py`, if only with {}: otherwise only its owner can use it."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace"
        )
        functions = await connection.fetch(
            "SELECT proname::text, prosecdef FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace "
            "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'i')"
        )
    finally:
        await connection.close()

    assert {row[0] for row in tables} - set(TABLES) == set()
    assert {row[0] for row in functions} - set(OWNED) == set()
    ours = {signature.partition("(")[0] for signature in FUNCTIONS}
    assert {row[0] for row in functions if row["prosecdef"]} <= ours


def test_the_statements_for_an_administrator_name_every_role() -> None:
    for role in Role:
        assert f"CREATE ROLE {role} NOLOGIN;" in roles_sql()
