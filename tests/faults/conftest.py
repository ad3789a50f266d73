"""What the matrix stands on, and its table at the end of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.postgres.migrate import migrate
from tests.conftest import TEMPLATE
from tests.faults.breakable import BreakablePostgres, build_shim
from tests.faults.table import Row, markdown

ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if rows:
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(markdown(rows))


@pytest.fixture
def table(request: pytest.FixtureRequest) -> list[Row]:
    """Put a case's row here."""
    return request.config.stash[ROWS]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that notes what Redis has fsynced."""
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def faults_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakablePostgres]:
    """One PostgreSQL for all cases; `.fresh_database(TEMPLATE)` gives each its own tables."""
    server = BreakablePostgres(tmp_path_factory.mktemp("faults-postgres") / "data")
    server.start()
    server.sql(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate(server.url(TEMPLATE)))
    yield server
    server.stop()
