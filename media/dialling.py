"""Keys pressed from our side, as RTP events (RFC 4733): one packet at most for each frame of 20 ms.

The other direction is media/telephone_event.py. Who sends asks `busy` before each frame; while it is true, `next`
takes the place of the frame's audio.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from media.format import frame_ticks
from media.telephone_event import DIGITS

PRESS_FRAMES: Final = 6  # 120 ms down: Q.24 and most exchanges want 40, slow voice menus 100
GAP_FRAMES: Final = 4  # 80 ms up
END_PACKETS: Final = 3  # RFC 4733 section 2.5.1.4: the end of an event is sent three times
VOLUME: Final = 10  # -10 dBm0: loud, and below the -8 dBm0 where receivers begin to clip
MAX_WAITING: Final = 64  # keys; a card number with all its questions is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPacket:
    """What goes into one RTP packet of the event's payload type."""

    marker: bool  # the first of its press
    timestamp: int  # of the beginning of the press, in every packet of it
    payload: bytes


class Dialling:
    """Keys in a row: `press` at will, `next` once a frame while `busy`. Bounded: beyond MAX_WAITING `press` fails."""

    def __init__(self, clock_rate: int) -> None:
        """`clock_rate`: of the telephone-event payload type, Hz."""
        self._ticks = frame_ticks(clock_rate)
        self._waiting: deque[int] = deque()
        self._frame = 0  # of the key that is down or has just been let go
        self._timestamp = 0

    @property
    def busy(self) -> bool:
        """A key is down, has just been let go, or waits."""
        return bool(self._waiting)

    def press(self, digits: str) -> None:
        """Raises ValueError, and takes none of them, where one is no key or too many would wait."""
        if wrong := [digit for digit in digits if digit.upper() not in DIGITS]:
            raise ValueError(f"{wrong[0]!r} is no key of a telephone; there are {DIGITS}")
        if len(self._waiting) + len(digits) > MAX_WAITING:
            raise ValueError(f"more than {MAX_WAITING} keys would wait to be pressed")
        self._waiting.extend(DIGITS.index(digit.upper()) for digit in digits)

    def next(self, timestamp: int) -> KeyPacket | None:
        """The packet of this frame, None in a gap. `timestamp`: RTP, of this frame. Only while `busy`."""
        event = self._waiting[0]
        if self._frame == 0:
            self._timestamp = timestamp
        self._frame += 1
        frame = self._frame
        if frame == PRESS_FRAMES + GAP_FRAMES:
            self._waiting.popleft()
            self._frame = 0
        if frame >= PRESS_FRAMES + END_PACKETS:
            return None
        ended = frame >= PRESS_FRAMES
        duration = min(frame, PRESS_FRAMES) * self._ticks
        payload = bytes((event, (0x80 if ended else 0) | VOLUME)) + duration.to_bytes(2, "big")
        return KeyPacket(marker=frame == 1, timestamp=self._timestamp, payload=payload)
