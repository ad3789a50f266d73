"""The one audio format that crosses our own borders, and every conversion of its units.

The conversation speaks 24 kHz mono s16le, the Realtime API's `audio/pcm`. A frame is 20 ms of it, the
packetization interval WebRTC and trunks use. Nothing else in the house multiplies or divides by these numbers.
"""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 24_000  # Hz; the Realtime API takes and gives PCM at no other rate
SAMPLE_BYTES: Final = 2  # signed 16 bit, little endian, one channel
FRAME_MS: Final = 20  # RFC 3551 section 4.2: the default packetization interval
FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES: Final = FRAME_SAMPLES * SAMPLE_BYTES
SILENT_FRAME: Final = bytes(FRAME_BYTES)

OPUS_CLOCK_RATE: Final = 48_000  # RFC 7587 section 4.1: the RTP clock of Opus, whatever the audio's rate
G711_CLOCK_RATE: Final = 8_000  # RFC 3551 section 4.5.14


def samples_to_ms(samples: int) -> int:
    """Whole milliseconds in `samples`, rounded down: never claims more audio than there is."""
    return samples * 1000 // SAMPLE_RATE


def ms_to_samples(ms: float) -> int:
    return int(ms * SAMPLE_RATE // 1000)


def bytes_to_samples(size: int) -> int:
    """Whole samples in `size` bytes; half a sample at the end does not count."""
    return size // SAMPLE_BYTES


def samples_to_bytes(samples: int) -> int:
    return samples * SAMPLE_BYTES


def bytes_to_ms(size: int) -> int:
    return samples_to_ms(bytes_to_samples(size))


def ms_to_bytes(ms: float) -> int:
    return samples_to_bytes(ms_to_samples(ms))


def seconds_to_samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def samples_to_seconds(samples: int) -> float:
    return samples / SAMPLE_RATE


def frames_to_seconds(frames: int) -> float:
    return frames * FRAME_MS / 1000


def frame_ticks(clock_rate: int) -> int:
    """RTP timestamp units in one 20 ms frame of a stream with this clock."""
    return clock_rate * FRAME_MS // 1000


def ticks_to_samples(ticks: int, clock_rate: int) -> int:
    """RTP timestamp units to samples of ours."""
    return ticks * SAMPLE_RATE // clock_rate


def ticks_to_seconds(ticks: int, clock_rate: int) -> float:
    return ticks / clock_rate


def ticks_to_ms(ticks: float, clock_rate: int) -> float:
    return ticks * 1000 / clock_rate
