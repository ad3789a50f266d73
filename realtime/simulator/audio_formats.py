"""The three wire formats and plain linear PCM: G.711 both ways, and sample-rate conversion.

24 kHz, 16 kHz and 8 kHz only; windowed-sinc filters in numpy, so that the simulator shares no resampler with
the media side it is used to test.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]


@cache
def _ulaw_to_linear() -> Samples:
    """ITU-T G.711, table 2a: the 256 µ-law codes as 16-bit samples."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 0x07)
    value = np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84)
    return value.astype(np.int16)


@cache
def _alaw_to_linear() -> Samples:
    """ITU-T G.711, table 1a: the 256 A-law codes as 16-bit samples."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 0x07
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _nearest_code(wire_format: str) -> npt.NDArray[np.uint8]:
    """For every 16-bit sample (index + 32768) the code whose value is nearest."""
    values = _ulaw_to_linear() if wire_format == "audio/pcmu" else _alaw_to_linear()
    order = np.argsort(values, kind="stable")
    ladder = values[order].astype(np.int32)
    between = (ladder[1:] + ladder[:-1]) // 2
    return order[np.searchsorted(between, np.arange(-32768, 32768), side="left")].astype(np.uint8)


def decode(data: bytes, wire_format: str) -> Samples:
    """Wire bytes as samples, at the format's own rate."""
    if wire_format == "audio/pcm":
        return np.frombuffer(data, dtype="<i2")
    table = _ulaw_to_linear() if wire_format == "audio/pcmu" else _alaw_to_linear()
    return table[np.frombuffer(data, dtype=np.uint8)]


def encode(samples24k: Samples, wire_format: str) -> bytes:
    """24 kHz samples as wire bytes; the telephone formats come out at 8 kHz."""
    if wire_format == "audio/pcm":
        return samples24k.astype("<i2").tobytes()
    samples = resample(samples24k, 24_000, 8_000)
    return _nearest_code(wire_format)[samples.astype(np.int32) + 32768].tobytes()


def as_floats(samples: Samples) -> Floats:
    """Samples in [-1, 1)."""
    floats: Floats = samples.astype(np.float32) / np.float32(32768)
    return floats


# Half the filter's length in periods of the lower rate: 16 keeps the pass band flat to 90 % of it.
_REACH = 16


@cache
def _low_pass(up: int, down: int) -> Floats:
    """Windowed sinc at the rate `up` times the input's, cutting at the lower of the two Nyquist limits."""
    widest = max(up, down)
    at = np.arange(-_REACH * widest, _REACH * widest + 1)
    taps = np.sinc(at / widest * 0.95) * np.hanning(len(at) + 2)[1:-1]
    scaled: Floats = (taps / taps.sum() * up).astype(np.float32)
    return scaled


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """A whole piece of audio at another rate: no delay, same length in time."""
    if from_rate == to_rate or len(samples) == 0:
        return samples
    divisor = int(np.gcd(from_rate, to_rate))
    up, down = to_rate // divisor, from_rate // divisor
    taps = _low_pass(up, down)
    wide = np.zeros(len(samples) * up, dtype=np.float32)
    wide[::up] = samples
    filtered = np.convolve(wide, taps, mode="same") if len(wide) >= len(taps) else np.convolve(wide, taps)
    if len(filtered) > len(wide):
        start = (len(filtered) - len(wide)) // 2
        filtered = filtered[start : start + len(wide)]
    return np.clip(np.rint(filtered[::down]), -32768, 32767).astype(np.int16)


class Downsampler24To16:
    """24 kHz to 16 kHz for a running stream, in blocks of a multiple of three samples; about 1 ms late."""

    def __init__(self) -> None:
        self._taps = _low_pass(2, 3)
        self._tail = np.zeros(len(self._taps) // 2 + 1, dtype=np.float32)

    def push(self, samples: Samples) -> Floats:
        """The next block, as floats in [-1, 1)."""
        joined = np.concatenate([self._tail, as_floats(samples)])
        self._tail = joined[-len(self._tail) :]
        wide = np.zeros(len(joined) * 2, dtype=np.float32)
        wide[::2] = joined
        valid = np.convolve(wide, self._taps, mode="valid")
        return valid[-len(samples) * 2 :: 3].astype(np.float32)
