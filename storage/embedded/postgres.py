"""The embedded PostgreSQL: made on first use, on loopback, with a password; as root inside a user namespace."""

# ruff: noqa: ASYNC240 - a few short file calls at start-up, when nothing else runs in the loop

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

import asyncpg

from storage.embedded.binaries import EmbeddedServersError, postgres_programs
from storage.embedded.child import Child, as_ordinary_user, dies_with_us, end_leftover
from storage.embedded.ports import LOOPBACK

USER = "cordboard"
DATABASE = "cordboard"
START_WITHIN_S = 60.0  # crash recovery replays what was written since the last checkpoint
# PostgreSQL manual, "Shutting Down the Server": SIGINT is fast shutdown, SIGQUIT immediate (recovery follows).
_STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))


async def start_postgres(folder: Path, *, port: int, password: str, log_path: Path) -> Child:
    """Start on `folder` (made where it is not there) and return when the database answers.

    Raises EmbeddedServersError with the server's last words.
    """
    await _check_namespace()
    if not (folder / "PG_VERSION").exists():
        await _make_cluster(folder, password)
    await end_leftover("PostgreSQL", folder / "postmaster.pid", folder, signal.SIGINT)
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",  # a deep data folder would exceed the 107 bytes of a socket's path
        "max_connections": "60",
        "shared_buffers": "64MB",
        "timezone": "UTC",
    }
    command = [
        *as_ordinary_user(),
        *dies_with_us("SIGINT"),
        str(postgres_programs((folder / "PG_VERSION").read_text().strip()) / "postgres"),
        "-D",
        str(folder.resolve()),
    ]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    child = await Child.start("PostgreSQL", command, log_path=log_path)
    try:
        await _ready(child, port, password)
    except BaseException:
        await stop_postgres(child)
        raise
    return child


async def stop_postgres(child: Child) -> None:
    """Fast shutdown; immediate where that takes more than 15 s."""
    await child.stop(_STOP)


def url(port: int, password: str) -> str:
    """What psql and our settings take."""
    return f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}"


async def _check_namespace() -> None:
    prefix = as_ordinary_user()
    if not prefix:
        return
    remedy = "run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own"
    if shutil.which(prefix[0]) is None:
        raise EmbeddedServersError(f"PostgreSQL does not run as root, and `unshare` is not there: {remedy}")
    code, said = await _run(*prefix, "true")
    if code != 0:
        raise EmbeddedServersError(
            f"PostgreSQL does not run as root, and this system allows no user namespace ({said}): {remedy}"
        )


async def _make_cluster(folder: Path, password: str) -> None:
    """initdb beside the final place, then one rename: a kill half-way leaves nothing that looks finished."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    password_file = unfinished.with_suffix(".password")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    try:
        code, said = await _run(
            *as_ordinary_user(),
            str(postgres_programs() / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
    finally:
        password_file.unlink()
    if code != 0:
        raise EmbeddedServersError(f"PostgreSQL's initdb failed: {said}")
    if folder.exists():
        folder.rmdir()  # left empty by somebody; with content it is not ours to remove, and this fails
    unfinished.rename(folder)


async def _ready(child: Child, port: int, password: str) -> None:
    """Wait for the server, then make our database where it is missing."""
    deadline = asyncio.get_running_loop().time() + START_WITHIN_S
    while True:
        if not child.running:
            raise EmbeddedServersError(
                f"PostgreSQL did not start: {child.last_words()} (log: {child.log_path})"
            )
        try:
            connection = await asyncpg.connect(
                host=LOOPBACK, port=port, user=USER, password=password, database="postgres", timeout=5
            )
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise EmbeddedServersError(
                    f"PostgreSQL did not answer within {START_WITHIN_S:.0f} s (log: {child.log_path})"
                ) from None
            await asyncio.sleep(0.02)
            continue
        break
    try:
        exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
        if not exists:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


async def _run(*command: str) -> tuple[int, str]:
    """Run to the end; returns the exit code and the last line it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    lines = output.decode(errors="replace").strip().splitlines()
    assert process.returncode is not None
    return process.returncode, lines[-1] if lines else "it said nothing"
