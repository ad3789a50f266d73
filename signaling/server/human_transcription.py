"""The transcript of people talking to each other: a session for each voice, open only while they do.

The call goes on without: a voice whose session cannot be had is tried again after a while, and what was said
meanwhile is not written down (an event says so).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Literal, Protocol

from media.format import FRAME_MS
from realtime import client_events
from realtime.agent import Agent
from realtime.client.endpoint import Endpoint, open_transcription
from realtime.client.socket import ConnectFailed, RealtimeSocket
from realtime.people_talking import OneVoice, Utterance, transcription_config
from realtime.server_events import Committed, ErrorEvent, SessionCreated, parse

log = logging.getLogger(__name__)

Voice = Literal["caller", "operator"]

TRY_AGAIN_S = 5.0
"""A provider that is down must not be asked 50 times a second."""
LAST_WORDS_S = 1.5
"""How long the last sentence may take to be written down; the caller waits for the agent meanwhile."""
WAITING_FRAMES = 250
"""5 s of audio kept while the session is being opened; the oldest goes."""

_COMMIT = "last_words"


class Listener(Protocol):
    """Who is told. Called on the event loop; must not block or raise."""

    def said(self, voice: Voice, utterance: Utterance, started_at: float, ended_at: float) -> None:
        """Loop times."""

    def not_written_down(self, voice: Voice, code: str, detail: str) -> None:
        """The session for this voice is lost or cannot be had."""


class HumanTranscription:
    """Order of calls: `heard` as the audio comes, `last_words`, `close`. Sessions open with the first frame."""

    def __init__(self, endpoint: Endpoint, agent: Agent, listener: Listener) -> None:
        self._voices = {voice: _Session(voice, endpoint, agent, listener) for voice in ("caller", "operator")}

    def heard(self, voice: Voice, pcm: bytes, at: float) -> None:
        """20 ms (960 bytes) of one voice, that came at `at` (loop time)."""
        self._voices[voice].append(pcm, at)

    async def last_words(self) -> None:
        """Wait until what was said is written down, LAST_WORDS_S at most."""
        await asyncio.gather(*(session.finish() for session in self._voices.values()))

    async def close(self) -> None:
        """End both sessions. Idempotent."""
        await asyncio.gather(*(session.close() for session in self._voices.values()))


class _Session:
    """One voice. Implements SocketListener."""

    def __init__(self, voice: Voice, endpoint: Endpoint, agent: Agent, listener: Listener) -> None:
        self._voice: Voice = voice
        self._endpoint = endpoint
        self._agent = agent
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._socket: RealtimeSocket | None = None
        self._configured = False
        self._opening: asyncio.Task[None] | None = None
        self._try_at = 0.0
        self._waiting: list[tuple[bytes, float]] = []
        self._written = OneVoice()
        self._settled = asyncio.Event()
        self._committed = False  # the last commit has been answered
        self._appended_ms = 0
        self._offset = 0.0  # loop time of the session's first sample
        self._closed = False
        self._updates = 0

    def append(self, pcm: bytes, at: float) -> None:
        if self._configured and self._socket is not None:
            self._send(pcm, at)
            return
        self._waiting.append((pcm, at))
        del self._waiting[:-WAITING_FRAMES]
        if self._opening is None and self._socket is None and not self._closed and at >= self._try_at:
            self._opening = self._loop.create_task(self._open(), name=f"transcription of the {self._voice}")

    async def finish(self) -> None:
        if self._socket is None or not self._configured:
            return
        self._committed = False
        self._settled.clear()
        self._socket.send(client_events.commit_audio(_COMMIT))
        try:
            await asyncio.wait_for(self._settled.wait(), LAST_WORDS_S)
        except TimeoutError:
            log.info("transcription.last_words_late voice=%s", self._voice)

    async def close(self) -> None:
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    # SocketListener

    def message_received(self, message: bytes) -> None:
        event = parse(message)
        match event:
            case SessionCreated():
                self._configure()
            case ErrorEvent(error=error):
                if error.event_id == _COMMIT:
                    self._committed = True  # nothing was left to be written down
                else:
                    log.warning("transcription.error voice=%s code=%s", self._voice, error.code)
            case _:
                self._committed = self._committed or isinstance(event, Committed)
                utterance = self._written.receive(event)
                if utterance is not None:
                    self._listener.said(
                        self._voice,
                        utterance,
                        self._offset + utterance.start_ms / 1000,
                        self._offset + utterance.end_ms / 1000,
                    )
        if self._committed and not self._written.pending:
            self._settled.set()

    def socket_closed(self, code: int, reason: str) -> None:
        self._socket = None
        self._configured = False
        self._settled.set()
        if not self._closed:
            self._failed(f"closed_{code}", reason[:200])

    # Inside

    async def _open(self) -> None:
        try:
            self._socket = await open_transcription(self._endpoint, self)
        except ConnectFailed as error:
            self._failed(error.code, error.detail)
        finally:
            self._opening = None
        self._send_waiting()

    def _configure(self) -> None:
        self._written = OneVoice()
        self._appended_ms = 0
        self._configured = True
        self._updates += 1
        self._send_waiting()

    def _send_waiting(self) -> None:
        """The session's first message may come with the handshake, before the socket is ours."""
        if self._socket is None or not self._configured:
            return
        if self._updates:
            self._updates = 0
            self._socket.send(client_events.session_update("configure", transcription_config(self._agent)))
        waiting, self._waiting = self._waiting, []
        for pcm, at in waiting:
            self._send(pcm, at)

    def _send(self, pcm: bytes, at: float) -> None:
        assert self._socket is not None
        if self._appended_ms == 0:
            self._offset = at
        if self._socket.send(client_events.append_audio(pcm), droppable=True):
            self._appended_ms += FRAME_MS

    def _failed(self, code: str, detail: str) -> None:
        self._try_at = self._loop.time() + TRY_AGAIN_S
        self._listener.not_written_down(self._voice, code, detail)
