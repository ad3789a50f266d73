"""The recorded sentences, as 24 kHz mono s16le. Their words and lengths: `realtime.recorded_words`."""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path

from realtime.recorded_words import RecordedWords

RATE = 24_000


@cache
def recorded_pcm(words: RecordedWords) -> bytes:
    """The audio of one sentence; read once for a process, 300 kB at the most."""
    path = Path(__file__).parent / f"{words.name}.{words.language}.wav"
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            raise ValueError(f"{path.name}: expected 24 kHz mono 16 bit")
        return file.readframes(file.getnframes())
