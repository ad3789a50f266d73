"""`cordboard demo`: it comes up by itself, it is found from a second terminal, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession

from realtime.simulator.script import Script
from realtime.simulator.server import Simulator

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all: a second start finds its data."""
    return tmp_path_factory.mktemp("demo")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Demo:
    """A running `cordboard demo`."""

    def __init__(self, process, port, folder):
        self.process = process
        self.port = port
        self.folder = folder
        self.printed = ""

    async def ready(self):
        async with asyncio.timeout(90):
            while "is ready after" not in self.printed:
                line = await self.process.stdout.readline()
                assert line, self.printed
                self.printed += line.decode()
            while "\n\n" not in self.printed[self.printed.index("is ready after") :].partition("Phone")[2]:
                self.printed += (await self.process.stdout.readline()).decode()

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, verb):
        (found,) = [p for p in self.family() if p.cmdline()[-2:][0:1] == [verb] or verb in p.cmdline()]
        return found

    async def cordboard(self, *arguments):
        """In a second terminal."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling", *arguments, cwd=self.folder, env=variables(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


def variables(**more):
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "HOME": "/nonexistent",
        "CORDBOARD_AGENTS__PATH": str(ROOT / "deploy" / "agents"),
        **more,
    }


@asynccontextmanager
async def demo(folder, **more) -> AsyncIterator[Demo]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", "demo", cwd=folder,
        env=variables(CORDBOARD_HTTP_PORT=str(port), **more),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    running = Demo(process, port, folder)
    try:
        await running.ready()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def all_gone(family):
    """Nobody of them is left; the kernel needs a moment to end what it was told to end."""
    return not psutil.wait_procs(family, timeout=0)[1] or not await asyncio.to_thread(
        lambda: psutil.wait_procs(family, timeout=10)[1]
    )


async def test_it_comes_up_by_itself_is_found_from_a_second_terminal_and_stops_cleanly(folder):
    async with demo(folder) as running, ClientSession(f"http://localhost:{running.port}") as http:
        assert f"http://localhost:{running.port}/phone" in running.printed
        assert "OPENAI_API_KEY" in running.printed
        assert f"http://localhost:{running.port}/console" in running.printed
        password = re.search(r"sign in as sato, mori or boss, password (\S+)", running.printed)
        assert password is not None
        for person, role in (("sato", "operator"), ("boss", "admin")):
            async with http.post("/v1/session", json={"id": person, "password": password[1]}) as response:
                session = await response.json()
                assert (response.status, session["role"]) == (201, role)
                assert "front-desk" in session["queues"]  # where the demo's agent hands over to
        http.cookie_jar.clear()
        async with http.get("/readyz") as response:
            assert response.status == 200
        async with http.post("/v1/calls", data="", headers={"Content-Type": "application/sdp"}) as response:
            assert (response.status, (await response.json())["code"]) == (400, "no_sdp")
        async with http.get("/v1/calls") as response:
            assert response.status == 401

        env = folder / ".cordboard" / "env"
        assert env.stat().st_mode & 0o777 == 0o600
        names = {line.partition("=")[0] for line in env.read_text().splitlines()}
        assert {"DATABASE_URL", "REDIS_URL", "CORDBOARD_URL", "CORDBOARD_TOKEN"} <= names
        code, found, _ = await running.cordboard("check", "--json")
        states = {finding["name"]: finding["state"] for finding in json.loads(found)}
        assert code == 0, found
        assert [states[name] for name in ("server", "model", "redis", "postgres")] == ["ok"] * 4

        second_code, _, said = await running.cordboard("demo")
        assert second_code in (1, 4, 5)
        assert "Traceback" not in said

        family = running.family()
        assert len(family) >= 5
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await running.process.wait() == 0
        assert await all_gone(family)
        assert not env.exists()


@pytest.fixture
async def model():
    """A quick stand-in, so that no speech models are loaded."""
    async with Simulator(mind=Script()) as simulator:
        yield {"CORDBOARD_REALTIME__URL": simulator.url, "OPENAI_API_KEY": "k"}


async def test_a_part_that_dies_ends_the_demo_and_is_named(folder, model):
    async with demo(folder, **model) as running:
        family = running.family()
        running.child("worker").kill()

        async with asyncio.timeout(30):
            rest = (await running.process.stdout.read()).decode()
            assert await running.process.wait() == 1

        assert "the worker has ended" in rest
        assert "Traceback" not in rest
        assert await all_gone(family)


async def test_killing_it_leaves_nobody_behind(folder, model):
    async with demo(folder, **model) as running:
        family = running.family()
        running.process.kill()
        await running.process.wait()

        assert await all_gone(family)
