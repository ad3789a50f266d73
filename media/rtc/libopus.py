"""libopus through ctypes: 24 kHz mono straight in and straight out, with FEC and concealment.

PyAV decodes Opus to 48 kHz only (42 µs a frame with the resampler, 22 µs here) and offers neither forward error
correction nor concealment, which is where this binding earns its place. It uses the libopus that PyAV's wheel
carries, so both decode alike, and falls back to the system's.

What a setting costs (24 kHz mono speech at 32 kbit/s, µs of one Zen 5 core a frame, log-spectral distance to the
original from 100 Hz to 8 kHz, segmental SNR):

    VOIP       complexity 0   48 µs  5.1 dB   7.4 dB        LOW_DELAY  complexity 0   17 µs  6.2 dB  14.6 dB
    VOIP       complexity 5  111 µs  5.2 dB   7.6 dB        LOW_DELAY  complexity 5   34 µs  4.9 dB  15.0 dB
    VOIP       complexity 10 150 µs  5.1 dB   7.6 dB        LOW_DELAY  complexity 10  46 µs  4.9 dB  15.2 dB

So LOW_DELAY with complexity 5 is the default: closer to the original than VOIP at any complexity, a third of
its cost, and 4 ms less look-ahead. VOIP is for lossy paths: it alone carries forward error correction.

Not thread-safe: one encoder or decoder belongs to one call. The library releases nothing by itself: `close`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from pathlib import Path
from typing import Final

import av

from media.format import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE

MAX_PACKET_BYTES: Final = 1275  # RFC 6716 section 3.2.1: the largest frame
MAX_PACKET_SAMPLES: Final = SAMPLE_RATE * 120 // 1000  # RFC 6716 section 3.2.5: 120 ms at most

# opus_defines.h
APPLICATION_VOIP: Final = 2048  # SILK below some 40 kbit/s; the only one with forward error correction
APPLICATION_LOW_DELAY: Final = 2051  # CELT always
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014


class OpusUnavailable(RuntimeError):
    """No libopus was found, or it refused its settings."""


class OpusFault(ValueError):
    """A packet that is not Opus. Decoding goes on with the next one; treat this one as lost."""


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library, its functions typed. Raises OpusUnavailable."""
    beside = Path(av.__file__).resolve().parent
    bundled = [*beside.parent.glob("av.libs/libopus-*"), *beside.glob(".dylibs/libopus*")]
    system = ctypes.util.find_library("opus") if not bundled else None
    name = str(bundled[0]) if bundled else system
    if name is None:
        raise OpusUnavailable(
            "libopus was not found beside PyAV nor on the system. Reinstall the av wheel, or install libopus0."
        )
    lib = ctypes.CDLL(name)
    pointer, c_int, c_int32, c_char_p = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32, ctypes.c_char_p
    lib.opus_encoder_create.argtypes = [c_int32, c_int, c_int, ctypes.POINTER(c_int)]
    lib.opus_encoder_create.restype = pointer
    lib.opus_encoder_ctl.argtypes = [pointer, c_int]  # and one more, variadic
    lib.opus_encoder_destroy.argtypes = [pointer]
    lib.opus_encoder_destroy.restype = None
    lib.opus_encode.argtypes = [pointer, c_char_p, c_int, pointer, c_int32]
    lib.opus_decoder_create.argtypes = [c_int32, c_int, ctypes.POINTER(c_int)]
    lib.opus_decoder_create.restype = pointer
    lib.opus_decoder_destroy.argtypes = [pointer]
    lib.opus_decoder_destroy.restype = None
    lib.opus_decode.argtypes = [pointer, c_char_p, c_int32, pointer, c_int, c_int]
    lib.opus_packet_get_nb_samples.argtypes = [c_char_p, c_int32, c_int32]
    return lib


def packet_samples(payload: bytes) -> int:
    """Samples (of ours) in one packet, by its table of contents; 0 when it is not Opus."""
    count: int = library().opus_packet_get_nb_samples(payload, len(payload), SAMPLE_RATE)
    return max(0, count)


def carries_recovery(payload: bytes) -> bool:
    """Whether the packet can restore the one before it. False too where the library is older than 1.5."""
    has_lbrr = getattr(library(), "opus_packet_has_lbrr", None)
    return has_lbrr is not None and bool(payload) and has_lbrr(payload, len(payload)) == 1


class OpusEncoder:
    """20 ms of 24 kHz mono in, one packet out."""

    def __init__(
        self, *, application: int, bitrate: int, complexity: int, expected_loss_percent: int = 0
    ) -> None:
        """`expected_loss_percent` above 0 adds forward error correction, which only SILK (VOIP) has."""
        lib = library()
        error = ctypes.c_int(0)
        self._state: int | None = lib.opus_encoder_create(SAMPLE_RATE, 1, application, ctypes.byref(error))
        if error.value:
            raise OpusUnavailable(f"libopus refused an encoder (error {error.value}).")
        settings = {_SET_BITRATE: bitrate, _SET_COMPLEXITY: complexity}
        if expected_loss_percent:
            settings |= {_SET_INBAND_FEC: 1, _SET_PACKET_LOSS_PERC: expected_loss_percent}
        for request, value in settings.items():
            if lib.opus_encoder_ctl(self._state, request, ctypes.c_int32(value)):
                self.close()
                raise OpusUnavailable(f"libopus refused setting {request} = {value}.")
        self._encode = lib.opus_encode
        self._out = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._address = ctypes.addressof(self._out)
        self._view = memoryview(self._out).cast("B")

    def encode(self, frame: bytes) -> bytes:
        """One frame of exactly 960 bytes."""
        if self._state is None:
            raise AssertionError("encode() after close()")
        size = self._encode(self._state, frame, FRAME_SAMPLES, self._address, MAX_PACKET_BYTES)
        if size < 0:
            raise AssertionError(f"libopus could not encode {len(frame)} bytes (error {size})")
        return bytes(self._view[:size])

    def close(self) -> None:
        if self._state is not None:
            library().opus_encoder_destroy(self._state)
            self._state = None

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self.close()


class OpusDecoder:
    """Packets of any Opus mode, rate and length in; 24 kHz mono out."""

    def __init__(self) -> None:
        lib = library()
        error = ctypes.c_int(0)
        self._state: int | None = lib.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(error))
        if error.value:
            raise OpusUnavailable(f"libopus refused a decoder (error {error.value}).")
        self._decode = lib.opus_decode
        self._out = ctypes.create_string_buffer(MAX_PACKET_SAMPLES * SAMPLE_BYTES)
        self._address = ctypes.addressof(self._out)
        self._view = memoryview(self._out).cast("B")

    def decode(self, payload: bytes) -> bytes:
        """PCM of one packet, as long as the packet says (2.5 to 120 ms). Raises OpusFault."""
        return self._run(payload, len(payload), MAX_PACKET_SAMPLES, 0)

    def recover(self, following: bytes, samples: int) -> bytes:
        """The lost `samples` before the packet `following`, from its FEC data; concealed where it has none."""
        return self._run(following, len(following), samples, 1)

    def conceal(self, samples: int) -> bytes:
        """A guess at `samples` that never came, fading to silence when it goes on. Multiples of 2.5 ms."""
        return self._run(None, 0, samples, 0)

    def _run(self, payload: bytes | None, size: int, samples: int, fec: int) -> bytes:
        if self._state is None:
            raise AssertionError("decode after close()")
        count = self._decode(self._state, payload, size, self._address, samples, fec)
        if count < 0:
            raise OpusFault(f"not an Opus packet ({size} bytes, error {count})")
        return bytes(self._view[: count * SAMPLE_BYTES])

    def close(self) -> None:
        if self._state is not None:
            library().opus_decoder_destroy(self._state)
            self._state = None

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self.close()
