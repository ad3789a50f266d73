"""How a verb fails: one sentence on what happened, one on what to do, and an exit code that says what kind."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Documented in the README; scripts may rely on them."""

    OK = 0
    NO = 1  # it ran, and the answer is no: a check failed, the agent did not answer
    USAGE = 2  # the command line is wrong
    SETTINGS = 3  # a setting is wrong or missing
    UNREACHABLE = 4  # a server, Redis or Postgres could not be reached or refused
    PORT_BUSY = 5  # another process listens on the port
    BROKEN = 70  # a mistake of ours (EX_SOFTWARE of sysexits.h)
    INTERRUPTED = 130  # Ctrl-C, as shells report it (128 + SIGINT)


class Failure(Exception):
    """Ends the command. `what` has no full stop where `remedy` follows on the same line."""

    def __init__(self, what: str, *, remedy: str | None = None, code: ExitCode = ExitCode.NO) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return f"cordboard: {self.what}" + (f" — {self.remedy}" if self.remedy else "")
