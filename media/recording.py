"""Where in a call's recording does a piece of audio go, and what is ready to be written?

A recording has two channels: the caller left, everybody else right. Each piece has a place in samples since the
recording began, so that what is lost on the way to the disk becomes silence and nothing after it moves.

`CallerTrack` gives the caller's frames their places. They come at the pace of the caller's own clock, in bursts
where the network or this process has stalled: a frame follows the one before it, and only what stays away from the
call's clock for a whole second is put right. `Timeline` mixes placed audio and gives it out once nothing more can
come for it.

It knows no file, thread or clock; times are seconds of any one clock. Order of calls: see each class.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

import numpy as np

from media.format import (
    FRAME_SAMPLES,
    SAMPLE_BYTES,
    bytes_to_samples,
    ms_to_samples,
    seconds_to_samples,
)

CHANNELS: Final = 2
BLOCK_SAMPLES: Final = 3 * FRAME_SAMPLES  # given out at a time: 60 ms, Opus's longest frame of its own kind
SILENT_BLOCK: Final = bytes(BLOCK_SAMPLES * CHANNELS * SAMPLE_BYTES)
HOLD_S: Final = 0.6  # how far behind the newest audio it is written; frames that a stall delayed still fit in
TOLERANCE: Final = ms_to_samples(
    30
)  # half of it is a frame's own raster; 40 ms between channels begin to show
JUDGED_FRAMES: Final = 50  # one second: longer than any burst after a stall that a call survives without harm
LOST_TRACK: Final = ms_to_samples(2000)  # so far off it is no burst: the caller was away


class Channel(IntEnum):
    """The column in the stereo file."""

    CALLER = 0
    OTHERS = 1


class CallerTrack:
    """Places for a stream of frames that comes at its own pace. One per stream; `place` for each frame."""

    def __init__(self, start: float) -> None:
        """`start`: when the recording began."""
        self._start = start
        self._next: int | None = None
        self._judged = 0  # frames of this second, and how far ahead of the clock they were, in samples
        self._least = self._most = 0

    def place(self, samples: int, at: float) -> int | None:
        """Where a frame that came at `at` goes; None where it has no place: the stream has run ahead."""
        now = seconds_to_samples(at - self._start)
        if self._next is None or abs(self._next - now) > LOST_TRACK:
            self._next = max(0, now)
            self._judged = 0
        ahead = self._next - now
        self._least = ahead if not self._judged else min(self._least, ahead)
        self._most = ahead if not self._judged else max(self._most, ahead)
        self._judged += 1
        if self._judged == JUDGED_FRAMES:
            self._judged = 0
            if self._least > TOLERANCE:
                return None  # a frame too many: their clock is faster than ours
            if self._most < -TOLERANCE:
                self._next -= self._most  # audio that never came leaves silence
        place = self._next
        self._next += samples
        return place


class Timeline:
    """Mixes placed audio. Order of calls: `add` all that has come, `passed`, write what that gives, and so on.

    Holds HOLD_S of audio, 120 kB, and what was added since; the silence between two pieces takes no room.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, np.ndarray[Any, np.dtype[np.int16]]] = {}
        self._given = 0  # blocks
        self._end = 0
        self.late_samples = 0  # came after their place had been written

    @property
    def end(self) -> int:
        """Where the latest audio ends, in samples."""
        return self._end

    def passed(self) -> Iterator[bytes]:
        """60 ms blocks (interleaved stereo s16le) for which nothing more comes: the latest audio is HOLD_S on."""
        until = self._end - seconds_to_samples(HOLD_S)
        while (self._given + 1) * BLOCK_SAMPLES <= until:
            yield self._take()

    def add(self, channel: Channel, place: int, pcm: bytes) -> None:
        """Mixes mono s16le in at `place`, in samples since the beginning."""
        self._end = max(self._end, place + bytes_to_samples(len(pcm)))
        rest = np.frombuffer(pcm, np.int16, bytes_to_samples(len(pcm)))
        if not rest.any():
            return
        too_late = self._given * BLOCK_SAMPLES - place
        if too_late > 0:
            self.late_samples += min(too_late, len(rest))
            rest, place = rest[too_late:], place + too_late
        while len(rest):
            number, offset = divmod(place, BLOCK_SAMPLES)
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = np.zeros((BLOCK_SAMPLES, CHANNELS), np.int16)
            piece = rest[: BLOCK_SAMPLES - offset]
            column = block[offset : offset + len(piece), channel]
            if column.any():
                # Two voices at once may be louder than one sample can hold: clipped, never wrapped.
                column[:] = np.clip(column.astype(np.int32) + piece, -32768, 32767)
            else:
                column[:] = piece  # as good as always, and a tenth of the cost
            rest, place = rest[len(piece) :], place + len(piece)

    def finish(self, end: int | None = None) -> Iterator[bytes]:
        """All that is left, up to `end` samples (None: the latest audio), padded to a block."""
        until = self._end if end is None else max(end, self._end)
        while self._given * BLOCK_SAMPLES < until:
            yield self._take()

    def _take(self) -> bytes:
        block = self._blocks.pop(self._given, None)
        self._given += 1
        return SILENT_BLOCK if block is None else block.tobytes()
