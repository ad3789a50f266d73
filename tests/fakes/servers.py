"""Real servers for tests: Debian's Redis and PostgreSQL, each on its own port and folder, made to fail on order.

Both are ended by the kernel when the test run dies, even by SIGKILL (`setpriv --pdeathsig`). The kernel means
the thread that started them: call `start` from the main thread, not through `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_WITHIN_S = 30.0
REMEDY = "apt-get install -y redis-server postgresql  (`make test` does it)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class _Server:
    """start, stop (cleanly), kill (SIGKILL), pause and resume (a server that is there and does not answer)."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start on the same port and data as before, and return when it answers."""
        if self._process is not None:
            return
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_WITHIN_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: see {log.name}")
            time.sleep(0.01)  # another process: there is nothing to wait on

    def stop(self) -> None:
        """Cleanly, keeping the data."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """kill -9: what was not written is lost."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Connections stay open and nothing answers any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    stop_signal = signal.SIGTERM

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=15)


class RedisServer(_Server):
    """Debian's redis-server with its append-only file on."""

    name = "redis-server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if shutil.which("redis-server") is None:
            raise RuntimeError(f"redis-server is not installed: {REMEDY}")

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def command(self) -> list[str]:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return ["setpriv", "--pdeathsig", "SIGKILL", "--", "redis-server", *arguments]

    def answers(self) -> bool:
        return self.ask("PING") == b"+PONG"

    def ask(self, *command: str) -> bytes:
        """First line of the answer to one inline command; b"" when nobody answers."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=5) as connection:
                connection.sendall(" ".join(command).encode() + b"\r\n")
                return connection.recv(4096).split(b"\r\n")[0]
        except OSError:
            return b""


class PostgresServer(_Server):
    """Debian's PostgreSQL, as root inside a user namespace. Databases are copies of a migrated template."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: does not wait for clients

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._programs = _postgres_programs()
        self._next_database = 0
        self._made = False

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        if not self._made:
            self._initdb()
            self._made = True
        super().start()

    def kill(self) -> None:
        """kill -9 of the postmaster; its children notice and go."""
        super().kill()
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def fresh_database(self, template: str | None = None) -> str:
        """Make a database; returns its URL."""
        self._next_database += 1
        name = f"test_{self._next_database}"
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run with psql; returns what it printed, unaligned."""
        done = subprocess.run(
            [self._programs / "psql", self.url(database), "-XAtqc", statement],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout.strip()

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # kill -9 keeps the page cache; only a power cut would not
            "max_connections": "100",
            "shared_buffers": "32MB",
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        death = ["setpriv", "--pdeathsig", "SIGQUIT", "--"]
        return [*_not_root(), *death, str(self._programs / "postgres"), "-D", str(self.folder), *arguments]

    def answers(self) -> bool:
        ready = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)], check=False
        )
        return ready.returncode == 0

    def _initdb(self) -> None:
        self.folder.chmod(0o700)
        subprocess.run(
            [
                *_not_root(),
                self._programs / "initdb",
                "-D",
                self.folder,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )


def _not_root() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not found:
        raise RuntimeError(f"PostgreSQL is not installed: {REMEDY}")
    return found[-1].parent
