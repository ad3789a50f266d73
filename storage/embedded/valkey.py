"""The embedded Redis-compatible server: Valkey with its data on disk, on loopback, with a password."""

# ruff: noqa: ASYNC240 - a few short file calls at start-up, when nothing else runs in the loop

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import redis.asyncio
import redis.exceptions

from storage.embedded.binaries import EmbeddedServersError, valkey_server
from storage.embedded.child import Child, dies_with_us, end_leftover
from storage.embedded.ports import LOOPBACK

START_WITHIN_S = 30.0  # loading a large append-only file takes a while
_STOP = ((signal.SIGTERM, 10.0),)


async def start_valkey(folder: Path, *, port: int, password: str, log_path: Path) -> Child:
    """Start on `folder` and return when it answers. Raises EmbeddedServersError with its last words."""
    program = valkey_server()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pid_file = folder / "valkey.pid"
    await end_leftover("Valkey", pid_file, folder, signal.SIGTERM)
    command = [*dies_with_us("SIGTERM"), str(program), "-"]
    configuration = _configuration(folder, pid_file, port, password)
    child = await Child.start("Valkey", command, log_path=log_path, given=configuration.encode())
    try:
        await _ready(child, url(port, password))
    except BaseException:
        await stop_valkey(child)
        raise
    return child


async def stop_valkey(child: Child) -> None:
    """SIGTERM: it writes its append-only file and goes."""
    await child.stop(_STOP)


def url(port: int, password: str) -> str:
    """What `redis-cli -u` (which insists on a user name) and our settings take."""
    return f"redis://default:{password}@{LOOPBACK}:{port}/0"


def _configuration(folder: Path, pid_file: Path, port: int, password: str) -> str:
    # Given on its input, not as arguments: every user of the machine can read a command line.
    return f"""
bind {LOOPBACK}
port {port}
requirepass {password}
dir "{folder.resolve()}"
pidfile "{pid_file.resolve()}"
daemonize no
# Events must survive a restart; a full memory must refuse writes, never forget events.
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""


async def _ready(child: Child, redis_url: str) -> None:
    async with redis.asyncio.from_url(redis_url, retry=None, socket_timeout=1) as client:
        deadline = asyncio.get_running_loop().time() + START_WITHIN_S
        while True:
            if not child.running:
                raise child.start_error()
            try:
                await client.ping()
            except (redis.exceptions.RedisError, OSError):
                if asyncio.get_running_loop().time() > deadline:
                    raise EmbeddedServersError(
                        f"Valkey did not answer within {START_WITHIN_S:.0f} s (log: {child.log_path})"
                    ) from None
                await asyncio.sleep(0.02)
            else:
                return
