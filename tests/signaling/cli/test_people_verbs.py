"""`cordboard people` as a command, with a real database."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from signaling.web.passwords import PasswordCheck
from storage.postgres.migrate import migrate
from storage.postgres.people import PeopleBook
from storage.postgres.pool import Database

ROOT = Path(__file__).parents[3]


@pytest.fixture
def people(tmp_path, database_url):
    asyncio.run(migrate(database_url))

    def run(*arguments, stdin=None, url=database_url):
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", "signaling", "people", *arguments],
            cwd=tmp_path,
            env=variables | ({"DATABASE_URL": url} if url else {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def password_is_right(database_url: str, id: str, password: str) -> bool:
    async def ask() -> bool:
        database = Database(database_url)
        try:
            found = await PeopleBook(database).find(id)
            return await PasswordCheck().right(password, found[1] if found else None)
        finally:
            await database.close()

    return asyncio.run(ask())


def test_a_made_up_password_is_printed_once_and_opens_the_door(people, database_url):
    done = people("add", "sato", "--name", "佐藤", "--queue", "default", "--queue", "billing")
    assert done.returncode == 0, done.stderr
    password = done.stdout.rpartition("password: ")[2].strip()
    assert password_is_right(database_url, "sato", password)
    assert json.loads(people("list", "--json").stdout) == [
        {"id": "sato", "name": "佐藤", "role": "operator", "queues": ["default", "billing"]}
    ]


def test_a_given_password_is_not_printed(people, database_url):
    done = people("add", "sato", "--role", "admin", "--password-stdin", stdin="correct horse battery\n")
    assert done.returncode == 0, done.stderr
    assert "horse" not in done.stdout + done.stderr
    assert password_is_right(database_url, "sato", "correct horse battery")


def test_what_cannot_be_done_is_one_line_with_a_remedy(people):
    people("add", "sato")
    for arguments, stdin, told in [
        (("add", "sato"), None, "called 'sato' already"),
        (("add", "Sato!"), None, "no name to sign in with"),
        (("add", "mori", "--password-stdin"), "short\n", "10 to 200 characters"),
        (("remove", "nobody"), None, "nobody is called 'nobody'"),
    ]:
        done = people(*arguments, stdin=stdin)
        assert done.returncode != 0
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    assert "DATABASE_URL is not set" in people("list", url=None).stderr


def test_who_was_removed_may_sign_in_no_more(people, database_url):
    people("add", "sato", "--password-stdin", stdin="correct horse battery\n")
    assert people("remove", "sato").returncode == 0
    assert not password_is_right(database_url, "sato", "correct horse battery")
    assert "nobody yet" in people("list").stdout
