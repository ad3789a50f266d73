"""Was that an interruption? A cough, line noise, an echo or "mm-hm" makes the agent pause, not stop.

The voice detection hears loudness, not intent. So where an agent asks for it (`interruption.min_speech_ms`), the
agent falls silent at the first sound, as for any caller, but what it was saying is held, not cut, and everything
the server says of that sound is kept back. Speech that lasts, or has words in it, was an interruption: what was
kept back is taken up as if it came now. Otherwise the agent goes on at the very sample where it paused.
"""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, field

from realtime.agent import Agent
from realtime.server_events import (
    Committed,
    ServerEvent,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
)
from realtime.session_config import ending_silence_ms, leading_padding_ms

# Who speaks when the agent has less than this left to say answers it: people begin an answer that early.
ANSWERS_EARLY_MS = 700
# Words of a short sound take about half a second; a caller who did say something is not kept waiting for longer.
WORDS_WITHIN_S = 1.5

# What the server says of a sound after its beginning.
News = SpeechStopped | Committed | TranscriptionDelta | TranscriptionCompleted | TranscriptionFailed


class Verdict(enum.Enum):
    INTERRUPTION = "interruption"
    NOTHING_SAID = "nothing_said"


@dataclass(slots=True)
class FalseInterruptions:
    """`hold` a sound, `keep` what the server says of it; a verdict ends that, and `take` gives what was kept.

    Holds one sound at a time: a handful of events.
    """

    agent: Agent
    _began: SpeechStarted | None = None
    _kept: list[News] = field(default_factory=list)
    _decide_at: float = 0.0

    @property
    def holding(self) -> bool:
        return self._began is not None

    def hold(self, began: SpeechStarted, now: float, *, unheard_ms: float) -> bool:
        """A sound while the agent speaks, with so much left to hear; whether it is to be held."""
        least_ms = self.agent.interruption.min_speech_ms
        if not least_ms or self._began is not None or unheard_ms < ANSWERS_EARLY_MS:
            return False
        self._began = began
        self._decide_at = now + (least_ms + ending_silence_ms(self.agent)) / 1000
        return True

    def keep(self, event: ServerEvent, now: float) -> bool:
        """Whether the event is about the sound that is held, and so not to be handled now."""
        if self._began is None or not isinstance(event, News) or event.item_id != self._began.item_id:
            return False
        self._kept.append(event)
        if isinstance(event, SpeechStopped):
            self._decide_at = now + WORDS_WITHIN_S
        return True

    def verdict(self, now: float) -> Verdict | None:
        """None while it is not known."""
        if self._began is None:
            return None
        committed = any(isinstance(event, Committed) for event in self._kept)
        for event in self._kept:
            match event:
                case SpeechStopped() if self._spoken_ms(event) >= self.agent.interruption.min_speech_ms:
                    return Verdict.INTERRUPTION
                case TranscriptionCompleted(transcript=text) if has_words(
                    text, self.agent.interruption.backchannels
                ):
                    return Verdict.INTERRUPTION
                case TranscriptionCompleted() | TranscriptionFailed() if committed:
                    return Verdict.NOTHING_SAID
        return Verdict.INTERRUPTION if now >= self._decide_at else None

    def next_deadline(self) -> float | None:
        return self._decide_at if self._began is not None else None

    def take(self) -> list[SpeechStarted | News]:
        """The sound and what was kept of it, in order; nothing is held any more."""
        taken = [event for event in (self._began, *self._kept) if event is not None]
        self._began = None
        self._kept = []
        return taken

    def _spoken_ms(self, stopped: SpeechStopped) -> float:
        began_ms = self._began.audio_start_ms if self._began is not None else None
        if began_ms is None:
            return 0.0
        around_ms = leading_padding_ms(self.agent) + ending_silence_ms(self.agent)
        return stopped.audio_end_ms - began_ms - around_ms


def has_words(text: str, backchannels: list[str]) -> bool:
    """Whether anything is said beyond sounds that only say "go on"."""
    sounds = {_letters(sound) for sound in backchannels}
    spoken = [_letters(word) for word in text.replace("、", " ").replace("。", " ").split()]
    return any(word and word not in sounds for word in spoken)


def _letters(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())
