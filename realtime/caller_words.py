"""The caller's words: from the server's news of speech to entries of the transcript.

It also keeps the sounds that may be no interruption (`false_interruptions.py`) and the count of the audio that was
sent, by which the server's times are known as ours. That speech interrupts the agent is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime import client_events
from realtime.agent import Agent
from realtime.effects import ResumePlayout
from realtime.false_interruptions import FalseInterruptions
from realtime.idle_caller import IdleCaller
from realtime.outgoing import Outgoing
from realtime.phase import Phase, Standing
from realtime.responses import ResponseSequencer
from realtime.server_events import (
    Committed,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
)
from realtime.session_config import ending_silence_ms, takes_turns_itself
from realtime.session_seed import SessionSeed
from realtime.spoken_record import SpokenRecord


@dataclass(slots=True, kw_only=True)
class CallerWords:
    """Its handlers take one server event each and never raise."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    responses: ResponseSequencer
    seed: SessionSeed
    idle: IdleCaller
    sounds: FalseInterruptions
    started: float
    server_spoke_at: float = 0.0  # when its last event came, of whatever kind
    last_words: str | None = None  # event_id of the commit of a caller who hung up while speaking
    _appended_ms: int = 0
    _appended_at: float = 0.0

    def handlers(self) -> dict[type[Any], Callable[[Any, float], None]]:
        return {
            SpeechStopped: self.on_speech_stopped,
            Committed: self.on_committed,
            TranscriptionDelta: self.on_transcription_delta,
            TranscriptionCompleted: self.on_transcription_completed,
            TranscriptionFailed: self.on_transcription_failed,
        }

    def audio_appended(self, total_ms: int, now: float) -> None:
        """So much of the caller's audio has been appended to the session."""
        self._appended_ms, self._appended_at = total_ms, now

    def sent_at(self, audio_ms: int, now: float) -> float:
        """When the millisecond that the server counts so was sent: it counts the audio it was sent."""
        return min(now, max(self.started, self._appended_at - (self._appended_ms - audio_ms) / 1000))

    def on_speech_stopped(self, event: SpeechStopped, now: float) -> None:
        if not self.standing.ready:
            return
        self.responses.speech_stopped(now)
        spoken_ms = event.audio_end_ms - ending_silence_ms(self.agent)
        spoke_until = self.sent_at(spoken_ms, now)
        ended_at = self.sent_at(event.audio_end_ms, now)
        self.record.turns.caller_stopped(spoke_until, proven_at=ended_at, told_at=now)
        self.record.times.caller_stopped(event.item_id, spoke_until)
        self.record.transcript.speech_stopped(event.item_id, ended_at)
        self.seed.sentence_ended(ended_at)
        self.idle.caller_makes_sound(False)

    def on_committed(self, event: Committed, now: float) -> None:
        if self.standing.phase in (Phase.READY, Phase.ENDING) and not self.seed.committed(event.item_id):
            self.last_words = None
            self.record.transcript.committed(event.item_id, now)
            self.record.times.caller_committed(event.item_id, now)
            self.responses.committed(now, server_responds=not takes_turns_itself(self.agent))

    def on_transcription_delta(self, event: TranscriptionDelta, now: float) -> None:
        item_id = self.seed.on_record(event.item_id)
        text = self.record.transcript.caller_partial(item_id, event.delta or "")
        self.record.partial("caller", item_id, text, now)

    def on_transcription_completed(self, event: TranscriptionCompleted, now: float) -> None:
        item_id = self.seed.on_record(event.item_id)
        final = self.record.transcript.caller_final(item_id, event.transcript, now)
        if final is not None:
            self.idle.caller_said_words(now)
            self.record.finals([final])

    def on_transcription_failed(self, event: TranscriptionFailed, now: float) -> None:
        code = event.error.code or event.error.type or "unknown"
        self.out.note("realtime.transcription_failed", code)
        item_id = self.seed.on_record(event.item_id)
        self.record.transcript.caller_failed(item_id)
        self.record.no_more_of(item_id)

    def forget_sound(self, now: float) -> int:
        """The agent goes on, as far as a sound had held it; what was said all the same is on record.

        Returns for how many milliseconds it had been held.
        """
        taken = self.sounds.take()
        if not taken:
            return 0
        self.out.add(ResumePlayout())
        held_ms = self.record.times.released(now)
        if not any(isinstance(event, SpeechStopped) for event in taken):
            self.responses.speech_started()
        for event in taken:
            match event:
                case SpeechStarted():
                    pass
                case SpeechStopped():
                    ended_at = self.sent_at(event.audio_end_ms, now)
                    spoke_until = self.sent_at(event.audio_end_ms - ending_silence_ms(self.agent), now)
                    self.record.transcript.speech_stopped(event.item_id, ended_at)
                    self.record.times.caller_stopped(event.item_id, spoke_until)
                case Committed():
                    self.record.transcript.committed(event.item_id, now)
                case _:
                    self.handlers()[type(event)](event, now)
        return held_ms

    def commit_last_words(self) -> None:
        """Of a caller who hangs up: no more audio comes that would prove the end of them to the server."""
        if self.responses.caller_speaking:
            self.last_words = self.out.new_id("ev")
            self.out.send(client_events.commit_audio(self.last_words))

    def error(self, event_id: str | None) -> None:
        """The server refused what we sent as `event_id`."""
        sentence = self.seed.refused(event_id)
        if sentence is not None:
            final = self.record.transcript.caller_abandoned(sentence)
            self.record.finals([final] if final is not None else [])
        if event_id is not None and event_id == self.last_words:
            self.last_words = None  # there were none

    @property
    def awaited(self) -> bool:
        """Words that were said are being transcribed."""
        return self.record.transcript.awaits_caller or self.last_words is not None
