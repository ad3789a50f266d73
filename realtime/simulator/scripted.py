"""A persona that follows a `Script`.  Everything that is costly is prepared once and shared by all sessions."""

import base64
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

import numpy as np

from realtime.simulator import tone
from realtime.simulator.audio_formats import encode
from realtime.simulator.energy import EnergyDetector
from realtime.simulator.input_audio import Recording, SpeechDetector
from realtime.simulator.persona import Chunk, Prompt
from realtime.simulator.script import (
    Answer,
    Asked,
    Failure,
    OutputItem,
    Reply,
    Script,
    ScriptedAnswer,
    Silence,
    Together,
)
from realtime.simulator.words_in_time import spread


class Scripted:
    """One session on a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._heard = 0
        self._said = 0
        self._written = 0
        self.pace = script.pace
        self.transcription_ms = script.transcription_ms

    def detector(self, wire_format: str) -> SpeechDetector:
        """Loudness stands for speech."""
        return EnergyDetector(self._script.speech_level)

    async def hear(self, recording: Recording) -> str:
        """The next line of `hears`."""
        index, self._heard = self._heard, self._heard + 1
        hears = self._script.hears
        if self._script.loop and hears:
            return hears[index % len(hears)]
        return hears[index] if index < len(hears) else self._script.heard_by_default

    def sounds_complete(self, words: str) -> bool:
        """A script has no unfinished sentences, unless they end so..."""
        return not words.endswith("...")

    async def think(self, prompt: Prompt) -> Sequence[OutputItem] | Failure:
        """The next entry of `says`."""
        if prompt.out_of_band and "json" in (prompt.response_instructions or "").casefold():
            # Asked for beside the conversation, at times of the client's own choosing.
            index, self._written = self._written, self._written + 1
            entries, default = self._script.writes, self._script.written_by_default
        else:
            index, self._said = self._said, self._said + 1
            entries, default = self._script.says, self._script.said_by_default
        answer = self._answer(index, prompt, entries, default)
        if isinstance(answer, Failure):
            return answer
        return answer.items if isinstance(answer, Together) else (answer,)

    def _answer(
        self, index: int, prompt: Prompt, entries: Sequence[ScriptedAnswer], default: Answer
    ) -> Answer:
        if self._script.loop and entries:
            entry = entries[index % len(entries)]
        else:
            entry = entries[index] if index < len(entries) else default
        if not callable(entry):
            return entry
        heard = [line.text for line in prompt.lines if line.kind == "user"]
        outputs = [line.output for line in prompt.lines if line.kind == "function_call_output"]
        return entry(
            Asked(
                heard=heard[-1] if heard else None,
                last_output=outputs[-1] if outputs else None,
                instructions=prompt.response_instructions or prompt.instructions,
                count=index,
            )
        )

    async def speak(
        self, output: Reply | Silence, wire_format: str, speed: float, chunk_ms: int
    ) -> AsyncIterator[Chunk]:
        """The prepared tone, with the words spread over it."""
        if isinstance(output, Silence):
            pieces, text = prepared(output.audio_ms, None, False, wire_format, chunk_ms), ""
        else:
            pieces = prepared(output.duration_ms, output.tone_hz, True, wire_format, chunk_ms)
            text = output.text
        if not pieces:
            yield Chunk(text, 0, b"", b"")
        for (duration_ms, data, encoded), words in zip(pieces, spread(text, len(pieces)), strict=True):
            yield Chunk(words, duration_ms, data, encoded)


@lru_cache(maxsize=256)
def prepared(
    audio_ms: int, tone_hz: float | None, audible: bool, wire_format: str, chunk_ms: int
) -> tuple[tuple[int, bytes, bytes], ...]:
    """Synthetic audio in pieces: (milliseconds, wire bytes, the same in base64)."""
    if not audible:
        samples = np.zeros(audio_ms * 24, dtype=np.int16)
    elif tone_hz is None:
        samples = tone.sweep(audio_ms)
    else:
        samples = tone.constant(audio_ms, tone_hz)
    data = encode(samples, wire_format)
    per_ms = 48 if wire_format == "audio/pcm" else 8
    pieces = []
    for start_ms in range(0, audio_ms, chunk_ms):
        end_ms = min(audio_ms, start_ms + chunk_ms)
        piece = data[start_ms * per_ms : end_ms * per_ms]
        pieces.append((end_ms - start_ms, piece, base64.b64encode(piece)))
    return tuple(pieces)
