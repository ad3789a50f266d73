"""Bringing tables up to date, on PostgreSQL 15."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from storage.postgres.migrate import Migration, MigrationError, migrate, read_migrations
from tests.fakes.eventually import eventually


async def _scalar(database_url: str, query: str) -> object:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_four_starters_at_once_apply_each_file_once(empty_database_url: str) -> None:
    names = [migration.name for migration in read_migrations()]

    done = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))

    assert sorted(name for applied in done for name in applied) == names
    assert await _scalar(empty_database_url, "SELECT count(*) FROM schema_migrations") == len(names)


async def test_a_second_run_has_nothing_to_do(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_a_file_that_was_edited_after_it_was_applied_is_refused(empty_database_url: str) -> None:
    await migrate(empty_database_url, [Migration(version=1, name="001_a.sql", sql="SELECT 1")])

    with pytest.raises(MigrationError, match=r"001_a\.sql is not what was applied"):
        await migrate(empty_database_url, [Migration(version=1, name="001_a.sql", sql="SELECT 2")])


async def test_a_failing_file_leaves_nothing_of_itself_behind(empty_database_url: str) -> None:
    good = Migration(version=1, name="001_good.sql", sql="CREATE TABLE good (x int)")
    bad = Migration(version=2, name="002_bad.sql", sql="CREATE TABLE bad (x int); SELECT no_such_column")

    with pytest.raises(MigrationError, match=r"002_bad\.sql failed and was rolled back"):
        await migrate(empty_database_url, [good, bad])

    assert await _scalar(empty_database_url, "SELECT to_regclass('good') IS NOT NULL")
    assert await _scalar(empty_database_url, "SELECT to_regclass('bad') IS NULL")


async def test_a_database_that_a_newer_program_migrated_is_left_alone(empty_database_url: str) -> None:
    newer = Migration(version=999, name="999_newer.sql", sql="SELECT 1")
    await migrate(empty_database_url, [*read_migrations(), newer])

    assert await migrate(empty_database_url) == []


async def test_a_busy_table_fails_the_migration_instead_of_blocking_the_calls(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url, [Migration(version=1, name="001_a.sql", sql="CREATE TABLE a (x int)")])
    holder = await asyncpg.connect(empty_database_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE a IN ACCESS EXCLUSIVE MODE")
            change = [
                Migration(version=1, name="001_a.sql", sql="CREATE TABLE a (x int)"),
                Migration(version=2, name="002_b.sql", sql="ALTER TABLE a ADD y int"),
            ]
            with pytest.raises(MigrationError, match="busy"):
                await migrate(empty_database_url, change, table_wait="50ms")
    finally:
        await holder.close()


async def test_running_work_that_stands_crosswise_is_let_through_and_the_file_applied_after_it(
    empty_database_url: str,
) -> None:
    tables = Migration(version=1, name="001_a.sql", sql="CREATE TABLE a (x int); CREATE TABLE b (x int)")
    await migrate(empty_database_url, [tables])
    worker = await asyncpg.connect(empty_database_url)
    try:
        await worker.execute("BEGIN; INSERT INTO b VALUES (1)")
        crosswise = "ALTER TABLE a ADD y int; ALTER TABLE b ADD y int"
        change = asyncio.create_task(
            migrate(empty_database_url, [tables, Migration(version=2, name="002_b.sql", sql=crosswise)])
        )
        waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'b'::regclass"
        await eventually(lambda: worker.fetchval(waits))
        await worker.execute("SET LOCAL deadlock_timeout = '1min'")  # let the other one find the deadlock
        await worker.execute("INSERT INTO a VALUES (1); COMMIT")

        assert await change == ["002_b.sql"]
    finally:
        await worker.close()


@pytest.mark.parametrize("names", [["1_short.sql"], ["001_a.sql", "001_b.sql"], ["001_Upper.sql"]])
def test_misnamed_files_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationError):
        read_migrations(tmp_path)
