"""The codecs a call can be answered with, behind one small shape each way.

A decoder gives 24 kHz PCM for payloads and for holes; an encoder takes frames of 20 ms and gives payloads.
Both hold state: one of each per call.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from media.format import (
    G711_CLOCK_RATE,
    OPUS_CLOCK_RATE,
    SAMPLE_RATE,
    SILENT_FRAME,
    samples_to_bytes,
    ticks_to_samples,
)
from media.g711 import A_LAW, MU_LAW, Law
from media.jitter import Hole
from media.resampler import Resampler
from media.rtc.libopus import (
    APPLICATION_LOW_DELAY,
    APPLICATION_VOIP,
    OpusDecoder,
    OpusEncoder,
    OpusFault,
    carries_recovery,
    packet_samples,
)
from media.sdp import Codec

CONCEALED_FRAMES: Final = 5  # 100 ms: longer guesses sound like a machine; then silence, which costs nothing
FADE: Final = 0.5  # per repeated frame of G.711, as ITU-T G.711 appendix I fades from the second one on
OPUS_STEP: Final = SAMPLE_RATE // 400  # 2.5 ms, the unit of Opus durations

# RFC 6716 section 3.1: a frame of no bytes is "not transmitted"; decoders play comfort noise. Configuration 27
# is CELT, super-wideband, 20 ms, as our encoder makes; mono, one frame.
OPUS_NOTHING: Final = bytes((27 << 3,))


class Decoder(Protocol):
    def measure(self, payload: bytes) -> int:
        """How long the payload lasts, in RTP timestamp units; 0 where it cannot be decoded."""

    def decode(self, payload: bytes) -> bytes:
        """PCM of one payload; silence where it cannot be decoded."""

    def fill(self, hole: Hole) -> tuple[bytes, bool]:
        """PCM for what is missing, and whether it was restored (True) or made up (False)."""

    def close(self) -> None: ...


class Encoder(Protocol):
    payload_type: int
    comfort: bytes  # a payload that keeps the path open and says nothing

    def encode(self, frame: bytes) -> bytes:
        """One payload for 960 bytes of PCM."""

    def expect_loss(self, share: float) -> None:
        """The network is losing this much of what is sent; 0: none."""

    def close(self) -> None: ...


class OpusIn:
    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._made_up = 0

    def measure(self, payload: bytes) -> int:
        return packet_samples(payload) * (OPUS_CLOCK_RATE // SAMPLE_RATE)

    def decode(self, payload: bytes) -> bytes:
        self._made_up = 0
        try:
            return self._decoder.decode(payload)
        except OpusFault:
            return SILENT_FRAME

    def fill(self, hole: Hole) -> tuple[bytes, bool]:
        samples = ticks_to_samples(hole.ticks, OPUS_CLOCK_RATE)
        if samples % OPUS_STEP:
            return bytes(samples_to_bytes(samples)), False
        try:
            if hole.following is not None and carries_recovery(hole.following):
                self._made_up = 0
                return self._decoder.recover(hole.following, samples), True
            self._made_up += 1
            if self._made_up <= CONCEALED_FRAMES:
                return self._decoder.conceal(samples), False
        except OpusFault:
            pass
        return bytes(samples_to_bytes(samples)), False

    def close(self) -> None:
        self._decoder.close()


class OpusOut:
    """Low-delay Opus while the path is clean; VOIP with forward error correction while it loses packets."""

    comfort = OPUS_NOTHING

    def __init__(self, payload_type: int, *, bitrate: int, complexity: int) -> None:
        self.payload_type = payload_type
        self._bitrate = bitrate
        self._complexity = complexity
        self._encoder = self._clean()
        self.encode = self._encoder.encode

    def _clean(self) -> OpusEncoder:
        return OpusEncoder(
            application=APPLICATION_LOW_DELAY, bitrate=self._bitrate, complexity=self._complexity
        )

    def expect_loss(self, share: float) -> None:
        replaced = self._encoder
        if share > 0:
            self._encoder = OpusEncoder(
                application=APPLICATION_VOIP,
                bitrate=self._bitrate,
                complexity=self._complexity,
                expected_loss_percent=max(1, round(share * 100)),
            )
        else:
            self._encoder = self._clean()
        self.encode = self._encoder.encode
        replaced.close()

    def close(self) -> None:
        self._encoder.close()


class G711In:
    def __init__(self, law: Law) -> None:
        self._law = law
        self._up = Resampler(G711_CLOCK_RATE, SAMPLE_RATE)
        self._last = np.zeros(0, np.float32)
        self._made_up = 0

    def measure(self, payload: bytes) -> int:
        return len(payload)

    def decode(self, payload: bytes) -> bytes:
        self._made_up = 0
        pcm = self._law.decode(payload)
        self._last = np.frombuffer(pcm, np.int16).astype(np.float32)
        return self._up.push(pcm)

    def fill(self, hole: Hole) -> tuple[bytes, bool]:
        self._made_up += 1
        if self._made_up > CONCEALED_FRAMES or not len(self._last):
            pcm = bytes(samples_to_bytes(hole.ticks))
        else:
            self._last = self._last * FADE
            pcm = np.resize(self._last, hole.ticks).astype(np.int16).tobytes()
        return self._up.push(pcm), False

    def close(self) -> None:
        """Nothing to free."""


class G711Out:
    def __init__(self, payload_type: int, law: Law) -> None:
        self.payload_type = payload_type
        self._law = law
        self._down = Resampler(SAMPLE_RATE, G711_CLOCK_RATE)
        self._rest = b""
        self._frame = samples_to_bytes(G711_CLOCK_RATE // 50)
        self.comfort = bytes((law.silence,)) * (G711_CLOCK_RATE // 50)

    def encode(self, frame: bytes) -> bytes:
        pcm = self._rest + self._down.push(frame)
        self._rest = pcm[self._frame :]
        return self._law.encode(pcm[: self._frame])

    def expect_loss(self, share: float) -> None:
        """G.711 has nothing to offer against loss."""

    def close(self) -> None:
        """Nothing to free."""


def decoder_for(codec: Codec) -> Decoder:
    if codec.name == "opus":
        return OpusIn()
    return G711In(MU_LAW if codec.name == "pcmu" else A_LAW)


def encoder_for(codec: Codec, *, bitrate: int, complexity: int) -> Encoder:
    if codec.name == "opus":
        return OpusOut(codec.payload_type, bitrate=bitrate, complexity=complexity)
    return G711Out(codec.payload_type, MU_LAW if codec.name == "pcmu" else A_LAW)
