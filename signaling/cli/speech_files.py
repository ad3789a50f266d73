"""Recordings as the caller's voice, and what was heard as a recording."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import av
from av.audio.resampler import AudioResampler

from media.format import SAMPLE_BYTES, SAMPLE_RATE, bytes_to_samples, samples_to_bytes, seconds_to_samples
from signaling.cli.failure import ExitCode, Failure

JITTER_S = 0.06
"""A packet up to three frames off its place is late, not the start of something new."""


def read_speech(path: Path) -> bytes:
    """Any sound file as 24 kHz mono s16le. Raises Failure for what is none."""
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    try:
        with av.open(str(path)) as container:
            pieces = [
                bytes(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES]
                for frame in [*container.decode(audio=0), None]
                for resampled in resampler.resample(frame)
            ]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise Failure(
            f"{path} cannot be read as a recording ({error})",
            remedy="give a WAV, Ogg, FLAC or MP3 file",
            code=ExitCode.USAGE,
        ) from None
    pcm = b"".join(pieces)
    if not pcm:
        raise Failure(f"{path} holds no sound", code=ExitCode.USAGE)
    return pcm


def write_recording(path: Path, heard: Sequence[tuple[float, bytes]]) -> None:
    """What was heard as a WAV in which pauses are as long as they were. `heard`: seconds, PCM per packet."""
    recording = bytearray()
    for at, pcm in heard:
        place = seconds_to_samples(at - heard[0][0])
        if place - bytes_to_samples(len(recording)) > seconds_to_samples(JITTER_S):
            recording.extend(bytes(samples_to_bytes(place) - len(recording)))
        recording += pcm
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(recording))
