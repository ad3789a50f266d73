"""Tell whoever started us that we are working: a byte down a pipe, as service supervisors do it."""

from __future__ import annotations

import os
from collections.abc import Callable


def announcer(ready_fd: int | None) -> Callable[[], None]:
    """Something to call when ready; without a descriptor it does nothing. Calling it again is harmless."""
    waiting = [] if ready_fd is None else [ready_fd]

    def announce() -> None:
        while waiting:
            fd = waiting.pop()
            os.write(fd, b"\n")
            os.close(fd)

    return announce
