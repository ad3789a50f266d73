"""Both embedded servers as one thing that is entered and left."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from storage.embedded import postgres, valkey
from storage.embedded.binaries import EmbeddedServersError
from storage.embedded.child import Child, PortTakenError
from storage.embedded.ports import free_port, load_access, save_access

log = logging.getLogger(__name__)

# Somebody may take a port between our look and the server's bind; three in a row is not chance.
_TRIES = 3


class EmbeddedServers:
    """`async with EmbeddedServers(folder) as servers:` then `servers.redis_url`, `servers.database_url`.

    Both listen on 127.0.0.1 with a password; ports and password stay the same from run to run where they can.
    Data, logs and the access file (0600) are in `data_dir` (0700); a second start continues with it.
    Enter from the thread that lives as long as the program: the servers are ended by the kernel when it dies.
    Leaving stops both within 25 s. Raises EmbeddedServersError, whose text is fit for the terminal.
    """

    def __init__(self, data_dir: str | Path) -> None:
        self._folder = Path(data_dir).expanduser().resolve()
        self._lock: int | None = None
        self._valkey: Child | None = None
        self._postgres: Child | None = None
        self.redis_url = ""
        self.database_url = ""

    async def __aenter__(self) -> EmbeddedServers:
        try:
            self._take_folder()
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def failed(self) -> str:
        """Wait until one of the servers ends by itself; returns a sentence that says which and why."""
        children = [child for child in (self._valkey, self._postgres) if child is not None]
        waits = {asyncio.create_task(child.process.wait()): child for child in children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        child = waits[done.pop()]
        return f"{child.name} has ended: {child.last_words()} (log: {child.log_path})"

    def _take_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedServersError(
                f"the data folder {self._folder} cannot be used: {error.strerror}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EmbeddedServersError(
                f"another cordboard is running on {self._folder}: use that one, stop it, or give another folder"
            ) from None
        self._lock = lock

    async def _start(self) -> None:
        path = self._folder / "access.json"
        try:
            access = load_access(path)
        except (OSError, msgspec.MsgspecError) as error:
            raise EmbeddedServersError(
                f"{path} cannot be read ({error}): restore it, or remove {self._folder} to begin with no data"
            ) from error
        save_access(path, access)  # the password first: data that is made with it must stay reachable

        async def start_valkey(port: int) -> Child:
            access.redis_port = port
            return await valkey.start_valkey(
                self._folder / "valkey",
                port=port,
                password=access.password,
                log_path=self._folder / "valkey.log",
            )

        async def start_postgres(port: int) -> Child:
            access.postgres_port = port
            return await postgres.start_postgres(
                self._folder / "postgres",
                port=port,
                password=access.password,
                log_path=self._folder / "postgres.log",
            )

        self._valkey = await _on_a_free_port(start_valkey, access.redis_port)
        self._postgres = await _on_a_free_port(start_postgres, access.postgres_port)
        save_access(path, access)
        self.redis_url = valkey.url(access.redis_port, access.password)
        self.database_url = postgres.url(access.postgres_port, access.password)

    async def _stop(self) -> None:
        stops: list[Awaitable[None]] = []
        if self._valkey is not None:
            stops.append(valkey.stop_valkey(self._valkey))
        if self._postgres is not None:
            stops.append(postgres.stop_postgres(self._postgres))
        await asyncio.gather(*stops)
        self._valkey = self._postgres = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


async def _on_a_free_port(start: Callable[[int], Awaitable[Child]], preferred: int) -> Child:
    for attempt in range(_TRIES):
        port = free_port(preferred if attempt == 0 else 0)
        try:
            return await start(port)
        except PortTakenError:
            if attempt == _TRIES - 1:
                raise
            log.info("embedded.port_taken port=%d: trying another", port)
    raise AssertionError("the last try returns or raises")
