"""The servers of the matrix, and two ways to hurt them that tests/fakes/servers.py does not know.

`BreakableRedis.power_cut`    what was not fsynced is gone from the append-only file
`BreakablePostgres.kill_all`  the postmaster and all its children at once
"""

from __future__ import annotations

import enum
import os
import signal
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own

from storage.embedded.binaries import valkey_server
from tests.fakes.servers import PostgresServer, RedisServer

SHIM_SOURCE = Path(__file__).parent / "fsync_shim.c"


class Keeps(enum.Enum):
    """How Redis keeps its data."""

    EVERYSEC = "everysec"  # our default: fsync once a second
    ALWAYS = "always"  # fsync before each answer
    NOTHING = "no AOF"  # Debian's default


def build_shim(folder: Path) -> Path:
    """Compile fsync_shim.c. Raises RuntimeError where there is no compiler."""
    shim = folder / "fsync_shim.so"
    try:
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", shim, SHIM_SOURCE, "-ldl"], check=True
        )
    except FileNotFoundError as error:
        raise RuntimeError("power cuts need a C compiler: apt-get install -y gcc libc6-dev") from error
    return shim


class BreakableRedis(RedisServer):
    """Debian's Redis, or the Valkey of `make demo`."""

    def __init__(
        self, folder: Path, *, keeps: Keeps = Keeps.EVERYSEC, valkey: bool = False, shim: Path | None = None
    ) -> None:
        """`shim`: from `build_shim`; needed for `power_cut`."""
        super().__init__(folder)
        self._program = str(valkey_server()) if valkey else "redis-server"
        self._keeps = keeps
        self._shim = shim
        self._fsyncs = folder.parent / f"{folder.name}.fsyncs"

    def command(self) -> list[str]:
        plain = super().command()
        place = plain.index("redis-server")
        preload = [f"LD_PRELOAD={self._shim}", f"FSYNC_LOG={self._fsyncs}"] if self._shim else []
        keeps = (
            ["--appendonly", "no"] if self._keeps is Keeps.NOTHING else ["--appendfsync", self._keeps.value]
        )
        return [*plain[:place], "env", *preload, self._program, *plain[place + 1 :], *keeps]

    def power_cut(self) -> int:
        """kill -9, and every file of the AOF is as long as it was at its last fsync; returns the bytes lost.

        That the file's name, made by rename, is on the disk too is taken for granted.
        """
        assert self._shim is not None, "a power cut needs the shim"
        self.kill()
        kept: dict[int, int] = {}
        for line in self._fsyncs.read_text().splitlines() if self._fsyncs.exists() else ():
            inode, size = line.split()
            kept[int(inode)] = int(size)
        lost = 0
        for file in (self.folder / "appendonlydir").glob("*"):
            found = file.stat()
            safe = min(kept.get(found.st_ino, 0), found.st_size)
            lost += found.st_size - safe
            os.truncate(file, safe)
        return lost


class BreakablePostgres(PostgresServer):
    """Debian's PostgreSQL."""

    def kill_all(self) -> None:
        """kill -9 of the postmaster and every backend, as the kernel does it when memory runs out."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        everybody = [server, *server.children(recursive=True)]
        for process in everybody:
            process.suspend()  # nobody notices the others' end
        for process in everybody:
            process.send_signal(signal.SIGKILL)
        self.kill()
        psutil.wait_procs(everybody, timeout=10)
