"""The caller's side of a session: received audio becomes turns, turns become user items, items become words.

Two clocks: turns and idle time count the audio received; transcription events come when they come.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from realtime.simulator.conversation import Conversation, Item
from realtime.simulator.faults import TRANSCRIPTION_FAULTS, Faults
from realtime.simulator.identifiers import new_id, padding
from realtime.simulator.input_audio import InputAudio, Recording
from realtime.simulator.persona import Persona
from realtime.simulator.refusal import Refusal
from realtime.simulator.session_config import SessionConfig, TurnDetection
from realtime.simulator.turn_taking import SpeechEvent, SpeechPaused, SpeechStarted, TurnTaking

# "Minimum 100 ms of audio" for a commit.
SHORTEST_COMMIT_MS = 100
# Semantic VAD: the documented longest waits for an unfinished sentence, and ours for a finished one.
LONGEST_WAIT_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
FINISHED_WAIT_MS = {"low": 1000, "medium": 600, "auto": 600, "high": 320}


class Host(Protocol):
    """What listening needs of its session."""

    config: SessionConfig
    persona: Persona
    faults: Faults
    conversation: Conversation

    def send(self, event: dict[str, Any]) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...
    def caller_began_to_speak(self) -> None: ...
    def caller_turn_is_over(self) -> None: ...
    def is_responding(self) -> bool: ...


class Listening:
    """Everything between an append and the words of a user item."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._audio: InputAudio | None = None
        self._detection: TurnDetection | None = None
        self._turns: TurnTaking | None = None
        self._item_id = ""  # of the speech going on
        self._start_ms = 0
        self._last_end_ms = 0
        self._idle_at_ms: int | None = None
        self._understood: dict[str, asyncio.Future[str]] = {}
        self.configure()

    # -- configuration ----------------------------------------------------------------------------------

    def configure(self) -> None:
        """The session's settings have changed (or are there for the first time)."""
        detection = self._host.config.turn_detection
        if detection != self._detection:
            self._detection = detection
            speaking = self._turns is not None and self._turns.speaking
            self._turns = self._turn_taking(detection)
            if self._turns is not None:
                self._turns.speaking = speaking
        wire_format = self._host.config.input_format
        if self._audio is not None and self._audio.wire_format != wire_format:
            start_ms = self._audio.clock_ms
            self._audio.close()
            self._audio = InputAudio(wire_format, self._host.persona.detector(wire_format), start_ms=start_ms)

    @staticmethod
    def _turn_taking(detection: TurnDetection | None) -> TurnTaking | None:
        if detection is None:
            return None
        if detection.kind == "semantic_vad":
            return TurnTaking(threshold=0.5, silence_ms=LONGEST_WAIT_MS[detection.eagerness])
        return TurnTaking(threshold=detection.threshold, silence_ms=detection.silence_duration_ms)

    def close(self) -> None:
        """The session is over."""
        if self._audio is not None:
            self._audio.close()

    @property
    def clock_ms(self) -> int:
        """Audio received since the session began."""
        return 0 if self._audio is None else self._audio.clock_ms

    # -- the buffer -------------------------------------------------------------------------------------

    def append(self, data: bytes) -> None:
        """The next audio of the caller, in the wire's format."""
        audio = self._buffer()
        if audio.wire_format == "audio/pcm" and len(data) % 2:
            raise Refusal("invalid_value", "Invalid 'audio'. Expected whole 16-bit samples.", "audio")
        padding_ms = self._detection.prefix_padding_ms if self._detection is not None else 0
        for event in audio.append(data, self._turns, padding_ms):
            self._notice(event)
        if self._idle_at_ms is not None and audio.clock_ms >= self._idle_at_ms:
            self._idle()

    def commit(self) -> None:
        """The client commits what is in the buffer."""
        audio = self._buffer()
        if audio.held_ms < SHORTEST_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
                f"buffer only has {audio.held_ms:.2f}ms of audio.",
            )
        item_id = self._item_id if self._turns is not None and self._turns.speaking else new_id("item")
        recording = audio.take()
        if self._turns is not None:
            self._turns.reset()
        self._last_end_ms = recording.end_ms
        self._commit(item_id, recording)

    def clear(self) -> None:
        """The client discards what is in the buffer."""
        self._buffer().clear()
        if self._turns is not None:
            self._turns.reset()
        self._last_end_ms = self.clock_ms
        self._host.send({"type": "input_audio_buffer.cleared"})

    def _buffer(self) -> InputAudio:
        if self._audio is None:
            wire_format = self._host.config.input_format
            self._audio = InputAudio(wire_format, self._host.persona.detector(wire_format))
        return self._audio

    # -- turns ------------------------------------------------------------------------------------------

    def _notice(self, event: SpeechEvent) -> None:
        assert self._detection is not None
        assert self._turns is not None
        if isinstance(event, SpeechStarted):
            self._idle_at_ms = None
            self._item_id = new_id("item")
            self._start_ms = max(self._last_end_ms, event.at_ms - self._detection.prefix_padding_ms)
            if self._detection.kind == "semantic_vad":
                self._turns.silence_ms = LONGEST_WAIT_MS[self._detection.eagerness]
            at = {"audio_start_ms": self._start_ms, "item_id": self._item_id}
            self._host.send({"type": "input_audio_buffer.speech_started", **at})
            if self._detection.interrupt_response:
                self._host.caller_began_to_speak()
        elif isinstance(event, SpeechPaused):
            if self._detection.kind == "semantic_vad":
                self._host.spawn(self._judge(self._item_id, self._buffer().peek(self._start_ms)))
        else:
            at = {"audio_end_ms": event.at_ms, "item_id": self._item_id}
            self._host.send({"type": "input_audio_buffer.speech_stopped", **at})
            recording = self._buffer().take(self._start_ms, event.at_ms)
            self._last_end_ms = event.at_ms
            self._commit(self._item_id, recording)
            if self._detection.create_response:
                self._host.caller_turn_is_over()

    async def _judge(self, item_id: str, so_far: Recording) -> None:
        """Semantic turn detection: how long to wait depends on whether the sentence sounds finished."""
        complete = self._host.persona.sounds_complete(await self._host.persona.hear(so_far))
        detection, turns = self._detection, self._turns
        if detection is None or turns is None or detection.kind != "semantic_vad":
            return
        if turns.speaking and self._item_id == item_id:
            waits = FINISHED_WAIT_MS if complete else LONGEST_WAIT_MS
            turns.silence_ms = waits[detection.eagerness]

    # -- idle -------------------------------------------------------------------------------------------

    def response_was_spoken(self, audio_ms: int) -> None:
        """A response has ended; its audio plays for `audio_ms`.  The idle time counts from the end of that."""
        if self._detection is not None and self._detection.idle_timeout_ms is not None:
            self._idle_at_ms = self.clock_ms + audio_ms + self._detection.idle_timeout_ms

    def _idle(self) -> None:
        self._idle_at_ms = None
        if self._host.is_responding() or self._turns is None or self._turns.speaking:
            return
        item_id = new_id("item")
        recording = self._buffer().take()
        span = {"audio_start_ms": recording.start_ms, "audio_end_ms": recording.end_ms, "item_id": item_id}
        self._host.send({"type": "input_audio_buffer.timeout_triggered", **span})
        self._commit(item_id, recording, silent=True)
        self._host.caller_turn_is_over()

    # -- words ------------------------------------------------------------------------------------------

    def _commit(self, item_id: str, recording: Recording, *, silent: bool = False) -> None:
        conversation = self._host.conversation
        previous = conversation.last_id
        self._host.send(
            {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
        )
        item = Item(
            id=item_id,
            kind="user",
            content_type="input_audio",
            audio=[recording.data],
            audio_ms=recording.duration_ms,
        )
        conversation.append(item)
        for what in ("added", "done"):
            event_type = f"conversation.item.{what}"
            self._host.send({"type": event_type, "previous_item_id": previous, "item": item.wire()})
        self.understand(item, recording, silent=silent)

    def understand(self, item: Item, recording: Recording, *, silent: bool = False) -> None:
        """Begin to make words of an audio item, for the model and, where asked for, for the client."""
        words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._understood[item.id] = words
        self._host.spawn(self._understand(item, recording, words, silent))

    async def heard(self, item_id: str) -> None:
        """Wait until the words of this item are known.  At once for an item without audio."""
        words = self._understood.get(item_id)
        if words is not None:
            await asyncio.shield(words)

    async def _understand(
        self, item: Item, recording: Recording, words: asyncio.Future[str], silent: bool
    ) -> None:
        transcribes = self._host.config.transcribes
        fault = self._host.faults.take(TRANSCRIPTION_FAULTS) if transcribes else None
        item.text = "" if silent else await self._host.persona.hear(recording)
        words.set_result(item.text)
        del self._understood[item.id]
        if not transcribes:
            return
        late_ms = fault.delay_ms if fault is not None and fault.kind == "transcription_late" else 0
        await asyncio.sleep((self._host.persona.transcription_ms + late_ms) / 1000)
        at = {"item_id": item.id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        if fault is not None and fault.kind == "transcription_failed":
            error = {
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.",
                "param": None,
            }
            self._host.send({"type": f"{kind}.failed", **at, "error": error})
            return
        item.transcript = item.text
        if item.text:
            self._host.send(
                {"type": f"{kind}.delta", **at, "delta": item.text, "obfuscation": padding(item.text)}
            )
        audio_tokens = -(-recording.duration_ms // 100)
        text_tokens = -(-len(item.text) // 4)
        usage = {
            "type": "tokens",
            "total_tokens": audio_tokens + text_tokens,
            "input_tokens": audio_tokens,
            "input_token_details": {"text_tokens": 0, "audio_tokens": audio_tokens},
            "output_tokens": text_tokens,
        }
        self._host.send({"type": f"{kind}.completed", **at, "transcript": item.text, "usage": usage})
