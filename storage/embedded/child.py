"""A server program that lives no longer than we do.

The kernel ends it when the thread that started it dies (PR_SET_PDEATHSIG), so that not even `kill -9` leaves
an orphan. The request must be made after the user namespace is entered, because the kernel forgets it when
credentials change; hence `unshare … setpriv --pdeathsig … program`, each replacing itself by the next.
"""

# ruff: noqa: ASYNC240 - a few short file calls at start-up, when nothing else runs in the loop

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from storage.embedded.binaries import EmbeddedServersError

log = logging.getLogger(__name__)


class PortTakenError(EmbeddedServersError):
    """Another program has the port; another port may do."""


def as_ordinary_user() -> list[str]:
    """What to put before a command that refuses to run as root: a namespace in which we are user 1000.

    Outside, the files still belong to root, so no folder above needs other rights. Empty for ordinary users.
    """
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]


def dies_with_us(death_signal: str) -> list[str]:
    """What to put before a command that shall get this signal when the starting thread dies."""
    if shutil.which("setpriv") is None:
        log.warning("embedded.no_setpriv: a kill -9 would leave servers behind; install util-linux")
        return []
    return ["setpriv", "--pdeathsig", death_signal, "--"]


class Child:
    """One running server program. Order of calls: `start`, then `stop` once."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self.name = name
        self.process = process
        self.log_path = log_path

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, log_path: Path, given: bytes | None = None
    ) -> Child:
        """Start `command` in a session of its own, so that Ctrl-C in the terminal reaches only us.

        Both outputs go to `log_path` (the log of the run before is kept beside it), `given` to its input.
        Call from the thread that lives as long as the server shall.
        """
        if log_path.exists():
            log_path.replace(log_path.with_suffix(".previous.log"))
        with log_path.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if given is not None:
            assert process.stdin is not None
            process.stdin.write(given)
            process.stdin.close()
        return cls(name, process, log_path)

    @property
    def running(self) -> bool:
        """False once the program has ended."""
        return self.process.returncode is None

    def start_error(self) -> EmbeddedServersError:
        """What to raise when the program has ended instead of starting."""
        text = f"{self.name} did not start: {self.last_words()} (log: {self.log_path})"
        taken = "Address already in use" in self.log_path.read_text(errors="replace")
        return PortTakenError(text) if taken else EmbeddedServersError(text)

    def last_words(self) -> str:
        """The last lines of its log that say something, for error messages."""
        lines = [line.strip() for line in self.log_path.read_text(errors="replace").splitlines()]
        fatal = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "Fatal", "rror"))]
        return (fatal or [line for line in lines if line] or ["it said nothing"])[-1]

    async def stop(self, signals: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal and wait its seconds, until the program has ended; SIGKILL after the last."""
        for number, patience_s in (*signals, (signal.SIGKILL, 5.0)):
            if not self.running:
                return
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            try:
                await asyncio.wait_for(self.process.wait(), patience_s)
            except TimeoutError:
                log.warning(
                    "embedded.slow_stop server=%s signal=%s after_s=%.0f", self.name, number, patience_s
                )


async def end_leftover(name: str, pid_file: Path, folder: Path, quit_signal: signal.Signals) -> None:
    """End a server that still works in `folder` (its starter was killed a moment ago); drop a stale pid file.

    Two servers on the same files would destroy them, and a stale file whose number now belongs to another
    program would stop ours from starting; only a process that stands in `folder` is taken for ours.
    Raises EmbeddedServersError when it does not end within 15 s.
    """
    pid = _pid_in(pid_file)
    if pid is not None and _works_in(pid, folder):
        log.info("embedded.leftover server=%s pid=%d: ending it first", name, pid)
        os.kill(pid, quit_signal)
        for _ in range(150):
            await asyncio.sleep(0.1)  # not our child: there is nothing to wait on
            if not _works_in(pid, folder):
                break
        else:
            raise EmbeddedServersError(
                f"another {name} (process {pid}) works in {folder} and does not end; end it, then start again"
            )
    pid_file.unlink(missing_ok=True)


def _pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(folder.resolve())
    except OSError:
        return False
