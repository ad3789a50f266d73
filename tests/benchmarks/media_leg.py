"""What one media leg costs: N calls in this process, their callers in another, real RTP between them.

    python -m tests.benchmarks.media_leg --calls 20 --seconds 10

Mix per call: the caller speaks all the time, the agent 57 % of it. Prints core-ms per call-second of this process,
set-up times, pacing, latency caller → observer, barge-in and memory, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import numpy as np
import psutil

from media.playout import PartKey
from media.rtc.caller import Caller
from media.rtc.peer import OpusSettings, Peer, PeerConfig

TALK_S, PAUSE_S = 4.0, 3.0  # 57 % talking


def voice(seconds: float, seed: int = 0) -> bytes:
    """Voice-like: harmonics of a wavering pitch, in syllables."""
    t = np.arange(int(24_000 * seconds)) / 24_000
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 3 * t + seed)) / 24_000
    wave: Any = sum(np.sin(phase * n) / n for n in range(1, 25)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    return bytes((wave * 4000).astype("<i2").tobytes())


@dataclass
class Sink:
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    connected_at: float = 0.0
    frames: int = 0

    def media_connected(self, at: float, codec: str) -> None:
        self.connected_at = at
        self.connected.set()

    def audio_received(self, pcm: bytes, at: float) -> None:
        self.frames += 1

    def part_started(self, part: PartKey, at: float) -> None: ...
    def playout_drained(self, at: float) -> None: ...
    def digit_received(self, digit: str, duration_ms: int) -> None: ...
    def peer_lost(self, silent_ms: int, at: float) -> None: ...
    def peer_resumed(self, gap_ms: int, at: float) -> None: ...
    def peer_gone(self, reason: str, at: float) -> None: ...


def callers(pipe: Pipe, calls: int, codec: str) -> None:
    asyncio.run(_callers(pipe, calls, codec))


async def _callers(pipe: Pipe, calls: int, codec: str) -> None:
    loop = asyncio.get_running_loop()
    said = voice(60.0)
    made: list[Caller] = []
    talking: list[asyncio.Task[None]] = []

    async def post(offer: str) -> str:
        pipe.send(offer)
        return str(await loop.run_in_executor(None, pipe.recv))

    for _ in range(calls):
        caller = Caller(codecs=(codec,), addresses=("127.0.0.1",))
        await caller.connect(post)
        made.append(caller)
        talking.append(asyncio.create_task(caller.speak(said)))
        pipe.send("connected")
        await loop.run_in_executor(None, pipe.recv)
    await loop.run_in_executor(None, pipe.recv)
    lateness = [late for caller in made for late in _lateness(caller)]
    first = [caller.packets[0].at for caller in made]
    pipe.send({"lateness": lateness, "first": first})
    for caller in made:
        await caller.close()
    await asyncio.gather(*talking)


def _lateness(caller: Caller) -> list[float]:
    """How long after its timestamp's due time each packet came, against the call's fastest packet."""
    first = caller.packets[0].timestamp
    rate = 48_000 if caller.codec == "opus" else 8_000
    transit = [p.at - ((p.timestamp - first) & 0xFFFFFFFF) / rate for p in caller.packets]
    fastest = min(transit)
    return [t - fastest for t in transit]


async def measure(calls: int, seconds: float, codec: str, opus: OpusSettings) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=callers, args=(theirs, calls, codec))
    process.start()
    config = PeerConfig(addresses=("127.0.0.1",), opus=opus)
    peers: list[Peer] = []
    sinks: list[Sink] = []
    setup: list[float] = []
    posted: list[float] = []
    gc.collect()
    me = psutil.Process()
    memory: list[int] = []
    for number in range(calls):
        offer = await loop.run_in_executor(None, ours.recv)
        if number == 0:
            gc.collect()
        memory.append(me.memory_info().rss)
        begin = loop.time()
        posted.append(begin)
        sink = Sink()
        peer = await Peer.answer(offer, sink, config)
        ours.send(peer.answer_sdp)
        await sink.connected.wait()
        setup.append((sink.connected_at - begin) * 1000)
        peers.append(peer)
        sinks.append(sink)
        await loop.run_in_executor(None, ours.recv)
        ours.send("next")

    said = voice(TALK_S)
    stop = asyncio.Event()

    async def agent(peer: Peer, number: int) -> None:
        turn = 0
        await asyncio.sleep((number % 10) / 10 * (TALK_S + PAUSE_S))
        while not stop.is_set():
            part = PartKey("r", f"{number}-{turn}", 0)
            for start in range(0, len(said), 9600):
                peer.play(part, said[start : start + 9600])
            peer.finish(part)
            turn += 1
            await asyncio.sleep(TALK_S + PAUSE_S)

    talking = [asyncio.create_task(agent(peer, number)) for number, peer in enumerate(peers)]
    await asyncio.sleep(1)
    frames, cpu, begin = sum(s.frames for s in sinks), time.process_time(), loop.time()
    await asyncio.sleep(seconds)
    used, elapsed = time.process_time() - cpu, loop.time() - begin
    frames = sum(s.frames for s in sinks) - frames
    memory.append(me.memory_info().rss)
    stop.set()
    for task in talking:
        task.cancel()
    await asyncio.wait(talking)
    ours.send("done")
    seen = await loop.run_in_executor(None, ours.recv)
    stats = [peer.stats() for peer in peers]
    for peer in peers:
        await peer.close()
    process.join()
    late = sorted(1000 * value for value in seen["lateness"])
    return {
        "calls": calls,
        "codec": codec,
        "core_ms_per_call_s": round(1000 * used / elapsed / calls, 2),
        "core_share": round(used / elapsed, 3),
        "frames_per_call_s": round(frames / elapsed / calls, 2),
        "concealed_ms": sum(s.concealed_ms for s in stats),
        "received_ms": sum(s.received_ms for s in stats),
        "setup_ms_p50": round(statistics.median(setup), 1),
        "packet_lateness_ms_p50_p99": [round(late[len(late) // 2], 2), round(late[int(len(late) * 0.99)], 2)],
        "memory_mb_per_call": round((memory[-1] - memory[0]) / calls / 1e6, 2),
        "post_to_first_rtp_ms_p50": round(
            1000 * statistics.median(b - a for a, b in zip(posted, seen["first"], strict=True)), 1
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--codec", default="opus")
    parser.add_argument("--complexity", type=int, default=OpusSettings().complexity)
    options = parser.parse_args()
    opus = OpusSettings(complexity=options.complexity)
    print(json.dumps(asyncio.run(measure(options.calls, options.seconds, options.codec, opus))))


if __name__ == "__main__":
    main()
