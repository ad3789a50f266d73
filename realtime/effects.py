"""What a conversation asks its shell to do. Values only: the core decides, the shell acts.

The contract of every core here: after each input, take effects until there are none left, in order,
before giving the next input. An effect that yields an answer (`Flush` → `playout_cut`, `RunTool` →
`tool_finished`) is answered by calling the core again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from media.playout import PartKey
from realtime.recorded_words import RecordedWords
from storage.events import EndReason, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send one client event to the Realtime session, as JSON text."""

    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Queue 24 kHz mono s16le PCM for the caller."""

    part: PartKey
    pcm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishPart:
    """No more audio will come for this part."""

    part: PartKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """Stop what the caller hears from the next packet on; answer with `playout_cut`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePlayout:
    """Hold the queue: nobody is listening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePlayout:
    """Go on where the queue was held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Put an event on record."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTool:
    """Run a function off the audio path; answer with `tool_finished`."""

    call_id: str  # the Realtime API's id of the function call
    item_id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditUnknownTool:
    """A function was called that was never offered, and refused: write it into the audit log."""

    item_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Close the session there is, if any, and open a new one; answer with `session_lost` where that fails.

    The caller's audio is kept meanwhile: `AppendAudio` asks for it.
    """

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendAudio:
    """Append what the caller said from `since` to `until` (None: now) on the conversation's clock, at once."""

    since: float
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRecorded:
    """Queue a recorded sentence for the caller, as one finished part."""

    part: PartKey
    words: RecordedWords


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHandoff:
    """Put on record that a person is needed, because the machine cannot go on."""

    reason: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line for the log: something odd that the conversation lives with. Never holds anybody's words."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """Close the media leg: the conversation has decided to end the call."""

    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """All that can still be learned is learned: close the session and write `call.ended`."""

    reason: EndReason
    outcome: str | None = None  # an id of the agent's outcomes
    summary: str | None = None


Effect = (
    Send
    | Play
    | FinishPart
    | Flush
    | PausePlayout
    | ResumePlayout
    | Publish
    | RunTool
    | AuditUnknownTool
    | OpenSession
    | AppendAudio
    | PlayRecorded
    | RequestHandoff
    | Note
    | HangUp
    | Close
)
