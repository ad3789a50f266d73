"""Bringing the tables up to date: numbered SQL files, each once, in order, however many programs start at once.

A file is never edited after it has been released, only followed by another; each must work with the code
before it and after it, so that old and new servers can run side by side.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from storage.postgres.pool import CONNECT_TIMEOUT_S
from storage.postgres.roles import give_rights

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"

# Any number will do, as long as nobody else on this database uses it: "cordbrd" in ASCII.
_LOCK = int.from_bytes(b"cordbrd", "big")
_LOCK_WAIT = "120s"  # for another starter that migrates right now
_TABLE_WAIT = "5s"  # for running work on a table; longer would hold up everyone who queues behind us
# A file that meets running work crosswise is rolled back whole, and done again when that work is through.
_TRIES = 4
_TRY_AGAIN_AFTER_S = 0.3
_NAME = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")

_BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_HAS_BOOK = "SELECT to_regclass('schema_migrations') IS NOT NULL"

_BOOK = """
CREATE TABLE schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The tables cannot be brought up to date; nothing of the failing file has been applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What the file said when it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """All files, in order. Raises MigrationError for a name out of pattern or a number used twice."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 001_what_it_does.sql")
        migrations.append(Migration(version=int(match[1]), name=path.name, sql=path.read_text()))
    versions = [migration.version for migration in migrations]
    if len(set(versions)) != len(versions):
        raise MigrationError(f"two migrations have the same number in {folder}")
    return migrations


async def migrate(
    database_url: str, migrations: Sequence[Migration] | None = None, *, table_wait: str = _TABLE_WAIT
) -> list[str]:
    """Apply what is missing; returns the names of the files applied now, [] when there was nothing to do.

    Safe to call from several programs at once: one works, the others wait and find nothing left. A login that may
    not change tables may call it too, as long as there is nothing to do.
    `table_wait` (PostgreSQL's lock_timeout): how long one statement may wait for a busy table.
    Raises MigrationError, or asyncpg's errors and OSError when the database cannot be reached.
    """
    files = read_migrations() if migrations is None else list(migrations)
    connection = await asyncpg.connect(
        database_url, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": "cordboard-migrate"}
    )
    try:
        await connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(f"SET lock_timeout = '{table_wait}'")
        done = await _apply_missing(connection, files)
        if done:
            await give_rights(connection)
        return done
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"this login may not change the tables ({error}): run `cordboard db migrate` with the login that owns "
            "them (a member of cordboard_migrator), then start this again"
        ) from error
    except _BUSY as error:
        raise MigrationError(
            f"the tables are busy ({error}): end long-running queries, then run `cordboard db migrate` again"
        ) from error
    finally:
        await connection.close()  # gives the advisory lock back


async def _apply_missing(connection: asyncpg.Connection, files: Sequence[Migration]) -> list[str]:
    if not await connection.fetchval(_HAS_BOOK):
        await connection.execute(_BOOK)
    applied = {
        row["version"]: row["sha256"]
        for row in await connection.fetch("SELECT version, sha256 FROM schema_migrations")
    }
    unknown = sorted(set(applied) - {migration.version for migration in files})
    if unknown:
        log.warning("migrate.newer_database versions=%s: a newer cordboard has been here", unknown)
    done = []
    for migration in files:
        if migration.version in applied:
            if applied[migration.version] != migration.sha256:
                raise MigrationError(
                    f"{migration.name} is not what was applied to this database: restore the file from the "
                    "release, and put the change into a new one"
                )
            continue
        await _apply_patiently(connection, migration)
        done.append(migration.name)
    return done


async def _apply_patiently(connection: asyncpg.Connection, migration: Migration) -> None:
    for left in reversed(range(_TRIES)):
        try:
            await _apply(connection, migration)
        except _BUSY:
            if not left:
                raise
            await asyncio.sleep(_TRY_AGAIN_AFTER_S)
        else:
            return


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.sha256,
            )
    except (*_BUSY, asyncpg.InsufficientPrivilegeError):
        raise
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name} failed and was rolled back: {error}") from error
    log.info("migrate.applied name=%s", migration.name)
