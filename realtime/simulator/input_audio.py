"""The input audio buffer: received audio, cut into frames for the detector, held until it is committed.

With turn detection only the prefix padding is kept while nobody speaks; without it everything since the last
commit.  Never more than ten minutes: the oldest is dropped.
"""

from dataclasses import dataclass
from typing import Protocol

from realtime.simulator.audio_formats import Samples, decode
from realtime.simulator.session_config import SAMPLE_RATES
from realtime.simulator.turn_taking import SpeechEvent, TurnTaking

FRAME_MS = 32  # the window of the speech detector
LONGEST_HELD_MS = 10 * 60 * 1000


class SpeechDetector(Protocol):
    """Says of one frame of 32 ms, at the wire's rate, how likely it is speech."""

    def probability(self, frame: Samples) -> float: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A piece of caller audio in the wire's format."""

    data: bytes
    wire_format: str
    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


class InputAudio:
    """Bytes in, speech events out.  A change of format means a new InputAudio at the same clock (`start_ms`)."""

    def __init__(self, wire_format: str, detector: SpeechDetector, *, start_ms: int = 0) -> None:
        self.wire_format = wire_format
        self._bytes_per_ms = SAMPLE_RATES[wire_format] * (2 if wire_format == "audio/pcm" else 1) // 1000
        self._frame_bytes = FRAME_MS * self._bytes_per_ms
        self._detector = detector
        self._base_ms = start_ms
        self._received = 0
        self._unframed = bytearray()
        self._held = bytearray()
        self._held_from = 0  # byte offset of the first held byte

    @property
    def clock_ms(self) -> int:
        """Audio received since the session began."""
        return self._base_ms + self._received // self._bytes_per_ms

    @property
    def held_ms(self) -> int:
        """Audio that a commit would take."""
        return len(self._held) // self._bytes_per_ms

    def append(self, data: bytes, turns: TurnTaking | None, prefix_padding_ms: int) -> list[SpeechEvent]:
        """Take the next audio; with `turns`, find what the caller began or ended in it."""
        self._received += len(data)
        self._held += data
        if turns is None:
            self._trim(LONGEST_HELD_MS)
            return []
        events: list[SpeechEvent] = []
        pending = self._unframed
        pending += data
        at = 0
        while len(pending) - at >= self._frame_bytes:
            frame = decode(bytes(pending[at : at + self._frame_bytes]), self.wire_format)
            at += self._frame_bytes
            end_ms = self._base_ms + (self._received - len(pending) + at) // self._bytes_per_ms
            event = turns.frame(self._detector.probability(frame), FRAME_MS, end_ms)
            if event is not None:
                events.append(event)
        del pending[:at]
        if not events:
            # Kept beyond the padding: the frames that were needed to notice the speech.
            self._trim(LONGEST_HELD_MS if turns.speaking else prefix_padding_ms + 4 * FRAME_MS)
        return events

    def take(self, start_ms: int | None = None, end_ms: int | None = None) -> Recording:
        """Remove everything up to `end_ms` (None: all) from the buffer; return what lies from `start_ms` on."""
        held_from_ms = self._base_ms + self._held_from // self._bytes_per_ms
        first = max(
            0, ((start_ms if start_ms is not None else held_from_ms) - held_from_ms) * self._bytes_per_ms
        )
        last = len(self._held)
        if end_ms is not None:
            last = min(last, max(first, (end_ms - held_from_ms) * self._bytes_per_ms))
        data = bytes(self._held[first:last])
        begin_ms = held_from_ms + first // self._bytes_per_ms
        del self._held[:last]
        self._held_from += last
        return Recording(
            data=data,
            wire_format=self.wire_format,
            start_ms=begin_ms,
            end_ms=begin_ms + len(data) // self._bytes_per_ms,
        )

    def peek(self, start_ms: int) -> Recording:
        """What is held from `start_ms` on, left in place."""
        held_from_ms = self._base_ms + self._held_from // self._bytes_per_ms
        first = max(0, (start_ms - held_from_ms) * self._bytes_per_ms)
        data = bytes(self._held[first:])
        begin_ms = held_from_ms + first // self._bytes_per_ms
        return Recording(data=data, wire_format=self.wire_format, start_ms=begin_ms, end_ms=self.clock_ms)

    def clear(self) -> None:
        """Drop what is held.  The clock goes on."""
        self._held_from += len(self._held)
        self._held.clear()
        self._detector.reset()

    def close(self) -> None:
        """Give the detector back."""
        self._detector.close()

    def _trim(self, keep_ms: int) -> None:
        surplus = len(self._held) - keep_ms * self._bytes_per_ms
        if surplus > 0:
            del self._held[:surplus]
            self._held_from += surplus
