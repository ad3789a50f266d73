"""`cordboard db erase`, as typed; what it does to every store is in tests/scenarios/test_a_call_is_erased.py."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.channels import stream_of
from storage.codec import encode
from storage.postgres.pool import connect_pool
from storage.worker.intake import Entry
from storage.worker.store import store
from tests.fakes.call_story import ended, numbered, said, stamped, started
from tests.fakes.record_dump import count_events, rows

ROOT = Path(__file__).parents[3]
NUMBER = "+12065550123"  # the caller of `started()`
CALL = "0193f4e0-1234-7123-8123-123456789012"


@pytest.fixture
def erase(tmp_path, redis_url, database_url):
    """Run `cordboard db erase …` in an empty folder."""

    def run(*arguments, **variables):
        return subprocess.run(
            [sys.executable, "-m", "signaling", "db", "erase", *arguments],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
                "REDIS_URL": redis_url, "DATABASE_URL": database_url, **variables,
            },
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def keep(database_url, *stories):
    async def storing():
        pool = await connect_pool(database_url)
        for story in stories:
            await store(pool, [Entry(stream_of(e.call_id), f"1-{e.seq}", encode(e)) for e in numbered(story)])
        await pool.close()

    asyncio.run(storing())


@pytest.mark.parametrize(
    ("arguments", "said_"),
    [
        ((), "nothing was named"),
        (("--number", "090-1234-5678"), "is no number with its country"),
        (("--call", "7"), "is not a call id"),
    ],
)
def test_a_wrong_command_line_is_told_apart(erase, arguments, said_):
    done = erase(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said_ in done.stderr


def test_both_stores_must_be_named_and_answer(erase):
    assert erase("--call", CALL, REDIS_URL="").returncode in (3,)
    away = erase("--call", CALL, REDIS_URL="redis://127.0.0.1:1/0")
    assert (away.returncode, "Redis" in away.stderr) == (4, True)
    gone = erase("--call", CALL, DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert (gone.returncode, "Postgres" in gone.stderr) == (4, True)


def test_of_a_number_that_nobody_knows_nothing_is_on_record(erase, database_url):
    done = erase("--number", "+81312345678", "--yes")

    assert (done.returncode, done.stdout) == (0, "nothing on record\n")
    assert asyncio.run(rows(database_url, "SELECT count(*) FROM audit_log")) == [(0,)]


def test_without_yes_it_is_shown_and_nothing_happens(erase, database_url):
    keep(database_url, stamped([started(), said(1, "x"), ended()]))

    done = erase("--number", NUMBER)

    assert done.returncode == 1
    assert "events                  3" in done.stdout
    assert "1 calls; nothing was erased. To erase them: --yes" in done.stdout
    assert asyncio.run(count_events(database_url)) == 3


def test_a_call_that_is_not_over_is_refused(erase, database_url):
    from storage.call_ids import new_call_id

    call = stamped([started(), said(1, "x")], new_call_id())
    keep(database_url, call)

    done = erase("--number", NUMBER, "--yes")

    assert done.returncode == 1
    assert f"not over: {call[0].call_id}" in done.stderr
    assert asyncio.run(count_events(database_url)) == 2


def test_a_named_call_goes_and_the_number_is_nowhere_in_what_is_printed(erase, database_url):
    call, other = stamped([started(), said(1, "x"), ended()]), stamped([started(), ended()])
    keep(database_url, call, other)

    done = erase("--call", call[0].call_id, "--yes", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told["erased"], told["calls"], told["left"]) == (True, [call[0].call_id], [])
    assert told["servers"] == {"listening": 0, "answered": []}
    assert told["counts"]["events"] == 3
    assert asyncio.run(count_events(database_url)) == 2
    assert "2065550123" not in done.stdout + done.stderr
    assert asyncio.run(rows(database_url, "SELECT call_id::text FROM erasures")) == [(call[0].call_id,)]

    again = erase("--call", call[0].call_id, "--yes")
    assert again.returncode == 0
