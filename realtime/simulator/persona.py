"""What a session needs of a model: ears, a mind and a mouth, as one small Protocol.

`scripted.Scripted` and `spoken.Spoken` are the two that exist.  One persona belongs to one session.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from realtime.simulator.conversation import Kind
from realtime.simulator.input_audio import Recording, SpeechDetector
from realtime.simulator.script import Failure, OutputItem, Pace, Reply, Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item of the context, as the mind reads it."""

    kind: Kind
    text: str = ""
    name: str = ""  # of a function call
    arguments: str = ""  # of a function call, JSON
    output: str = ""  # of a function call
    call_id: str = ""
    spoken: bool = False  # caller audio: an empty text then means that nothing was understood
    cut: bool = False  # truncated: its words are gone from the context


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Everything a response may depend on."""

    instructions: str  # the session's
    response_instructions: str | None  # those of this response, which replace the session's for the service
    tools: Sequence[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    lines: Sequence[Line]
    out_of_band: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of speech: the words that begin in it and its sound, ready for the wire."""

    text: str
    duration_ms: int
    data: bytes  # in the wire's format
    base64: bytes


class Persona(Protocol):
    """One session's model.  Nothing here may block the event loop."""

    pace: Pace
    transcription_ms: int

    def detector(self, wire_format: str) -> SpeechDetector:
        """A speech detector for audio of this format."""
        ...

    async def hear(self, recording: Recording) -> str:
        """The words in a piece of caller audio, "" when there are none."""
        ...

    def sounds_complete(self, words: str) -> bool:
        """Whether the words are a finished sentence (semantic turn detection)."""
        ...

    async def think(self, prompt: Prompt) -> Sequence[OutputItem] | Failure:
        """The items of the next response."""
        ...

    def speak(
        self, output: Reply | Silence, wire_format: str, speed: float, chunk_ms: int
    ) -> AsyncIterator[Chunk]:
        """A message as sound, piece by piece."""
        ...
