"""Recordings that a crash has left unfinished are cut at their last whole page and given their proper name."""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from media import ogg_pages
from media.files.ogg_opus import SUFFIX, UNFINISHED, sync_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A complete recording on disk."""

    name: str
    path: Path
    bytes: int
    duration_ms: int
    lost_ms: int = 0  # never written, because the disk did not keep up; silence in the file
    problem: str | None = None  # why it ends before its call did


def finish_left_over(folder: Path) -> list[Finished]:
    """Finishes what no living process is writing; drops files without audio. May take seconds: not on the loop."""
    found = [finish_one(path) for path in sorted(folder.glob(f"*{UNFINISHED}"))]
    return [each for each in found if each is not None]


def describe(path: Path) -> Finished:
    """A finished file as it is on disk. Raises OSError where it cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        duration_ms = _duration_ms(file.fileno(), size)
    return Finished(name=path.name.removesuffix(SUFFIX), path=path, bytes=size, duration_ms=duration_ms)


def _duration_ms(descriptor: int, size: int) -> int:
    if not size:
        return 0
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as stream:
        return ogg_pages.duration_ms(stream, ogg_pages.pages(stream))


def finish_one(path: Path) -> Finished | None:
    """The same for one file; None where somebody is writing it, or nothing is in it."""
    name = path.name.removesuffix(UNFINISHED)
    final = path.with_name(name + SUFFIX)
    with path.open("r+b") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None  # somebody is recording
        size = os.fstat(file.fileno()).st_size
        duration_ms = 0
        if size:
            with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as stream:
                whole = ogg_pages.pages(stream)
                duration_ms = ogg_pages.duration_ms(stream, whole)
                if duration_ms:
                    last = ogg_pages.closed(stream[whole[-1].start : whole[-1].end])
        if not duration_ms:
            path.unlink()
            return None
        os.pwrite(file.fileno(), last, whole[-1].start)
        os.truncate(file.fileno(), whole[-1].end)
        os.fsync(file.fileno())
        path.rename(final)
    sync_folder(path.parent)
    return Finished(
        name=name, path=final, bytes=whole[-1].end, duration_ms=duration_ms, problem="its server was stopped"
    )
