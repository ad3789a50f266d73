"""A persona that really hears and really speaks.

The models run in a pool of two threads: the event loop stays free, and several sessions share two cores fairly.
"""

import asyncio
import base64
import datetime
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np

from realtime.simulator import speech
from realtime.simulator.audio_formats import Samples, decode, encode, resample
from realtime.simulator.input_audio import Recording, SpeechDetector
from realtime.simulator.mind.receptionist import think
from realtime.simulator.mind.sentences import is_complete
from realtime.simulator.persona import Chunk, Prompt
from realtime.simulator.script import Failure, OutputItem, Pace, Reply, Silence
from realtime.simulator.session_config import SAMPLE_RATES
from realtime.simulator.silero import SileroDetector
from realtime.simulator.words_in_time import spread

P = ParamSpec("P")
R = TypeVar("R")

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="simulator-speech")


async def load() -> speech.Models:
    """Load and warm everything that a first turn would otherwise wait for.  SpeechUnavailable: not installed."""
    loaded = await asyncio.get_running_loop().run_in_executor(_threads, speech.models)
    SileroDetector(SAMPLE_RATES["audio/pcm"]).close()
    return loaded


class Spoken:
    """One session with ears, a mind and a mouth."""

    def __init__(self, models: speech.Models, pace: Pace) -> None:
        self._models = models
        self.pace = pace
        # The real transcription runs beside the model and is mostly a little later than the answer begins.
        self.transcription_ms = 100

    def detector(self, wire_format: str) -> SpeechDetector:
        """Silero, at the format's rate."""
        return SileroDetector(SAMPLE_RATES[wire_format])

    async def hear(self, recording: Recording) -> str:
        """Speech recognition in a thread."""
        return await _in_thread(self._hear, recording)

    def _hear(self, recording: Recording) -> str:
        samples = decode(recording.data, recording.wire_format)
        rate = SAMPLE_RATES[recording.wire_format]
        return self._models.transcribe(resample(samples, rate, speech.STT_RATE))

    def sounds_complete(self, words: str) -> bool:
        """By its last words."""
        return is_complete(words)

    async def think(self, prompt: Prompt) -> Sequence[OutputItem] | Failure:
        """The receptionist's rules: pure and quick."""
        return think(prompt, datetime.datetime.now().astimezone().date())

    async def speak(
        self, output: Reply | Silence, wire_format: str, speed: float, chunk_ms: int
    ) -> AsyncIterator[Chunk]:
        """Sentence by sentence, so that the first is heard while the second is made."""
        if isinstance(output, Silence):
            silence = np.zeros(output.audio_ms * 24, dtype=np.int16)
            for chunk in _chunks("", silence, wire_format, chunk_ms):
                yield chunk
            return
        for index, sentence in enumerate(self._models.sentences(output.text)):
            samples = await _in_thread(self._models.synthesize, sentence, speed)
            for chunk in _chunks(f" {sentence}" if index else sentence, samples, wire_format, chunk_ms):
                yield chunk


def _chunks(text: str, samples: Samples, wire_format: str, chunk_ms: int) -> list[Chunk]:
    per_chunk = chunk_ms * 24
    # Whole milliseconds only: durations on the wire are counted in them.
    samples = samples[: len(samples) // 24 * 24]
    data = encode(samples, wire_format)
    per_ms = 48 if wire_format == "audio/pcm" else 8
    count = -(-len(samples) // per_chunk)
    chunks = []
    for index, words in enumerate(spread(text, count)):
        piece = data[index * chunk_ms * per_ms : (index + 1) * chunk_ms * per_ms]
        chunks.append(Chunk(words, len(piece) // per_ms, piece, base64.b64encode(piece)))
    return chunks


async def _in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Cancelling stops the waiting, not the work: that ends on its own within a second."""
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(work, *args, **kwargs))
