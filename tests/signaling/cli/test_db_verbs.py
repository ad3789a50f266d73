"""`cordboard db`, as typed: months and roles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE
from tests.fakes.record_dump import TABLES

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cordboard(tmp_path):
    """Run `cordboard …` in an empty folder with nothing but these variables."""

    def run(*arguments, **variables):
        return subprocess.run(
            [sys.executable, "-m", "signaling", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def test_the_months_are_made_and_shown(cordboard, postgres_server):
    url = postgres_server.fresh_database(TEMPLATE)

    said = json.loads(cordboard("db", "partitions", "--ahead", "4", "--json", DATABASE_URL=url).stdout)

    assert len(said["made"]) == len(TABLES)  # the fourth month; three were there
    assert (said["dropped"], said["stray_rows"]) == ([], {})
    this_month = f"{datetime.now(UTC):%Y-%m}"
    assert {part["table"] for part in said["partitions"] if part["month"] == this_month} == set(TABLES)
    shown = cordboard("db", "partitions", DATABASE_URL=url).stdout
    assert f"call_sessions    {this_month}" in shown
    assert "made" not in shown


def test_dropping_months_is_asked_about(cordboard, postgres_server):
    url = postgres_server.fresh_database(TEMPLATE)
    database = url.rpartition("/")[2]
    postgres_server.sql("SELECT make_months('2025-01-01', 1)", database)

    refused = cordboard("db", "partitions", "--drop-before", "2025-02", DATABASE_URL=url)
    assert refused.returncode == 1
    assert postgres_server.sql("SELECT to_regclass('events_2025_01')", database) == "events_2025_01"

    done = cordboard("db", "partitions", "--drop-before", "2025-02", "--yes", DATABASE_URL=url)
    assert "dropped events_2025_01" in done.stdout
    assert postgres_server.sql("SELECT to_regclass('events_2025_01')", database) == ""


def test_the_month_that_is_running_is_not_dropped(cordboard, postgres_server):
    url = postgres_server.fresh_database(TEMPLATE)

    result = cordboard("db", "partitions", "--drop-before", "2099-01", "--yes", DATABASE_URL=url)

    assert result.returncode == 1
    assert "running" in result.stderr
    assert cordboard("db", "partitions", "--drop-before", "soon", DATABASE_URL=url).returncode == 2


def test_tables_of_an_older_release_are_told_from_a_broken_server(cordboard, postgres_server):
    url = postgres_server.fresh_database("template0")

    result = cordboard("db", "partitions", DATABASE_URL=url)

    assert result.returncode == 1
    assert "cordboard db migrate" in result.stderr


def test_roles_are_made_by_whoever_may_and_told_by_whoever_may_not(cordboard, postgres_server):
    url = postgres_server.fresh_database(TEMPLATE)
    postgres_server.sql("CREATE ROLE nobody_special LOGIN")
    try:
        refused = cordboard("db", "roles", DATABASE_URL=url.replace("postgres@", "nobody_special@"))
        assert refused.returncode == 1
        assert "CREATE ROLE cordboard_writer NOLOGIN;" in refused.stdout
        assert refused.stdout == cordboard("db", "roles", "--sql", DATABASE_URL=url).stdout

        assert "made cordboard_writer" in cordboard("db", "roles", DATABASE_URL=url).stdout
        assert cordboard("db", "roles", DATABASE_URL=url).stdout == "rights given\n"
    finally:
        postgres_server.sql(f"DROP DATABASE {url.rpartition('/')[2]}")
        names = "nobody_special, cordboard_migrator, cordboard_writer, cordboard_server, cordboard_reader"
        postgres_server.sql(f"DROP ROLE IF EXISTS {names}, cordboard_keeper")
