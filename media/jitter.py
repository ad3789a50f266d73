"""When does a received packet leave for the decoder, and when is one that has not come given up?

A packet that is next in line leaves at once: the listener is a speech model, not a loudspeaker, so holding audio
back on a quiet network would only add delay. Waiting begins at a hole. The fastest packets of the last seconds
say when the missing one should have come; `window` after that (40 to 240 ms, following how late packets have
lately been) its place is given up as a Hole, and what waits behind it follows. So the output keeps the pace of
the sender's clock, 50 frames a second, at any loss, and goes on with Holes when nothing comes at all.

aiortc's own buffer releases a frame only when five packets in a row are there, which turns 5 % loss into 24 %.

Order of calls: `receive` for each packet and `advance` at least every 20 ms; decode what they return, in order,
before the next call. Time is an argument, in seconds; timestamps are RTP's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from media.format import frame_ticks, ticks_to_seconds
from media.rtp import timestamp_distance

MIN_WINDOW_S: Final = 0.040  # lets one packet overtake another, and the FEC of the next one come
MAX_WINDOW_S: Final = 0.240  # beyond it a conversation feels broken; late packets are then lost packets
WINDOW_MARGIN_S: Final = 0.020  # above the lateness seen: one frame
PEAK_DECAY: Final = 1 - 1 / 400  # per packet: a burst of jitter is forgotten in about 8 s
FLOOR_PERIOD_S: Final = 2.0  # how long one packet may define "fastest"; follows clock drift and new routes
RESTART_BEHIND_S: Final = 10.0  # a timestamp this far back is another stream, not a late packet
RESTART_AHEAD_S: Final = (
    1.0  # the output keeps the clock's pace, so no packet of the same stream is so far ahead
)
LATE_RUN_S: Final = 0.1  # nothing but late packets for so long: the route has become slower, start again
MAX_HOLES: Final = 3  # per call: after a stall of ours, read the sockets before giving the rest up
MAX_WAITING: Final = 64  # packets behind a hole, 1.3 s; only a stream that jumps about fills it


@dataclass(frozen=True, slots=True)
class Hole:
    """Audio that did not come in time."""

    ticks: int  # how much, in RTP timestamp units; a frame at most
    following: bytes | None  # the payload right behind it, whose FEC may restore it


class _Floor:
    """The smallest transit time of the last two to four seconds."""

    def __init__(self, transit: float, now: float) -> None:
        self._before = self._lately = transit
        self._since = now
        self.value = transit

    def add(self, transit: float, now: float) -> float:
        if now - self._since >= FLOOR_PERIOD_S:
            self._before, self._lately, self._since = self._lately, transit, now
            self.value = min(self._before, transit)
        elif transit < self._lately:
            self._lately = transit
            self.value = min(self._before, transit)
        return self.value


class JitterBuffer:
    """`measure` tells how many timestamp units a payload lasts (0: not decodable)."""

    def __init__(self, clock_rate: int, measure: Callable[[bytes], int]) -> None:
        self._clock_rate = clock_rate
        self._frame = frame_ticks(clock_rate)
        self._measure = measure
        self._waiting: dict[int, bytes] = {}
        self._next: int | None = None  # timestamp that leaves next, unwrapped
        self._floor: _Floor | None = None
        self._peak_s = 0.0
        self._late_since: float | None = None
        self.late = 0  # packets that came after their place was given up
        self.duplicates = 0
        self.restarts = 0

    @property
    def started(self) -> bool:
        return self._next is not None

    @property
    def window_s(self) -> float:
        return min(max(self._peak_s + WINDOW_MARGIN_S, MIN_WINDOW_S), MAX_WINDOW_S)

    def reset(self) -> None:
        """Forgets the stream; the next packet starts a new one."""
        self._waiting.clear()
        self._next = None

    def receive(self, timestamp: int, payload: bytes, now: float) -> list[bytes | Hole]:
        """Takes one packet; returns what can be decoded now."""
        if self._next is None or self._floor is None:
            return self._start(timestamp, payload, now)
        ahead = timestamp_distance(timestamp, self._next & 0xFFFFFFFF)
        seconds = ticks_to_seconds(ahead, self._clock_rate)
        if not -RESTART_BEHIND_S <= seconds <= RESTART_AHEAD_S:
            self.restarts += 1
            return self._start(timestamp, payload, now)
        position = self._next + ahead
        transit = now - ticks_to_seconds(position, self._clock_rate)
        lateness = transit - self._floor.add(transit, now)
        self._peak_s = max(lateness, self._peak_s * PEAK_DECAY)

        if ahead < 0:
            return self._too_late(timestamp, payload, now)
        self._late_since = None
        if ahead == 0 and not self._waiting:
            self._next = position + (self._measure(payload) or self._frame)
            return [payload]
        if position in self._waiting:
            self.duplicates += 1
        elif len(self._waiting) >= MAX_WAITING:
            self.restarts += 1
            return self._start(timestamp, payload, now)
        else:
            self._waiting[position] = payload
        return self.advance(now)

    def advance(self, now: float) -> list[bytes | Hole]:
        """Returns what has become due: packets in line, and holes whose time is up."""
        released: list[bytes | Hole] = []
        if self._next is None or self._floor is None:
            return released
        holes = 0
        while True:
            payload = self._waiting.pop(self._next, None)
            if payload is not None:
                released.append(payload)
                self._next += self._measure(payload) or self._frame
                self._drop_overlapped()
                continue
            due = self._floor.value + ticks_to_seconds(self._next, self._clock_rate) + self.window_s
            if now < due or holes == MAX_HOLES:
                return released
            ticks = min(self._frame, min(self._waiting, default=self._next + self._frame) - self._next)
            released.append(Hole(ticks, self._waiting.get(self._next + ticks)))
            self._next += ticks
            holes += 1

    def _start(self, timestamp: int, payload: bytes, now: float) -> list[bytes | Hole]:
        self._waiting.clear()
        self._floor = _Floor(now - ticks_to_seconds(timestamp, self._clock_rate), now)
        self._peak_s = 0.0
        self._late_since = None
        self._next = timestamp + (self._measure(payload) or self._frame)
        return [payload]

    def _too_late(self, timestamp: int, payload: bytes, now: float) -> list[bytes | Hole]:
        self.late += 1
        if self._late_since is None:
            self._late_since = now
        if now - self._late_since < LATE_RUN_S:
            return []
        self.restarts += 1
        return self._start(timestamp, payload, now)

    def _drop_overlapped(self) -> None:
        """A sender whose packets overlap: what begins inside audio that has left cannot be placed any more."""
        assert self._next is not None
        for position in [position for position in self._waiting if position < self._next]:
            del self._waiting[position]
            self.late += 1
