"""The command from outside: exit codes, one line for every failure, never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from realtime.simulator.script import Script
from realtime.simulator.server import Simulator
from signaling.web.tokens import TokenSigner
from tests.fakes.eventually import eventually

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-for-tests-of-more-than-32-bytes"


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


def failed_in_one_line(result, code):
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("cordboard: ")
    return lines[0]


def test_help_names_every_verb_and_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from signaling.cli.command import run; code = run(['--help']); "
        "heavy = {'aiohttp', 'pydantic', 'aiortc', 'av', 'openai', 'asyncpg', 'rich', 'numpy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert result.returncode == 0, result.stderr
    verbs = {
        "demo",
        "serve",
        "worker",
        "simulate",
        "call",
        "check",
        "agents",
        "tools",
        "events",
        "db",
        "token",
    }
    assert verbs <= set(result.stdout.split())


def test_a_wrong_setting_is_reported_with_its_place(cordboard):
    result = cordboard("serve", CORDBOARD_SERVER__PROT="1")

    assert result.returncode == 3
    assert "CORDBOARD_SERVER__PROT: unknown setting, did you mean CORDBOARD_SERVER__PORT?" in result.stderr
    assert "Traceback" not in result.stderr


def test_serve_without_a_secret_says_how_to_make_one(cordboard):
    assert "openssl rand -hex 32" in failed_in_one_line(cordboard("serve"), 3)


def test_worker_without_servers_says_which_urls_it_needs(cordboard):
    assert "REDIS_URL and DATABASE_URL not set" in failed_in_one_line(cordboard("worker"), 3)


def test_calling_a_server_that_is_not_there_says_how_to_start_one(cordboard, tmp_path):
    recording(tmp_path / "hello.wav")

    line = failed_in_one_line(cordboard("call", "--file", "hello.wav", CORDBOARD_URL="http://localhost:1"), 4)

    assert "http://localhost:1" in line
    assert "cordboard demo" in line


def recording(path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


def test_a_file_that_is_no_recording_is_said_to_be_none(cordboard, tmp_path):
    (tmp_path / "hello.wav").write_text("hello")

    assert "hello.wav" in failed_in_one_line(cordboard("call", "--file", "hello.wav"), 2)
    assert "missing.wav" in failed_in_one_line(cordboard("call", "--file", "missing.wav"), 2)


def test_events_without_redis_says_where_to_look(cordboard):
    assert "REDIS_URL" in failed_in_one_line(cordboard("events", "tail"), 3)


def test_migrating_a_database_that_is_not_there_is_one_line(cordboard):
    line = failed_in_one_line(cordboard("db", "migrate", DATABASE_URL="postgresql://u:p@127.0.0.1:1/x"), 4)

    assert "DATABASE_URL" in line


def test_migrating_twice_finds_nothing_left_to_do(cordboard, postgres_server):
    url = postgres_server.fresh_database("template0")

    assert "applied 001" in cordboard("db", "migrate", DATABASE_URL=url).stdout
    assert cordboard("db", "migrate", DATABASE_URL=url).stdout == "nothing to do\n"


def test_a_token_is_printed_alone_and_opens_the_door(cordboard):
    result = cordboard(
        "token", "create", "--role", "operator", "--name", "Ann", CORDBOARD_AUTH__SECRET=SECRET
    )

    claims = TokenSigner(SECRET).read(result.stdout.strip(), now=__import__("time").time())
    assert (claims.use, claims.role, claims.subject) == ("token", "operator", "Ann")
    assert result.stdout.count("\n") == 1


def test_an_unknown_role_is_a_usage_error(cordboard):
    result = cordboard("token", "create", "--role", "king", CORDBOARD_AUTH__SECRET=SECRET)

    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_agents_are_validated_with_every_problem(cordboard, tmp_path):
    (tmp_path / "a.toml").write_text("id = 'a'\nname = 'A'\ngreting = 'x'\nspeed = 9")

    result = cordboard("agents", "validate", "--path", ".")

    assert result.returncode == 1
    assert "greting" in result.stderr
    assert "speed" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_sample_agent_is_valid_listed_and_shown(cordboard):
    path = str(ROOT / "deploy" / "agents")

    assert cordboard("agents", "validate", "--path", path).returncode == 0
    listed = json.loads(cordboard("agents", "list", "--json", "--path", path).stdout)["items"]
    shown = json.loads(cordboard("agents", "show", listed[0]["id"], "--path", path).stdout)
    assert shown["id"] == listed[0]["id"]


def test_an_agents_folder_that_is_not_there_is_one_line(cordboard):
    assert "--path" in failed_in_one_line(cordboard("agents", "validate"), 3)


def test_listing_agents_without_a_server_says_how_to_start_one(cordboard):
    line = failed_in_one_line(cordboard("agents", "list", CORDBOARD_URL="http://localhost:1"), 4)

    assert "cordboard serve" in line


def test_tools_show_the_schema_that_the_model_sees(cordboard):
    names = [tool["name"] for tool in json.loads(cordboard("tools", "list", "--json").stdout)["items"]]

    assert "end_call" in names
    assert json.loads(cordboard("tools", "schema", "end_call").stdout)["type"] == "object"
    assert "end_call" in failed_in_one_line(cordboard("tools", "schema", "end_cal"), 1)


TOOL = """
from realtime.tools.registry import tool

@tool(name="add")
async def add(a: int, b: int = 1) -> dict:
    "Adds two numbers."
    return {"sum": a + b}
"""


def test_a_tool_of_ones_own_runs_from_the_terminal(cordboard, tmp_path):
    (tmp_path / "mine.py").write_text(TOOL)
    variables = {"CORDBOARD_TOOLS__MODULES": "mine", "PYTHONPATH": f"{ROOT}:{tmp_path}"}

    assert json.loads(cordboard("tools", "run", "add", "--json", '{"a": 2}', **variables).stdout) == {
        "sum": 3
    }
    line = failed_in_one_line(cordboard("tools", "run", "add", "--json", '{"a": "x"}', **variables), 2)
    assert "a: " in line


def test_a_plug_in_that_cannot_be_loaded_is_named_and_the_others_are_listed(cordboard):
    result = cordboard("tools", "list", CORDBOARD_TOOLS__MODULES="not_there")

    assert "end_call" in result.stdout
    assert "not_there" in failed_in_one_line(result, 1)


def test_check_finds_what_is_missing_and_names_the_fix(cordboard):
    result = cordboard("check", "--json", CORDBOARD_URL="http://127.0.0.1:1")

    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 1
    for name in ("model", "redis", "postgres", "agents", "sign-in"):
        assert findings[name]["state"] == "bad"
        assert findings[name]["fix"]


async def test_check_is_content_with_real_servers(cordboard, redis_url, database_url):
    async with Simulator(mind=Script()) as model:
        result = await asyncio.to_thread(
            cordboard,
            "check",
            "--json",
            CORDBOARD_URL="http://127.0.0.1:1",
            REDIS_URL=redis_url,
            DATABASE_URL=database_url,
            CORDBOARD_REALTIME__URL=model.url,
            CORDBOARD_AGENTS__PATH=str(ROOT / "deploy" / "agents"),
            CORDBOARD_AUTH__SECRET=SECRET,
            CORDBOARD_HTTP_PORT="0",
        )

    findings = {finding["name"]: finding["state"] for finding in json.loads(result.stdout)}
    assert "bad" not in findings.values(), result.stdout
    assert findings["postgres"] == "ok"
    assert result.returncode == 0


def test_a_demo_on_a_busy_port_is_one_line_and_starts_nothing(cordboard, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        line = failed_in_one_line(cordboard("demo", CORDBOARD_HTTP_PORT=str(port)), 5)

    assert str(port) in line
    assert "CORDBOARD_HTTP_PORT" in line
    assert not (tmp_path / ".cordboard").exists()


def test_serving_on_a_busy_port_is_one_line(cordboard, redis_url, database_url):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])

        result = cordboard(
            "serve",
            "--port",
            port,
            REDIS_URL=redis_url,
            DATABASE_URL=database_url,
            CORDBOARD_REALTIME__URL="ws://127.0.0.1:9/v1",
            CORDBOARD_AGENTS__PATH=str(ROOT / "deploy" / "agents"),
            CORDBOARD_AUTH__SECRET=SECRET,
        )

    line = failed_in_one_line(result, 5)
    assert port in line
    assert "CORDBOARD_HTTP_PORT" in line


# events tail against a real Redis


@asynccontextmanager
async def running(tmp_path, *arguments, **variables):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "signaling",
        *arguments,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Tests that run in the background of a shell were told to ignore Ctrl-C, and so would their children be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_events_are_printed_as_they_happen_until_interrupted(tmp_path, redis_url):
    import redis.asyncio

    from tests.fakes.call_story import stamped, whole_call

    story = stamped(whole_call())
    types = ["--type", "call.*", "--type", "transcript.final"]
    async with redis.asyncio.from_url(redis_url) as client:
        before = {each["id"] for each in await client.client_list()}

        async def subscribed() -> bool:
            return any(each["id"] not in before and int(each["psub"]) for each in await client.client_list())

        await _tail(client, subscribed, story, types, tmp_path, redis_url)


async def _tail(client, subscribed, story, types, tmp_path, redis_url):
    from storage.channels import calls_channel
    from storage.codec import encode

    async with (
        running(tmp_path, "events", "tail", "--json", *types, REDIS_URL=redis_url) as tail,
        asyncio.timeout(30),
    ):
        await eventually(subscribed)
        for envelope in story:
            await client.publish(calls_channel("default", envelope.call_id), encode(envelope))
        wanted = [e for e in story if e.type.startswith("call.") or e.type == "transcript.final"]
        printed = [json.loads(await tail.stdout.readline()) for _ in wanted]
        tail.send_signal(signal.SIGINT)

        assert await tail.wait() == 130
        assert await tail.stderr.read() == b""

    assert [event["seq"] for event in printed] == [envelope.seq for envelope in wanted]
