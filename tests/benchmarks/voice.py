"""What every caller of the benchmark says: one cycle of 15 s, encoded once, the same for all.

        0 s      2.00 s              8.00 s    10.05 s              15 s
        speaks   listens             speaks    listens              speaks into the answer: barge-in
        ████████░░░░░░░░░░░░░░░░░░░░░████████░░░░░░░░░░░░░░░░░░░░░░░

The caller is loud 27 % of the time. With the answers of `model.SCRIPT` and turns that end after half a second of
silence, the agent plays 57 % of the time. While listening there is faint room noise and, once a second, a mark: a
20 ms beep far too quiet to be taken for speech, but easily told from the noise. A mark, or the beginning of
speech, is how a packet is recognised when it has come through the codec and the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
import numpy.typing as npt

from media.rtc.libopus import OpusDecoder

RATE = 48_000
FRAME = RATE // 50
CYCLE_S = 15.0
SPEAKS_S = ((0.0, 2.0), (8.0, 10.05))
MARKS_S = (3, 4, 5, 6, 7, 11, 12, 13, 14)
BITRATE = 32_000  # what browsers choose for a microphone

NOISE_RMS = 0.0005  # of full scale: a quiet room, -66 dBFS
MARK_PEAK = 0.02  # RMS 0.014 over 20 ms: below the simulator's level of speech, 0.02 over 32 ms
SPEECH_RMS = 0.12
HEARD_PEAK = 0.006  # a frame louder than this is a mark or speech
QUIET_FRAMES = 3  # that must have gone before


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The cycle as Opus payloads, and which of them can be recognised."""

    payloads: Sequence[bytes]
    marks: frozenset[int]  # indexes of payloads in which a mark or speech is first to be heard


class MarkSpotter:
    """Finds the frames at which something is to be heard after quiet. 24 kHz mono s16le, in order."""

    def __init__(self) -> None:
        self._quiet = QUIET_FRAMES

    def heard(self, pcm: bytes) -> bool:
        samples = np.frombuffer(pcm, "<i2")
        if max(int(samples.max()), -int(samples.min())) < HEARD_PEAK * 32_768:
            self._quiet += 1
            return False
        begins = self._quiet >= QUIET_FRAMES
        self._quiet = 0
        return begins


@cache
def voice() -> Voice:
    """Takes about a second the first time."""
    payloads = _encode(_cycle())
    decoder, spotter = OpusDecoder(), MarkSpotter()
    # Twice round, so that the seam is as it will be.
    found = [spotter.heard(decoder.decode(payload)) for payload in payloads * 2]
    decoder.close()
    marks = frozenset(index for index in range(len(payloads)) if found[len(payloads) + index])
    expected = len(MARKS_S) + len(SPEAKS_S)
    assert len(marks) == expected, f"{len(marks)} marks can be recognised, not {expected}"
    return Voice(payloads=payloads, marks=marks)


def _cycle() -> npt.NDArray[np.float64]:
    random = np.random.default_rng(7)
    signal = random.normal(0, NOISE_RMS, int(CYCLE_S * RATE))
    for at_s in MARKS_S:
        start = int(at_s * RATE)
        beep = np.sin(2 * np.pi * 1000 * np.arange(FRAME) / RATE) * MARK_PEAK
        signal[start : start + FRAME] += beep
    for start_s, end_s in SPEAKS_S:
        start, end = int(start_s * RATE), int(end_s * RATE)
        signal[start:end] += _speech(end - start, random)
    return signal


def _speech(samples: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """As hard to code as a voice: harmonics of a moving pitch under moving formants, in syllables, with breath."""
    t = np.arange(samples) / RATE
    pitch = (
        2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.7 * t) + 4 * np.sin(2 * np.pi * 5 * t)) / RATE
    )
    total = np.zeros(samples)
    for harmonic in range(1, 30):
        hz = 130 * harmonic
        formants = sum(
            height * np.exp(-(((hz - middle * (1 + 0.25 * np.sin(2 * np.pi * rate * t))) / width) ** 2))
            for middle, width, height, rate in (
                (600, 250, 1.0, 1.9),
                (1500, 300, 0.6, 2.3),
                (2600, 400, 0.3, 1.3),
            )
        )
        total += formants * np.sin(harmonic * pitch)
    total += random.normal(0, 0.05, samples)
    # Syllables never fall to silence: the turn must not end between them.
    total *= 0.65 + 0.35 * np.sin(2 * np.pi * 4 * t)
    scaled: npt.NDArray[np.float64] = total * (SPEECH_RMS / np.sqrt(np.mean(total**2)))
    return scaled


def _encode(signal: npt.NDArray[np.float64]) -> list[bytes]:
    """One payload a frame, by PyAV's encoder as a browser sets it."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = RATE, "mono", "s16"
    context.time_base = Fraction(1, RATE)
    context.bit_rate = BITRATE
    context.options = {"application": "voip", "frame_duration": "20"}
    pcm = (np.clip(signal, -1, 1) * 32_767).astype("<i2")
    payloads = []
    for start in range(0, len(pcm), FRAME):
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.sample_rate = RATE
        frame.planes[0].update(pcm[start : start + FRAME].tobytes())
        payloads += [bytes(packet) for packet in context.encode(frame)]
    payloads += [bytes(packet) for packet in context.encode(None)]
    return payloads[: int(CYCLE_S * 50)]
