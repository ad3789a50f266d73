"""What recording costs: `python -m tests.benchmarks.recording --calls 20 --seconds 20`.

N calls' frames at a call's own rhythm (the caller 50 frames a second, talking half the time; the agent 57 %), once
handed over to nobody and once to a Recorder that writes real files. Prints as JSON: core-ms per call-second of the
event loop's thread and of the recorder's, how late the loop's ticks are with and without it (ms), memory per call,
and the size of the files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no stubs in the lock file

from media.files.recorder import Recorder, Recording
from media.format import FRAME_BYTES, FRAME_MS
from tests.benchmarks.media_leg import voice

GROUPS = 4  # as the ticker has them
CYCLE_S, CALLER_S, AGENT_S = 7.0, 3.0, 4.0
SILENCE = bytes(FRAME_BYTES)


def _frames(seed: int) -> list[bytes]:
    pcm = voice(CYCLE_S, seed=seed)
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


async def _calls(recordings: Sequence[Recording | None], seconds: float) -> list[float]:
    """Hands over every call's frames on time; returns how late each tick was, in ms."""
    loop = asyncio.get_running_loop()
    caller, agent = _frames(1), _frames(2)
    start, late = loop.time(), []
    for step in range(int(seconds * 1000 / FRAME_MS * GROUPS)):
        due = start + step * FRAME_MS / 1000 / GROUPS
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        late.append((loop.time() - due) * 1000)
        number = step // GROUPS % len(caller)
        at_s = number * FRAME_MS / 1000
        for recording in recordings[step % GROUPS :: GROUPS]:
            if recording is not None:
                recording.caller(caller[number] if at_s < CALLER_S else SILENCE, due)
                if at_s >= CYCLE_S - AGENT_S:
                    recording.others(agent[number], due)
    return late


def _measured(recordings: Sequence[Recording | None], seconds: float) -> dict[str, float]:
    loop_before, all_before = time.thread_time(), time.process_time()
    late = asyncio.run(_calls(recordings, seconds))
    loop_s, all_s = time.thread_time() - loop_before, time.process_time() - all_before
    return {
        "loop_ms": loop_s * 1000,
        "recorder_ms": (all_s - loop_s) * 1000,
        "late_p50_ms": statistics.median(late),
        "late_p99_ms": statistics.quantiles(late, n=100)[98],
    }


def measure(calls: int, seconds: float) -> dict[str, float]:
    """Every figure; `…_core_ms` are per call-second."""
    nobody = _measured([None] * calls, seconds)
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        warm = recorder.start("warm", 0.0)  # libopus, numpy and the thread are there before the clock runs
        warm.caller(SILENCE, 0.0)
        warm.finish(1.0)
        warm.done.result(10)
        memory = process.memory_info().rss
        now = time.monotonic()
        recordings = [recorder.start(f"call{number}", now) for number in range(calls)]
        somebody = _measured(recordings, seconds)
        used = process.memory_info().rss - memory
        for recording in recordings:
            recording.finish(now + seconds)
        results = [recording.done.result(30) for recording in recordings]
        recorder.close(now + seconds)
    kept = [result for result in results if result is not None]
    call_s = calls * seconds
    return {
        "calls": calls,
        "seconds": seconds,
        "loop_core_ms": round((somebody["loop_ms"] - nobody["loop_ms"]) / call_s, 3),
        "recorder_core_ms": round((somebody["recorder_ms"] - nobody["recorder_ms"]) / call_s, 3),
        "late_without_p50_ms": round(nobody["late_p50_ms"], 3),
        "late_without_p99_ms": round(nobody["late_p99_ms"], 3),
        "late_with_p50_ms": round(somebody["late_p50_ms"], 3),
        "late_with_p99_ms": round(somebody["late_p99_ms"], 3),
        "memory_kb_per_call": round(used / calls / 1024),
        "file_kb_per_minute": round(sum(each.bytes for each in kept) / call_s * 60 / 1024),
        "lost_ms": sum(each.lost_ms for each in kept),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=20)
    asked = arguments.parse_args()
    print(json.dumps(measure(asked.calls, asked.seconds), indent=2))


if __name__ == "__main__":
    main()
