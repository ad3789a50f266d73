"""Whose core is whose, and what a process has used of it. Linux."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no stubs in the lock file

PACKAGES = ("aiortc", "aioice", "av", "pylibsrtp", "websockets", "aiohttp", "msgspec", "redis", "numpy")


class TooFewCores(RuntimeError):
    """The server under test needs a core of its own."""


def split_cores() -> tuple[set[int], set[int]]:
    """The server's core and everybody else's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TooFewCores("Two cores are needed: one for the server under test, one for everything else.")
    return {cores[0]}, set(cores[1:])


def pin(pid: int, cores: Iterable[int]) -> None:
    """The process with all its threads."""
    cores = set(cores)
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def waited_s(pid: int) -> float:
    """How long the process could have run but had no core: others were on it (proc(5), schedstat)."""
    return sum(
        int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[1]) / 1e9
        for thread in os.listdir(f"/proc/{pid}/task")
    )


def rss_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def busy_s(cores: Iterable[int]) -> dict[int, float]:
    """Seconds each of these cores has worked since the machine's start, for anybody."""
    times = psutil.cpu_times(percpu=True)
    return {core: sum(times[core]) - times[core].idle - times[core].iowait for core in cores}


def description() -> dict[str, Any]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
