"""The people of the desk on one call: who sits in, who talks, what is written down of it, and what the agent learns.

Between the desk (which decides), the audio (which mixes) and the conversation (which has to be silent, and to know
afterwards). Implements `DeskCall` for the desk, `DeskListener` for the audio and `Listener` for the transcription.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from media.patchbay import Ear, Role
from realtime import desk_words
from realtime.agent import Agent
from realtime.client.endpoint import Endpoint
from realtime.conversation import Conversation
from realtime.people_talking import Utterance
from signaling.server.call_audio import CallAudio
from signaling.server.human_transcription import HumanTranscription, Voice
from storage.events import EndReason, Event, HandoffRequested, SessionFailed

log = logging.getLogger(__name__)


class DeskOfCall(Protocol):
    """What a call tells the desk of this process; see `signaling.server.desk.Desk`."""

    def requested(self, call: CallPeople, event: HandoffRequested) -> None: ...

    def state_of(self, call_id: str) -> tuple[str, str] | None: ...

    def withdraw(self, call_id: str, why: str) -> bool: ...

    def book_callback(self, call_id: str, number: str | None, when: str | None) -> bool: ...

    def operator_heard(self, call_id: str, operator: str) -> None: ...

    def operator_lost(self, call_id: str, operator: str) -> None: ...

    def agent_speaks(self, call_id: str) -> None: ...

    def caller_left(self, call_id: str) -> None: ...


class Session(Protocol):
    """What this asks of the call it belongs to."""

    call_id: str
    agent: Agent

    @property
    def over(self) -> bool: ...

    def publish(self, event: Event) -> None: ...

    def in_conversation(self, tell: Callable[[Conversation, float], None]) -> None:
        """Tell the conversation something, and carry out what it decides. Of a call that is over: nothing."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task that ends with the call."""

    def hang_up(self, reason: EndReason) -> None: ...


class CallPeople:
    """One per call; costs nothing while nobody of the desk is there."""

    def __init__(self, session: Session, endpoint: Endpoint, desk: DeskOfCall | None) -> None:
        """`sit_on` before anything else."""
        self._session = session
        self._endpoint = endpoint
        self._desk = desk
        self._transcription: HumanTranscription | None = None

    def sit_on(self, audio: CallAudio) -> None:
        """The call's audio, whose listener this is."""
        self._audio = audio

    # The call tells

    def happened(self, event: Event) -> None:
        """An event was published."""
        if self._desk is not None and isinstance(event, HandoffRequested):
            self._desk.requested(self, event)

    def agent_speaks(self) -> None:
        """The agent's audio has begun to leave."""
        if self._desk is not None:
            self._desk.agent_speaks(self.call_id)

    def caller_left(self) -> None:
        """The call is over; events may still be published."""
        if self._desk is not None:
            self._desk.caller_left(self.call_id)

    async def close(self) -> None:
        """End every leg of the desk and the transcription. Idempotent."""
        await self._audio.close()
        transcription, self._transcription = self._transcription, None
        if transcription is not None:
            await transcription.close()

    # The model's tools ask: `DeskControl`

    @property
    def handoff_state(self) -> str | None:
        """Of the handoff that is open; None: nobody has been asked for."""
        state = self._desk.state_of(self.call_id) if self._desk is not None else None
        return None if state is None else state[1]

    def withdraw_handoff(self, why: str) -> bool:
        """Nobody is needed any more. False: there was nothing to withdraw."""
        return self._desk is not None and self._desk.withdraw(self.call_id, why)

    def book_callback(self, number: str | None, when: str | None) -> bool:
        """Somebody will call back. False: nobody has been asked for, so there is nothing to book."""
        return self._desk is not None and self._desk.book_callback(self.call_id, number, when)

    # DeskCall

    @property
    def call_id(self) -> str:
        return self._session.call_id

    @property
    def agent(self) -> Agent:
        return self._session.agent

    @property
    def over(self) -> bool:
        return self._session.over

    def publish(self, event: Event) -> None:
        self._session.publish(event)

    async def attach_operator(self, operator: str, role: Role, offer_sdp: str) -> str:
        """Raises OfferRejected."""
        return await self._audio.attach(operator, role, offer_sdp)

    def role_of(self, operator: str) -> Role | None:
        return self._audio.role_of(operator)

    def mute_operator(self, operator: str, muted: bool) -> None:
        self._audio.mute(operator, muted)

    def drop_operator(self, operator: str) -> None:
        self._audio.drop(operator)

    def give_ear(self, ear: Ear) -> None:
        self._audio.give_ear(ear)

    def person_joined(self, name: str) -> None:
        if self._transcription is None:
            self._transcription = HumanTranscription(self._endpoint, self.agent, self)
        self._session.in_conversation(lambda conversation, now: conversation.operator_joined(name, now))

    def person_left(self, note: str) -> None:
        self._session.spawn(self._hand_back(note), "hand back")

    def tell_agent(self, moment: str, detail: str) -> None:
        news = desk_words.news(moment, detail)
        if news is not None:
            self._tell(news)

    def whisper(self, text: str) -> None:
        self._tell(desk_words.whisper(text))

    def hang_up(self, reason: str) -> None:
        self._session.hang_up(reason)  # type: ignore[arg-type]  # one of EndReason, see HandoffCall

    # DeskListener

    def operator_heard(self, operator: str) -> None:
        if self._desk is not None:
            self._desk.operator_heard(self.call_id, operator)

    def operator_lost(self, operator: str) -> None:
        if self._desk is not None:
            self._desk.operator_lost(self.call_id, operator)

    def people_heard(self, voice: Voice, pcm: bytes, at: float) -> None:
        if self._transcription is not None:
            self._transcription.heard(voice, pcm, at)

    # The transcription's Listener

    def said(self, voice: Voice, utterance: Utterance, started_at: float, ended_at: float) -> None:
        item_id = f"{voice}_{utterance.item_id}"

        def tell(conversation: Conversation, now: float) -> None:
            told = conversation.operator_said if voice == "operator" else conversation.caller_said
            told(item_id, utterance.text, started_at, now)

        self._session.in_conversation(tell)

    def not_written_down(self, voice: Voice, code: str, detail: str) -> None:
        log.warning("transcription.lost call_id=%s voice=%s code=%s", self.call_id, voice, code)
        self.publish(SessionFailed(code=f"transcription_{code}", message=f"of the {voice}: {detail}"[:300]))

    # Inside

    async def _hand_back(self, note: str) -> None:
        """The agent must know the last words too; it is asked to speak as soon as they are written down."""
        transcription, self._transcription = self._transcription, None
        if transcription is not None:
            await transcription.last_words()
        self._session.in_conversation(lambda conversation, now: conversation.operator_left(now, note))
        if transcription is not None:
            await transcription.close()

    def _tell(self, news: desk_words.News) -> None:
        self._session.in_conversation(
            lambda conversation, now: conversation.told(news.fact, now, say=news.say)
        )
