"""One stage's figures put together, the whole benchmark as a JSON document, and the README's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.figures import BargeIn, Spread, barge_in, delays_ms, pacing, spread
from tests.benchmarks.measurements import CallHeard, Load
from tests.benchmarks.model import Watch

HELD_ALL = 0.99  # of all packets in time
HELD_WORST = 0.98  # of the worst call's
INPUT_COMPLETE = 0.99  # of the callers' packets appended to the model's input
TRUNCATED_WITHIN_S = 1.0
CORE_FULL = 0.95
QUIET_WAITED = 0.02  # share of time that the server may have waited for its core
STEPS_LATE_MS = 10.0  # p99 of the load generator's own wake-ups, beyond which its figures say little


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """So many calls at once, for one cycle."""

    calls: int
    seconds: float
    core_ms_per_call_s: float  # of the server process
    server_core: float  # share of its core that was busy, with whatever
    server_waited: float  # share of time it could have run and had to wait: noise of the machine
    held: bool
    in_time: float  # share of packets to the callers within 20 ms of schedule
    worst_call: float
    input_complete: float  # share of the callers' packets that reached the model
    up_ms: Spread | None  # added latency caller -> model
    down_ms: Spread | None  # added latency model -> caller
    pacing_ms: Spread | None  # how late packets left: the event loop's lag among other things
    barge_in_ms: Spread | None
    truncate_ms: Spread | None  # audio_end_ms less the audio received
    truncate_error_ms: float | None  # the greatest, either way
    lost_marks: int
    rss_mb: float
    other_cores: float  # busy share of the load generator's core(s)
    load_cpu: float  # of one core, the callers' process
    model_cpu: float  # of one core, the simulator
    step_lateness_ms: Spread | None  # of the load generator
    limited_by: str  # "", "server" or "load generator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    at: str
    commit: str
    machine: dict[str, Any]
    versions: dict[str, str]
    load_average_before: float
    mb_per_call: float | None
    setup_ms: Spread | None  # from the offer's POST to the first packet, at one core's growing load
    stages: list[Stage]


def stage(
    load: Load,
    watches: Sequence[Watch],
    *,
    start: float,
    end: float,
    server_cpu_s: float,
    server_waited_s: float,
    model_cpu_s: float,
    rss_mb: float,
    server_core: float,
    other_cores: float,
) -> Stage:
    """`load.calls` and `watches` are of the same calls in the same order."""
    seconds, calls = end - start, len(load.calls)
    pacings = [pacing(call.packets, start, end) for call in load.calls]
    expected = sum(each.expected for each in pacings)
    in_time = sum(each.in_time for each in pacings) / expected if expected else 0.0
    worst = min(each.share for each in pacings)
    appended = sum(sum(start <= at < end for at in watch.appends) for watch in watches)
    input_complete = appended / sum(call.sent for call in load.calls)
    up: list[float] = []
    down: list[float] = []
    lost_marks = 0
    interrupted: list[tuple[BargeIn, int | None]] = []
    for call, watch in zip(load.calls, watches, strict=True):
        # What left in the last second may not have been seen arriving.
        delays, lost = delays_ms([at for at in call.marks_sent if at < end - 1], watch.marks)
        up += delays
        lost_marks += lost
        deltas = [at for at in watch.first_deltas if start <= at < end - 1]
        down += delays_ms(deltas, [packet.at for packet in call.packets if packet.marker])[0]
        interrupted += _barge_ins(call, watch, start, end - 1)
    errors = [audio_end_ms - cut.received_ms for cut, audio_end_ms in interrupted if audio_end_ms is not None]
    steps = spread(load.step_lateness_ms)
    held = in_time >= HELD_ALL and worst >= HELD_WORST and input_complete >= INPUT_COMPLETE
    return Stage(
        calls=calls,
        seconds=round(seconds, 2),
        core_ms_per_call_s=round(server_cpu_s * 1000 / (calls * seconds), 2),
        server_core=round(server_core, 3),
        server_waited=round(server_waited_s / seconds, 3),
        held=held,
        in_time=round(in_time, 4),
        worst_call=round(worst, 4),
        input_complete=round(input_complete, 4),
        up_ms=spread(up),
        down_ms=spread(down),
        pacing_ms=spread([late for each in pacings for late in each.lateness_ms]),
        barge_in_ms=spread([cut.stop_ms for cut, _ in interrupted]),
        truncate_ms=spread(errors),
        truncate_error_ms=max(map(abs, errors), default=None),
        lost_marks=lost_marks,
        rss_mb=round(rss_mb, 1),
        other_cores=round(other_cores, 3),
        load_cpu=round(load.cpu_s / seconds, 3),
        model_cpu=round(model_cpu_s / seconds, 3),
        step_lateness_ms=steps,
        limited_by=_limit(server_core, other_cores, steps),
    )


def _barge_ins(call: CallHeard, watch: Watch, start: float, end: float) -> list[tuple[BargeIn, int | None]]:
    found = []
    for at in watch.speech_started:
        cut = barge_in(call.packets, at) if start <= at < end else None
        if cut is not None:
            said = [t.audio_end_ms for t in watch.truncates if at <= t.at < at + TRUNCATED_WITHIN_S]
            found.append((cut, said[0] if said else None))
    return found


def _limit(server_core: float, other_cores: float, steps: Spread | None) -> str:
    if other_cores > CORE_FULL or (steps is not None and steps.p99 > STEPS_LATE_MS):
        return "load generator"
    return "server" if server_core > CORE_FULL else ""


def memory_slope_mb(stages: Sequence[Stage]) -> float | None:
    """Megabytes of one call more."""
    if len(stages) < 2:
        return None
    slope = np.polyfit([each.calls for each in stages], [each.rss_mb for each in stages], 1)[0]
    return round(float(slope), 2)


def table(result: Benchmark) -> str:
    """Markdown, as it stands in the README."""
    head = (
        "| calls at once | core-ms per call-second | in time (worst call) | caller → model, ms p50 / p99 "
        "| model → caller, ms p50 / p99 | barge-in stop, ms p50 / p99 | truncation off by, ms at most |"
    )
    rows = [
        f"| {each.calls}{'' if each.held else ' (not held)'} | {each.core_ms_per_call_s:.1f} "
        f"| {each.in_time:.2%} ({each.worst_call:.2%}) | {_pair(each.up_ms)} | {_pair(each.down_ms)} "
        f"| {_pair(each.barge_in_ms)} | {_number(each.truncate_error_ms)} |"
        for each in result.stages
    ]
    memory = f"{result.mb_per_call:.2f} MB" if result.mb_per_call is not None else "not measured"
    after = (
        f"Set-up, offer to first packet: {_pair(result.setup_ms)} ms (p50 / p99). Memory per call: {memory}."
    )
    return "\n".join([head, "|" + "---|" * 7, *rows, "", after, *_doubts(result)])


def _doubts(result: Benchmark) -> list[str]:
    """What else the machine was doing: figures of a busy one say little about the server."""
    disturbed = [f"{each.calls}" for each in result.stages if each.server_waited > QUIET_WAITED]
    limited = [f"{each.calls}" for each in result.stages if each.limited_by == "load generator"]
    doubts = []
    if disturbed:
        doubts.append(
            f"NOT QUIET: others ran on the server's core at {', '.join(disturbed)} calls; measure again."
        )
    if limited:
        doubts.append(f"The load generator was the limit at {', '.join(limited)} calls.")
    return doubts


def _pair(of: Spread | None) -> str:
    return "–" if of is None else f"{of.p50:.1f} / {of.p99:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
