"""The agent's audio that waits to be sent, cut into frames.

PCM comes in pieces of any length and leaves in frames of 20 ms; a part's odd remainder waits for more, and is
padded with silence when the part is finished. Bounded: beyond `max_frames` the newest audio is refused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media.format import FRAME_BYTES, bytes_to_samples
from media.playout import PartKey


@dataclass(frozen=True, slots=True)
class QueuedFrame:
    part: PartKey
    pcm: bytes  # always 960 bytes
    samples: int  # of the part's own audio in it: less than 480 only in its last frame


class Playlist:
    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._frames: deque[QueuedFrame] = deque()
        self._rest: dict[
            PartKey, bytes
        ] = {}  # at most one open part in practice: a new part closes the others

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, part: PartKey, pcm: bytes) -> tuple[int, int]:
        """Takes PCM of any length; returns the samples (taken, refused)."""
        for other in [key for key in self._rest if key != part]:
            self.finish(other)
        before = len(self._rest.get(part, b""))
        room = max(0, (self._max_frames - len(self._frames)) * FRAME_BYTES - before)
        taken = pcm[:room]
        data = self._rest.get(part, b"") + taken
        whole = len(data) - len(data) % FRAME_BYTES
        full = bytes_to_samples(FRAME_BYTES)
        self._frames.extend(
            QueuedFrame(part, data[at : at + FRAME_BYTES], full) for at in range(0, whole, FRAME_BYTES)
        )
        self._rest[part] = data[whole:]
        accepted = bytes_to_samples(before + len(taken)) - bytes_to_samples(before)
        return accepted, bytes_to_samples(len(pcm) - len(taken))

    def finish(self, part: PartKey) -> None:
        """No more comes for this part: its remainder is padded to a frame."""
        rest = self._rest.pop(part, b"")
        samples = bytes_to_samples(len(rest))
        if samples:
            padded = rest[: len(rest) - len(rest) % 2].ljust(FRAME_BYTES, b"\0")
            self._frames.append(QueuedFrame(part, padded, samples))

    def next(self) -> QueuedFrame | None:
        return self._frames.popleft() if self._frames else None

    def clear(self) -> None:
        self._frames.clear()
        self._rest.clear()
