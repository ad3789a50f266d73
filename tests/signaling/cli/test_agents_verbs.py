"""`cordboard agents` against a server and a database: publish a file, look at it, take it back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from realtime.agent import read_agent
from realtime.tools.registry import discover
from signaling.server.agent_office import AgentOffice
from signaling.server.agent_shelf import AgentShelf
from signaling.server.books import AnsweringAgents, RegisteredTools
from signaling.server.published_agents import PublishedAgents
from signaling.settings import Settings
from signaling.web.app import make_app
from signaling.web.feed import Feed
from signaling.web.tokens import Claims, Role, TokenSigner
from storage.postgres.agents import AgentStore
from storage.postgres.pool import Database
from tests.fakes.call_desk import FakeArchive, FakeDesk

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-for-tests-of-more-than-32-bytes"
FRONT = """
id = "front"
name = "Front desk"
instructions = \"\"\"
We open at nine.
We close at five.
\"\"\"
tools = ["end_call"]
"""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Terminal:
    """A folder with `front.toml` in it, and the command."""

    folder: Path
    url: str
    office: AgentOffice

    def write(self, text: str) -> None:
        (self.folder / "front.toml").write_text(text)

    async def agents(self, *arguments: str, role: Role = "admin") -> Done:
        now = int(time.time())
        claims = Claims(use="token", role=role, subject="Ann", issued_at=now, expires_at=now + 600)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling", "agents", *arguments,
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "HOME": str(self.folder),
                "CORDBOARD_URL": self.url,
                "CORDBOARD_TOKEN": TokenSigner(SECRET).sign(claims),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert "Traceback" not in err.decode()
        return Done(code=process.returncode or 0, out=out.decode(), err=err.decode())

    async def ok(self, *arguments: str, role: Role = "admin") -> str:
        done = await self.agents(*arguments, role=role)
        assert done.code == 0, done.err
        return done.out


@pytest.fixture
async def terminal(database_url: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    database = Database(database_url)
    store, tools = AgentStore(database), discover()
    file = read_agent({"id": "filed", "name": "From a file"}, source="file", version="file:abc")
    shelf = AgentShelf({"filed": file}, tools)
    office = AgentOffice(
        store, shelf, PublishedAgents(store, shelf), tenant="default", announce=lambda envelope: None
    )
    feed = Feed()
    app = make_app(
        FakeDesk(feed),
        FakeArchive(),
        feed,
        Settings.model_validate({"auth": {"secret": SECRET}}),
        agents=AnsweringAgents(shelf),
        drafts=office,
        tools=RegisteredTools(tools),
    )
    (tmp_path / "front.toml").write_text(FRONT)
    async with TestServer(app) as server:
        yield Terminal(tmp_path, str(server.make_url("")).rstrip("/"), office)
    await database.close()


async def test_a_file_is_published_changed_compared_and_taken_back(terminal: Terminal) -> None:
    assert await terminal.ok("publish", "front.toml", "--note", "opening") == "front v1 takes new calls\n"
    assert "nothing to publish" in await terminal.ok("publish", "front.toml")

    terminal.write(FRONT.replace("close at five", "close at six") + 'voice = "cedar"\n')
    difference = await terminal.ok("diff", "front.toml")
    assert difference.splitlines() == [
        "~ instructions:",
        "      We open at nine.",
        "    - We close at five.",
        "    + We close at six.",
        '+ voice: "cedar"',
    ]
    assert await terminal.ok("publish", "front.toml") == "front v2 takes new calls\n"
    assert "no difference" in await terminal.ok("diff", "front", "v2", "front.toml")

    assert await terminal.ok("rollback", "front", "v1") == "front v3 takes new calls; it is v1 again\n"
    assert json.loads(await terminal.ok("show", "front"))["version"] == "v3"
    assert json.loads(await terminal.ok("show", "front", "--version", "v2"))["voice"] == "cedar"
    listed = await terminal.ok("diff", "front", "v1", "v2", "--json")
    assert [each["path"] for each in json.loads(listed)["items"]] == ["instructions", "voice"]


async def test_somebody_elses_unpublished_draft_is_not_lost_by_publishing_a_file(terminal: Terminal) -> None:
    await terminal.ok("publish", "front.toml")
    theirs: dict[str, Any] = {"id": "front", "name": "Ben's idea"}
    await terminal.office.save_draft("front", theirs, seen=None, by="Ben")
    terminal.write(FRONT + 'voice = "cedar"\n')

    refused = await terminal.agents("publish", "front.toml")

    assert refused.code == 1
    assert "Ben" in refused.err
    assert "--overwrite" in refused.err
    assert (await terminal.office.draft("front")).document["name"] == "Ben's idea"
    assert await terminal.ok("publish", "front.toml", "--overwrite") == "front v2 takes new calls\n"


async def test_a_draft_of_the_editor_is_published_by_its_id(terminal: Terminal) -> None:
    await terminal.office.create({"id": "front", "name": "Front"}, by="Ben")

    assert await terminal.ok("publish", "front") == "front v1 takes new calls\n"


async def test_the_list_shows_what_takes_calls_and_what_is_only_a_draft(terminal: Terminal) -> None:
    await terminal.office.create({"id": "front", "name": "Front"}, by="Ben")

    lines = (await terminal.ok("list")).splitlines()
    for_programs = json.loads(await terminal.ok("list", "--json", role="operator"))["items"]

    assert [line.split()[0] for line in lines] == ["filed", "front"]
    assert "file:abc" in lines[0]
    assert "draft of Ben is not published" in lines[1]
    assert [(a["id"], a["version"]) for a in for_programs] == [("filed", "file:abc"), ("front", None)]
    assert [a["id"] for a in json.loads(await terminal.ok("list", "--json", role="caller"))["items"]] == [
        "filed"
    ]


async def test_the_instructions_of_a_file_and_of_its_version_read_the_same(terminal: Terminal) -> None:
    await terminal.ok("publish", "front.toml")

    of_the_file = await terminal.ok("show", "front.toml", "--rendered")
    of_the_version = await terminal.ok("show", "front", "--rendered")

    assert of_the_file.startswith("# Guardrails\n")
    assert "We open at nine." in of_the_file
    assert "- end_call: End the call." in of_the_file
    assert of_the_file.partition("# This call")[0] == of_the_version.partition("# This call")[0]


async def test_refusals_are_said_in_the_servers_words(terminal: Terminal) -> None:
    await terminal.ok("publish", "front.toml")
    for arguments, role, words in (
        (("publish", "front"), "operator", "admin"),
        (("rollback", "front", "v9"), "admin", "no version v9"),
        (("show", "nobody"), "admin", "No agent of this id"),
        (("show", "../drafts"), "admin", "404"),
        (("diff", "front", "v1", "v9"), "admin", "no version v9"),
        (("rollback", "front", "latest"), "admin", "/version"),
    ):
        done = await terminal.agents(*arguments, role=role)  # type: ignore[arg-type]  # a Role each
        assert done.code == 4, arguments
        assert words in done.err, (arguments, done.err)
    terminal.write(FRONT + 'greting = "x"\n')
    wrong = await terminal.agents("publish", "front.toml")
    assert (wrong.code, "did you mean 'greeting'" in wrong.err) == (1, True)


async def test_files_are_checked_and_shown_without_a_server(terminal: Terminal) -> None:
    offline = Terminal(terminal.folder, "http://localhost:1", terminal.office)

    assert await offline.ok("validate", "front.toml") == "1 agent valid\n"
    assert json.loads(await offline.ok("show", "front.toml"))["id"] == "front"
    assert json.loads(await offline.ok("show", "front", "--path", "."))["name"] == "Front desk"
    assert (await offline.agents("list")).code == 4
