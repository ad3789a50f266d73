"""Fixtures that give every test real servers.

redis_url        an empty Redis (one server a run, emptied before each test)
database_url     a fresh, migrated database (one PostgreSQL a run, a copy of a template for each test)
redis_server     a Redis of the test's own, to stop, kill and pause; `.url`
postgres_server  a PostgreSQL to stop, kill and pause; running at the start of each test;
                 `.fresh_database(TEMPLATE)` gives a migrated database's URL
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The four packages and `tests` are importable from a checkout that is not installed, too.
sys.path.insert(0, str(Path(__file__).parent.parent))

from storage.postgres.migrate import migrate
from tests.fakes.servers import PostgresServer, RedisServer

TEMPLATE = "cordboard_template"


def _migrated(server: PostgresServer) -> PostgresServer:
    server.start()
    server.sql(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(server.url(TEMPLATE)))
    return server


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def _shared_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = _migrated(PostgresServer(tmp_path_factory.mktemp("postgres") / "data"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _breakable_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = _migrated(PostgresServer(tmp_path_factory.mktemp("breakable") / "data"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(_shared_redis: RedisServer) -> str:
    """URL of an empty Redis, good for other processes too."""
    assert _shared_redis.ask("FLUSHALL") == b"+OK"
    return _shared_redis.url


@pytest.fixture
def database_url(_shared_postgres: PostgresServer) -> str:
    """URL of a fresh database with all tables, good for other processes too."""
    return _shared_postgres.fresh_database(TEMPLATE)


@pytest.fixture
def empty_database_url(_shared_postgres: PostgresServer) -> str:
    """URL of a fresh database without any table."""
    return _shared_postgres.fresh_database()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis that this test may stop, kill and pause."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def postgres_server(_breakable_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A running PostgreSQL that this test may stop, kill and pause."""
    _breakable_postgres.start()
    yield _breakable_postgres
    _breakable_postgres.start()
