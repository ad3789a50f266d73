"""The bridge for tests: Debian's Kamailio and rtpengine on loopback, with files that `render` made.

127.0.0.20 faces the trunk and 127.0.0.21 the media servers; telephones call from 127.0.0.10, servers are at
127.0.0.30. Both programs end with the test run, even by SIGKILL (`setpriv --pdeathsig`); by SIGTERM, because the
children of Kamailio do not notice when it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from signaling.bridge_config import RTPENGINE_CONF, render
from signaling.settings import BridgeSettings

TRUNK_SIDE = "127.0.0.20"
MEDIA_SIDE = "127.0.0.21"
TELEPHONES = "127.0.0.10"
SERVERS = "127.0.0.30"
KAMAILIO_CFG = Path(__file__).parents[2] / "deploy" / "bridge" / "kamailio.cfg"
SEARCHED = "/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"
REMEDY = "`make test` installs it, from deploy/test-packages.txt"
START_WITHIN_S = 20.0


def program(name: str) -> str:
    """Its path. Nothing is skipped because it is missing."""
    found = shutil.which(name, path=SEARCHED)
    assert found is not None, f"{name} is not installed: {REMEDY}"
    return found


def free_port(address: str, kind: int = socket.SOCK_STREAM) -> int:
    """One that is free for TCP (UDP there is as good as nobody else's: the addresses are the tests')."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Program:
    """A child in a process group of its own."""

    def __init__(self, name: str, *arguments: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [program("setpriv"), "--pdeathsig", "TERM", program(name), *arguments]
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._folder, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """SIGKILL, with its children: as a machine that loses its power."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM; SIGKILL for what does not go."""
        await self._end(signal.SIGTERM)

    async def wait(self, within_s: float) -> int:
        assert self._process is not None
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # children that outlive it
        await process.wait()


class Bridge:
    """Running; see `open_bridge`."""

    def __init__(self, folder: Path, settings: BridgeSettings) -> None:
        self.settings = settings
        self.folder = folder
        self.rtpengine = Program(
            "rtpengine", "--config-file", str(folder / RTPENGINE_CONF), "--config-section", "rtpengine",
            "--foreground", "--log-stderr", "--pidfile", str(folder / "rtpengine.pid"),
            folder=folder,
        )  # fmt: skip
        self.kamailio = Program(
            "kamailio", "-DD", "-E", "-f", str(folder / "kamailio.cfg"), "-m", "64", "-M", "8",
            "-P", str(folder / "kamailio.pid"), "-Y", str(folder),
            folder=folder,
        )  # fmt: skip

    @property
    def trunk(self) -> str:
        """Where telephones send their calls."""
        return f"{TRUNK_SIDE}:{self.settings.trunk_port}"

    async def start(self) -> None:
        await self.start_rtpengine()
        await self.start_kamailio()

    async def start_kamailio(self) -> None:
        await self.kamailio.start()
        await self._until(self.kamailio, self._kamailio_answers)

    async def start_rtpengine(self) -> None:
        await self.rtpengine.start()
        await self._until(self.rtpengine, self._rtpengine_answers)

    async def server_is(self, server: str, state: str, *, within_s: float = 15.0) -> None:
        """Until the dispatcher has asked the server and holds it for A (good) or I (gone, draining, full)."""

        async def so() -> bool:
            listed = await self.ask_kamailio("dispatcher.list")
            found = re.search(rf"URI: sip:{re.escape(server)};.*?FLAGS: (\w\w)", listed, re.S)
            return found is not None and found[1] == f"{state}P"

        await self._until(self.kamailio, so, within_s=within_s)

    async def sessions(self) -> int:
        """Calls whose audio rtpengine carries."""
        listed = await asyncio.to_thread(self._ng, b"d5:limiti1000e7:command4:liste")
        found = re.search(rb"5:callsl(.*?)e6:result", listed, re.S)
        assert found is not None, listed
        return len(re.findall(rb"(\d+):", found[1]))

    async def no_sessions(self, *, within_s: float = 10.0) -> None:
        async def none() -> bool:
            return await self.sessions() == 0

        await self._until(self.rtpengine, none, within_s=within_s)

    async def ask_kamailio(self, *command: str) -> str:
        asking = await asyncio.create_subprocess_exec(
            program("kamcmd"), "-s", f"unix:{self.settings.control_socket}", *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asking.communicate()
        return said.decode()

    async def stop(self) -> None:
        await self.kamailio.stop()
        await self.rtpengine.stop()

    async def _until(
        self, one: Program, holds: Callable[[], Any], *, within_s: float = START_WITHIN_S
    ) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not await holds():
                    assert one.running, f"{one.name} has ended:\n{one.log.read_text()}"
                    await asyncio.sleep(0.05)  # another program, which tells nobody: asking is all there is
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s:\n{one.log.read_text()}") from None

    async def _kamailio_answers(self) -> bool:
        return "kamailio" in await self.ask_kamailio("core.version")

    async def _rtpengine_answers(self) -> bool:
        return b"pong" in await asyncio.to_thread(self._ng, b"d7:command4:pinge")

    def _ng(self, command: bytes) -> bytes:
        """One question in rtpengine's control protocol; b"" where nobody answers."""
        host, _, port = self.settings.rtpengine.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.settimeout(1.0)
            try:
                control.connect((host, int(port)))
                # The same cookie again would get the same answer again.
                control.send(secrets.token_hex(8).encode() + b" " + command)
                return control.recv(65536)
            except OSError:
                return b""


@asynccontextmanager
async def open_bridge(*, servers: tuple[str, ...], folder: Path, **settings: Any) -> AsyncIterator[Bridge]:
    """Both programs running on ports of their own; both gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    first = free_port("127.0.0.1", socket.SOCK_DGRAM) // 200 * 200 % 30_000 + 30_000
    with tempfile.TemporaryDirectory(prefix="cb-") as short:  # a socket's path has room for 107 bytes
        bridge = BridgeSettings(
            **{
                "trunk_address": TRUNK_SIDE,
                "trunk_port": free_port(TRUNK_SIDE),
                "trunk_tls_port": free_port(TRUNK_SIDE),
                "trunk_sources": (TELEPHONES,),
                "media_address": MEDIA_SIDE,
                "media_port": free_port(MEDIA_SIDE),
                "servers": servers,
                "rtp_first_port": first,
                "rtp_last_port": first + 199,
                "rtpengine": f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_DGRAM)}",
                "control_socket": f"{short}/ctl",
                "calls_per_second": 50,
                **settings,
            }
        )
        for name, text in render(bridge, folder=str(folder)).items():
            (folder / name).write_text(text)
        shutil.copy(KAMAILIO_CFG, folder / "kamailio.cfg")
        running = Bridge(folder, bridge)
        try:
            await running.start()
            yield running
        finally:
            await running.stop()
