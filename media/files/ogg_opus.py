"""One recording's file: stereo blocks in, Ogg/Opus (RFC 7845) on disk, whole at every page.

A page ends each half second and is handed to the system when the next one is full, so that a process that is killed
loses less than two seconds and leaves a file that plays. Until it is finished the file has another name, and is
locked: whoever finds such a name without its lock knows that its writer is gone (see `media/files/unfinished.py`).

What a setting costs (24 kHz stereo at 48 kbit/s, one side speaking at a time, ms of one Zen 5 core a second of call,
correlation with what went in):

    lowdelay complexity 0, 60 ms   1.6   0.989        audio complexity 5, 20 ms   4.3   0.991
    lowdelay complexity 0, 20 ms   1.9   0.990        voip  complexity 5, 20 ms   7.4   0.67
    lowdelay complexity 5, 20 ms   3.2   0.991

Not thread-safe, and everything here may wait for the disk: one thread of its own, never the event loop.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import av
from av.audio.stream import AudioStream

from media.format import SAMPLE_RATE, samples_to_ms
from media.recording import BLOCK_SAMPLES

BITRATE: Final = 48_000  # bit/s for both channels: 360 kB a minute at most, silence costs a tenth
PAGE_US: Final = 500_000  # microseconds; a crash costs up to two pages, and what the timeline still holds
FILE_MODE: Final = 0o600  # people's voices: the server's own user and nobody else
SUFFIX: Final = ".opus"  # RFC 7845 section 9
UNFINISHED: Final = ".opus.part"


class _Sink:
    """Where the container writes. A refusal of the disk is kept for us to raise: PyAV would lose what it was."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.refusal: OSError | None = None

    def write(self, data: bytes) -> int:
        """All of it, or what the disk takes before it refuses; after that nothing."""
        rest = memoryview(data)
        try:
            while rest and self.refusal is None:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.refusal = error
        return len(data)


class OggOpusFile:
    """Order of calls: `write` blocks, then `finish` or `abandon`. Raises OSError where the disk does."""

    def __init__(self, unfinished: Path) -> None:
        """Creates `unfinished`, which must not be there yet."""
        self._path = unfinished
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
        self._descriptor = descriptor
        self._sink = _Sink(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._container = av.open(
                self._sink,
                "w",
                format="ogg",
                options={"page_duration": str(PAGE_US), "flush_packets": "1"},
            )
            stream = self._container.add_stream(
                "libopus",
                rate=SAMPLE_RATE,
                layout="stereo",
                options={
                    "application": "lowdelay",
                    "compression_level": "0",
                    "frame_duration": str(samples_to_ms(BLOCK_SAMPLES)),
                },
            )
            assert isinstance(stream, AudioStream)
            stream.bit_rate = BITRATE
            self._stream = stream
            self._frame = av.AudioFrame(format="s16", layout="stereo", samples=BLOCK_SAMPLES)
            self._frame.sample_rate = SAMPLE_RATE
        except BaseException:
            os.close(descriptor)
            raise
        self._written = 0

    def write(self, block: bytes) -> None:
        """One block of the timeline."""
        self._frame.planes[0].update(block)
        self._frame.pts = self._written
        self._written += BLOCK_SAMPLES
        for packet in self._stream.encode(self._frame):
            self._container.mux(packet)
        self._raise_refusal()

    def finish(self, name: Path) -> int:
        """The file is complete, on the disk and called `name`; returns its size in bytes."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        self._raise_refusal()
        os.fsync(self._descriptor)
        size = os.fstat(self._descriptor).st_size
        self._path.rename(name)
        sync_folder(name.parent)
        os.close(self._descriptor)
        return size

    def abandon(self) -> None:
        """Lets go of the file as it is, without another byte."""
        self._sink.refusal = self._sink.refusal or OSError("abandoned")
        self._container.close()
        os.close(self._descriptor)

    def _raise_refusal(self) -> None:
        if self._sink.refusal is not None:
            raise self._sink.refusal


def sync_folder(folder: Path) -> None:
    """A name is only safe once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
