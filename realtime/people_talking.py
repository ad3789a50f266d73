"""What people say to each other on a call while the agent is silent: one transcription session for each voice.

The model of the call hears nothing of it. A session of type "transcription" (API reference, "Realtime
transcription sessions") writes down one voice and never answers. Pure: events in, utterances out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from realtime.agent import Agent
from realtime.server_events import (
    Committed,
    ServerEvent,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
)
from realtime.session_config import PCM_24K, transcription

# Utterances whose words have not come yet. A person does not say more at once than the model can write down.
MOST_PENDING = 32
PADDING_MS = 300  # of audio before the speech that the session counts to it, as it is told to


def transcription_config(agent: Agent) -> dict[str, Any]:
    """The body of `session.update` for one voice. Turns end by loudness: nobody waits for an answer here."""
    return {
        "type": "transcription",
        "audio": {
            "input": {
                "format": PCM_24K,
                "transcription": transcription(agent),
                "turn_detection": {
                    "type": "server_vad",
                    "silence_duration_ms": 500,
                    "prefix_padding_ms": PADDING_MS,
                },
            }
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One thing somebody said. Times are ms of the audio that was appended to the session."""

    item_id: str
    text: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class OneVoice:
    """What one transcription session has written down.

    Order of calls: `receive` each event; whatever it returns has been said. At most MOST_PENDING utterances
    wait for their words; the oldest is given up.
    """

    _starts: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Somebody speaks, or what they said is being written down."""
        return bool(self._starts)

    def receive(self, event: ServerEvent) -> Utterance | None:
        """One server event; an utterance when its words have come and are not empty."""
        match event:
            case SpeechStarted(item_id=item_id, audio_start_ms=began):
                self._starts[item_id] = max(0, (began or 0) + PADDING_MS)
                while len(self._starts) > MOST_PENDING:
                    self._forget(next(iter(self._starts)))
            case SpeechStopped(item_id=item_id, audio_end_ms=end):
                self._ends[item_id] = end
            case Committed(item_id=item_id):
                self._starts.setdefault(item_id, 0)
            case TranscriptionCompleted(item_id=item_id, transcript=transcript):
                start = self._starts.get(item_id, 0)
                until = self._ends.get(item_id, start)
                self._forget(item_id)
                text = transcript.strip()
                if text:
                    return Utterance(item_id=item_id, text=text, start_ms=start, end_ms=max(start, until))
            case TranscriptionFailed(item_id=item_id):
                self._forget(item_id)
        return None

    def _forget(self, item_id: str) -> None:
        self._starts.pop(item_id, None)
        self._ends.pop(item_id, None)
