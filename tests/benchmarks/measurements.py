"""What the load process tells the benchmark: plain values, JSON between the processes. Times are CLOCK_MONOTONIC."""

from __future__ import annotations

from typing import Literal

import msgspec


class Packet(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One RTP packet heard by a caller."""

    at: float  # seconds, when the kernel had it
    sequence: int
    timestamp: int  # 48 kHz
    marker: bool
    comfort: bool  # nothing but keeps the path open
    audible: bool  # carries the agent's voice, more than the end of an older packet


class CallHeard(msgspec.Struct, frozen=True, kw_only=True):
    """One caller's side of a measurement."""

    packets: list[Packet]  # some seconds of before the measurement among them
    marks_sent: list[float]
    sent: int  # packets during the measurement


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the callers saw during one measurement."""

    calls: list[CallHeard]
    step_lateness_ms: list[float]  # how late the load generator itself was, per wake-up
    cpu_s: float


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """To the load process, one line each; each is answered by one line."""

    do: Literal["add", "start", "stop", "close"]
    count: int = 0
    over_s: float = 0.0


class Added(msgspec.Struct, frozen=True, kw_only=True):
    setup_ms: list[float]
