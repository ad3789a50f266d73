"""What a media server says it has emitted, written down beside the outbox and independent of it.

A line a numbered event, appended when `emit` had returned; the page cache keeps it through any kill -9. So every
line is an event that has been promised, and an event that was being emitted at the kill has no line.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from storage.codec import decode, encode
from storage.envelope import Envelope


class Line(NamedTuple):
    emitted_at: float  # CLOCK_MONOTONIC, the same in every process of a machine
    envelope: Envelope


class Kill(NamedTuple):
    """A kill -9 of the process that writes the ledger; both times are CLOCK_MONOTONIC."""

    asked_at: float
    gone_at: float  # it may have emitted until here


class Ledger:
    """The writer's side."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, envelope: Envelope) -> None:
        """Returns when the kernel has it. Live-only events are not on record."""
        if not envelope.live_only:
            os.write(self._file, f"{time.monotonic():.6f} ".encode() + encode(envelope) + b"\n")


def read(path: Path) -> list[Line]:
    """All lines so far, in order."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        at, _, body = line.partition(b" ")
        found.append(Line(float(at), decode(body)))
    return found
