"""From what both ends saw to the figures: pure, so that a measurement's arithmetic can be tested without one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.measurements import Packet

FRAME_MS = 20
TICKS = 960
CLOCK_RATE = 48_000
LATE_S = 0.020  # "in time": within 20 ms of schedule
SEEN_WITHIN_S = 1.0  # a mark that takes longer counts as lost
PLAYING_WITHIN_S = 0.060  # the agent was speaking if its last packet is no older


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Percentiles of milliseconds; `count` is how many were measured."""

    p50: float
    p99: float
    worst: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return Spread(p50=at(0.5), p99=at(0.99), worst=round(ordered[-1], 1), count=len(ordered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How well one call's packets kept to their schedule, which is given by their own timestamps."""

    expected: int
    in_time: int
    lateness_ms: list[float]

    @property
    def share(self) -> float:
        return self.in_time / self.expected if self.expected else 1.0


def pacing(packets: Sequence[Packet], start: float, end: float) -> Pacing:
    """Of the packets due from `start` to `end`; lost ones and frames that were skipped are not in time."""
    if not packets:
        return Pacing(expected=0, in_time=0, lateness_ms=[])
    first = packets[0].timestamp
    offsets = [packet.at - ((packet.timestamp - first) & 0xFFFFFFFF) / CLOCK_RATE for packet in packets]
    base = min(offsets)
    expected = in_time = 0
    lateness = []
    for index, packet in enumerate(packets):
        if not start <= packet.at < end:
            continue
        late = offsets[index] - base
        expected += 1
        in_time += late <= LATE_S
        lateness.append(late * 1000)
        if index:
            expected += _missing(packets[index - 1], packet)
    return Pacing(expected=expected, in_time=in_time, lateness_ms=lateness)


def _missing(before: Packet, packet: Packet) -> int:
    lost = ((packet.sequence - before.sequence) & 0xFFFF) - 1
    if packet.marker or packet.comfort or before.comfort:
        return max(0, lost)  # a pause lies between them
    frames = ((packet.timestamp - before.timestamp) & 0xFFFFFFFF) // TICKS - 1
    return max(0, lost, frames)


def delays_ms(left: Sequence[float], came: Sequence[float]) -> tuple[list[float], int]:
    """For each departure the first arrival after it, before the next departure; and how many had none."""
    delays: list[float] = []
    lost = 0
    for number, at in enumerate(left):
        until = min(at + SEEN_WITHIN_S, left[number + 1] if number + 1 < len(left) else at + SEEN_WITHIN_S)
        found = bisect_left(came, at)
        if found < len(came) and came[found] < until:
            delays.append((came[found] - at) * 1000)
        else:
            lost += 1
    return delays, lost


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn:
    stop_ms: float  # from speech_started to the last packet with old audio; 0: none came after
    received_ms: int  # of the answer that was cut, since its beginning


def barge_in(packets: Sequence[Packet], speech_started: float) -> BargeIn | None:
    """What became of the agent's speech at this moment; None where it was not speaking."""
    audible = [number for number, packet in enumerate(packets) if packet.audible]
    before = [number for number in audible if packets[number].at <= speech_started]
    if not before or speech_started - packets[before[-1]].at > PLAYING_WITHIN_S:
        return None
    begins = before[-1]
    while begins and not packets[begins].marker:
        begins -= 1
    ends = next(
        (number for number in range(before[-1] + 1, len(packets)) if packets[number].marker), len(packets)
    )
    old = [number for number in audible if begins <= number < ends]
    return BargeIn(
        stop_ms=max(0.0, (packets[old[-1]].at - speech_started) * 1000),
        received_ms=(old[-1] - begins + 1) * FRAME_MS,
    )
