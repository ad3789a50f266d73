"""Keys pressed on a telephone, as RTP events (RFC 4733): each press told once, whatever packets are lost or doubled.

A press is a run of packets with one timestamp: the first ones say "still down, so long so far", the last one has
the end bit and is sent three times. The press is told at its first end packet; where all three are lost, at the
start of the next press or after a silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DIGITS: Final = "0123456789*#ABCD"  # RFC 4733 section 3.2, events 0 to 15
SILENCE_S: Final = 0.25  # updates come every 20-50 ms while a key is down
MAX_DURATION: Final = 0xFFFF  # a longer press continues in a new segment (RFC 4733 section 2.5.1.3)
REMEMBERED: Final = 8  # presses whose late packets are still recognised


@dataclass(frozen=True, slots=True)
class Press:
    digit: str
    duration_ms: int


@dataclass(slots=True)
class _Held:
    event: int
    timestamp: int
    duration: int
    before: int  # ticks of the segments before this one
    heard_at: float


class TelephoneEvents:
    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._held: _Held | None = None
        self._told: list[int] = []

    def receive(self, timestamp: int, payload: bytes, now: float) -> list[Press]:
        """Takes one event packet; returns the presses that it completes, in order."""
        if len(payload) < 4 or payload[0] >= len(DIGITS) or timestamp in self._told:
            return []
        event, ended, duration = payload[0], bool(payload[1] & 0x80), int.from_bytes(payload[2:4], "big")
        presses: list[Press] = []
        held = self._held
        if held is not None and held.timestamp != timestamp:
            if self._continues(held, event, timestamp):
                held.before += held.duration
                held.timestamp, held.duration = timestamp, 0
            else:
                presses.append(self._tell(held))
                held = None
        if held is None:
            held = self._held = _Held(event, timestamp, 0, 0, now)
        held.duration = max(held.duration, duration)
        held.heard_at = now
        if ended:
            presses.append(self._tell(held))
        return presses

    def advance(self, now: float) -> list[Press]:
        """Tells a press whose end packets were all lost."""
        if self._held is not None and now - self._held.heard_at >= SILENCE_S:
            return [self._tell(self._held)]
        return []

    def _continues(self, held: _Held, event: int, timestamp: int) -> bool:
        return held.event == event and (timestamp - held.timestamp) & 0xFFFFFFFF == MAX_DURATION

    def _tell(self, held: _Held) -> Press:
        self._held = None
        self._told = [*self._told[1 - REMEMBERED :], held.timestamp]
        ticks = held.before + held.duration
        return Press(DIGITS[held.event], ticks * 1000 // self._clock_rate)
