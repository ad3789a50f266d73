"""The model's side: what the scripted simulator says, and when things passed its door.

The script answers every turn: the first of a cycle with 4 s of speech, the second with more than the caller lets
it say. It is watched through the two methods of a session that everything passes, not changed.
"""

from __future__ import annotations

import time
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Any

from realtime.simulator.script import Answer, Asked, Reply, Script
from realtime.simulator.session import SimulatedSession
from tests.benchmarks.voice import MarkSpotter

GREETING_MS = 1_500
SHORT_MS = 4_000
LONG_MS = 12_000
FIRST = "I have a question about my appointment"
SECOND = "and another one about parking"
APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
APPEND_TAIL = b'"}'


def _says(asked: Asked) -> Answer:
    if asked.heard is None:
        return Reply(text=_words(4), audio_ms=GREETING_MS)
    if asked.heard == FIRST:
        return Reply(text=_words(10), audio_ms=SHORT_MS)
    return Reply(text=_words(30), audio_ms=LONG_MS)


def _words(count: int) -> str:
    return " ".join(["parking", "behind", "the", "house"][number % 4] for number in range(count))


# What is heard in the first and in the second turn of a cycle; one function, asked again for ever.
SCRIPT = Script(hears=[FIRST, SECOND], says=[_says], loop=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    at: float
    audio_end_ms: int


class Watch:
    """Notes of one session; times are CLOCK_MONOTONIC. What leaves is noted as it is handed to the socket."""

    def __init__(self, session: SimulatedSession) -> None:
        self.appends: list[float] = []
        self.marks: list[float] = []
        self.first_deltas: list[float] = []
        self.speech_started: list[float] = []
        self.truncates: list[Truncated] = []
        self._session = session
        self._spotter = MarkSpotter()
        self._awaits_delta = True
        self._receive = session.receive
        self._send = session.send
        self._send_prepared = session.send_prepared
        session.receive = self._received  # type: ignore[method-assign]  # listened to, not changed
        session.send = self._sends  # type: ignore[method-assign]  # the same
        session.send_prepared = self._sends_audio  # type: ignore[method-assign]  # the same

    def _received(self, frame: str | bytes) -> None:
        now = time.monotonic()
        if isinstance(frame, bytes) and frame.startswith(APPEND_HEAD):
            self.appends.append(now)
            if self._spotter.heard(a2b_base64(frame[len(APPEND_HEAD) : -len(APPEND_TAIL)])):
                self.marks.append(now)
            self._receive(frame)
            return
        self._receive(frame)
        newest = self._session.client_events[-1]
        if newest.get("type") == "conversation.item.truncate":
            self.truncates.append(Truncated(at=now, audio_end_ms=newest["audio_end_ms"]))

    def _sends(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        self._send(event)
        if event["type"] == "input_audio_buffer.speech_started":
            self.speech_started.append(now)
        elif event["type"] == "response.created" and event["response"]["conversation_id"] is not None:
            self._awaits_delta = True

    def _sends_audio(self, event_type: str, payload: bytes) -> None:
        if self._awaits_delta:
            self._awaits_delta = False
            self.first_deltas.append(time.monotonic())
        self._send_prepared(event_type, payload)
