"""The audio of one call with everybody on it: the caller's leg, the legs of the desk, and the patchbay between.

Without anybody at the desk, nothing here is in the way: the caller's leg plays the agent, and the caller's audio
goes to the model. With somebody, each leg pushes what it hears into the patchbay, and pulls from it, at its own
tick, what it is to send.

    caller ──► from_caller ──► the model (while the agent has the ear)
                   │
               Patchbay ◄──► legs of operators
                   │
    caller ◄── to_caller ◄── agent's frame of this moment
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Protocol

from media.format import SILENT_FRAME
from media.patchbay import CALLER, Ear, Patchbay, Role
from media.playout import PartKey
from media.rtc.peer import Peer, PeerConfig
from media.tone import HoldTone
from signaling.server.human_transcription import Voice

log = logging.getLogger(__name__)

LOST_AFTER_S = 1.5
"""An operator's browser that crashed sends nothing any more; the caller must not hear nothing for three seconds."""
LISTENER_LOST_AFTER_S = 16.0
"""A listener sends nothing but RTCP reports, a browser one in 5 s or so (RFC 3550 §6.2): two may be lost."""
GONE_AFTER_S = 30.0
"""By then the operator has long been given up or has come back on another leg."""


class DeskListener(Protocol):
    """Who hears of the legs of the desk. Called on the event loop; must not block or raise."""

    def operator_heard(self, operator: str) -> None:
        """Audio has come from there and has gone there (from a listener: the leg is up). Once per leg."""

    def operator_lost(self, operator: str) -> None:
        """Nothing comes from there, or the leg has ended. `operator_heard` follows if it comes back."""

    def people_heard(self, voice: Voice, pcm: bytes, at: float) -> None:
        """20 ms of caller or operator while an operator has the caller's ear."""


class CallAudio:
    """Order of calls: `caller_on` first and again for every new leg of the caller's; `attach`, `set_role`, `drop`,
    `give_ear` at will; `close` at the end."""

    def __init__(self, peer_config: PeerConfig, listener: DeskListener) -> None:
        self._config = replace(peer_config, lost_after_s=LOST_AFTER_S, gone_after_s=GONE_AFTER_S)
        self._listeners_config = replace(self._config, lost_after_s=LISTENER_LOST_AFTER_S)
        self._listener = listener
        self._bay = Patchbay()
        self._caller: Peer | None = None
        self._caller_away = False
        self._legs: dict[str, _Leg] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def plain(self) -> bool:
        """Caller and agent are among themselves."""
        return self._bay.plain

    @property
    def ear(self) -> Ear:
        """Who has the caller's."""
        return self._bay.ear

    def role_of(self, operator: str) -> Role | None:
        """How somebody of the desk is on the call; None: not at all."""
        return self._bay.seats.get(operator)

    def caller_on(self, peer: Peer) -> None:
        """This leg is the caller's from now on."""
        self._caller = peer
        self._caller_away = False
        self._rewire()

    def caller_away(self, away: bool) -> None:
        """The caller's leg is lost for the moment: the desk hears a tone instead of nothing."""
        self._caller_away = away

    def from_caller(self, pcm: bytes, at: float) -> bytes | None:
        """20 ms of the caller's; what the model is to hear of it, None: nothing."""
        if self._bay.ear == "operator":
            self._listener.people_heard("caller", pcm, at)
        return self._bay.from_caller(pcm)

    async def attach(self, operator: str, role: Role, offer_sdp: str) -> str:
        """Somebody of the desk joins with a leg of their own; again: instead of the one before (a reload).

        Returns the SDP answer. Raises OfferRejected.
        """
        leg = _Leg(self, operator)
        config = self._listeners_config if role == "listen" else self._config
        leg.peer = await Peer.answer(offer_sdp, leg, config)
        leg.peer.mix(leg.to_send)
        before = self._legs.get(operator)
        self._legs[operator] = leg
        if before is not None:
            self._end(before)
        self._bay.seat(operator, role)
        self._rewire()
        return leg.peer.answer_sdp

    def set_role(self, operator: str, role: Role) -> None:
        """Listen, talk or barge, on the leg that is there. Of somebody who is not on the call: nothing."""
        if operator in self._legs:
            self._bay.seat(operator, role)
            self._rewire()

    def mute(self, operator: str, muted: bool) -> None:
        """What comes from there is silence, whatever the browser sends."""
        leg = self._legs.get(operator)
        if leg is not None:
            leg.muted = muted

    def drop(self, operator: str) -> None:
        """Somebody of the desk is off the call. Idempotent."""
        leg = self._legs.pop(operator, None)
        self._bay.unseat(operator)
        if leg is not None:
            self._end(leg)
        self._rewire()

    def give_ear(self, ear: Ear) -> None:
        """From the caller's next frame on this one is heard there. What the agent has queued stays queued."""
        self._bay.give_ear(ear)
        self._rewire()

    async def close(self) -> None:
        """End every leg of the desk. The caller's is the session's. Idempotent."""
        for operator in list(self._legs):
            self.drop(operator)
        if self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)

    # For the legs

    def _heard(self, leg: _Leg, pcm: bytes, at: float) -> None:
        role = self._bay.seats.get(leg.operator)
        if role is None or role == "listen":
            return
        self._bay.from_operator(leg.operator, SILENT_FRAME if leg.muted else pcm)
        if role == "talk" and self._bay.ear == "operator" and not leg.muted:
            self._listener.people_heard("operator", pcm, at)

    def _to_send(self, leg: _Leg) -> bytes | None:
        pcm = self._bay.to_operator(leg.operator)
        if self._caller_away and CALLER in self._bay.hears(leg.operator):
            return leg.tone.frame()
        return pcm

    def _is_current(self, leg: _Leg) -> bool:
        return self._legs.get(leg.operator) is leg

    def _rewire(self) -> None:
        if self._caller is None:
            return
        self._caller.mix(None if self._bay.plain else self._bay.to_caller)
        self._caller.mute_agent(self._bay.ear != "agent")

    def _end(self, leg: _Leg) -> None:
        assert leg.peer is not None
        task = asyncio.create_task(leg.peer.close(), name=f"close leg of {leg.operator}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _Leg:
    """Somebody of the desk. Implements PeerObserver."""

    def __init__(self, audio: CallAudio, operator: str) -> None:
        self.operator = operator
        self.peer: Peer | None = None
        self.muted = False
        self.tone = HoldTone()
        self._audio = audio
        self._up = False

    def to_send(self, _: bytes | None) -> bytes | None:
        """The next 20 ms for this ear."""
        return self._audio._to_send(self)

    # PeerObserver

    def media_connected(self, at: float, codec: str) -> None:
        if self.peer is not None and not self.peer.hears:
            self._is_up()

    def audio_received(self, pcm: bytes, at: float) -> None:
        if not self._audio._is_current(self):
            return
        self._audio._heard(self, pcm, at)
        if not self._up and self.peer is not None and self.peer.stats().packets_received:
            self._is_up()

    def part_started(self, part: PartKey, at: float) -> None: ...

    def playout_drained(self, at: float) -> None: ...

    def digit_received(self, digit: str, duration_ms: int) -> None: ...

    def peer_lost(self, silent_ms: int, at: float) -> None:
        self._is_down()

    def peer_resumed(self, gap_ms: int, at: float) -> None:
        self._is_up()

    def peer_gone(self, reason: str, at: float) -> None:
        self._is_down()

    def _is_up(self) -> None:
        if not self._up and self._audio._is_current(self):
            self._up = True
            self._audio._listener.operator_heard(self.operator)

    def _is_down(self) -> None:
        if self._audio._is_current(self):
            self._up = False
            self._audio._listener.operator_lost(self.operator)
