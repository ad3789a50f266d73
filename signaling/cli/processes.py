"""The demo's own processes: started one by one, watched together, stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from signaling.cli.failure import Failure
from signaling.cli.parent import PARENT_VARIABLE


class Process:
    """One child: `cordboard VERB …` in a process group of its own, so that Ctrl-C reaches only us.

    It cannot outlive us: see `parent.die_with_parent`. Start it from the main thread, whose end the kernel
    takes for ours.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], variables: Mapping[str, str], *, log: Path | None = None
    ) -> None:
        """`log`: where its output goes; None leaves it on the terminal."""
        self.name = name
        self._arguments = list(arguments)
        self._variables = variables
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, pass_fds: Sequence[int] = ()) -> None:
        """Returns once the process exists."""
        with contextlib.ExitStack() as files:
            output = None
            if self._log is not None:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                output = files.enter_context(self._log.open("wb"))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "signaling",
                *self._arguments,
                env={**os.environ, **self._variables, PARENT_VARIABLE: str(os.getpid())},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )

    async def start_and_wait_ready(self, *, within_s: float) -> None:
        """Returns once the process has written to its `--ready-fd`. Raises Failure if it ends or is late."""
        reader, writer = os.pipe()
        try:
            self._arguments = [*self._arguments, "--ready-fd", str(writer)]
            await self.start(pass_fds=[writer])
        finally:
            os.close(writer)  # ours: the pipe now ends when the child's does
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            os.set_blocking(pipe.fileno(), False)
            try:
                async with asyncio.timeout(within_s):
                    said = await _first_byte(pipe.fileno())
            except TimeoutError:
                raise Failure(f"the {self.name} was not ready after {within_s:g} s") from None
        if not said:
            raise Failure(f"the {self.name} ended while starting{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log, as the end of a sentence."""
        if self._log is None or not self._log.exists():
            return "; its own message stands above"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1][:300]} (log: {self._log})" if lines else f" (its log is empty: {self._log})"

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> int:
        assert self._process is not None, "start() comes first"
        return await self._process.wait()

    async def stop(self, *, within_s: float) -> None:
        """SIGTERM, and SIGKILL after `within_s`. Idempotent."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def _first_byte(descriptor: int) -> bytes:
    """What comes first down a pipe; b"" when it closes without a word."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 1)
