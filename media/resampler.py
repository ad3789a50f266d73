"""Mono s16le from one rate to another, through PyAV's libswresample.

A filter needs a little audio on both sides of a sample, so the first push would come out short and every later
frame a few samples late, which costs a whole frame of waiting. The stream is therefore begun with `LEAD_MS` of
silence: each push of whole frames then gives as much as it took.
"""

from __future__ import annotations

from typing import Final

import av

from media.format import SAMPLE_BYTES

LEAD_MS: Final = 5  # libswresample's filter is 32 taps at the lower rate: 2 ms on each side at 8 kHz


class Resampler:
    """One stream in one direction; holds the filter's state. `push` pieces in order."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._source_rate = source_rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=target_rate)
        self._ready = self._run(bytes(source_rate * LEAD_MS // 1000 * SAMPLE_BYTES))

    def push(self, pcm: bytes) -> bytes:
        """All that has become ready. Whole samples only."""
        if self._ready:
            ready, self._ready = self._ready, b""
            return ready + self._run(pcm)
        return self._run(pcm)

    def _run(self, pcm: bytes) -> bytes:
        if not pcm:
            return b""
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // SAMPLE_BYTES)
        frame.sample_rate = self._source_rate
        frame.planes[0].update(pcm)
        return b"".join(
            bytes(out.planes[0])[: out.samples * SAMPLE_BYTES] for out in self._resampler.resample(frame)
        )


def resample(pcm: bytes, source_rate: int, target_rate: int) -> bytes:
    """A whole recording at once; as long as the original, to the sample."""
    if source_rate == target_rate:
        return pcm
    resampler = av.AudioResampler(format="s16", layout="mono", rate=target_rate)
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // SAMPLE_BYTES)
    frame.sample_rate = source_rate
    frame.planes[0].update(pcm[: frame.samples * SAMPLE_BYTES])
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return b"".join(bytes(out.planes[0])[: out.samples * SAMPLE_BYTES] for out in pieces)
