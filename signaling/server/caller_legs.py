"""The caller's leg, and the one that takes its place when the caller comes back.

A page that is being loaded again closes its connection just like one that is left, and a phone that changes its
network loses it without a word. So a leg that closes may be missed for a moment before the call is given up, and
a new one takes up what the old one had still to say. What happens on a leg that has been replaced is nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from media.playout import PartKey
from media.rtc.peer import CLOSED, OfferRejected, Peer, PeerConfig


class LegListener(Protocol):
    """Who hears of the caller, whichever leg they are on. As PeerObserver: must not block or raise."""

    @property
    def over(self) -> bool:
        """The call is over: nobody can come back."""

    def leg_connected(self, peer: Peer, at: float, codec: str) -> None:
        """The call's first leg is up."""

    def leg_replaced(self, peer: Peer, gap_ms: int, at: float) -> None:
        """The caller is on another leg; they were gone for `gap_ms` (0: nobody had noticed)."""

    def audio_received(self, pcm: bytes, at: float) -> None: ...

    def part_started(self, part: PartKey, at: float) -> None: ...

    def playout_drained(self, at: float) -> None: ...

    def digit_received(self, digit: str, duration_ms: int) -> None: ...

    def peer_lost(self, silent_ms: int, at: float) -> None: ...

    def peer_resumed(self, gap_ms: int, at: float) -> None: ...

    def caller_gone(self, reason: str, at: float) -> None:
        """For good; `reason` as PeerObserver.peer_gone gives it."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task that ends with the call."""


class CallerLegs:
    """Order of calls: `answer`, `come_back` as often as the caller does, `close`."""

    def __init__(self, listener: LegListener, config: PeerConfig, *, resume_s: float) -> None:
        """`resume_s`: how long a caller whose leg was closed may come back; 0: not at all."""
        self.peer: Peer | None = None  # of the leg that counts
        self._listener = listener
        self._config = config
        self._resume_s = resume_s
        self._loop = asyncio.get_running_loop()
        self._leg: _Leg | None = None
        self._coming: set[_Leg] = set()  # not connected yet
        self._away_since: float | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._connected = False

    async def answer(self, offer_sdp: str | None) -> Peer:
        """The first leg; None: it is we who offer, and its `accept` is still to come. Raises OfferRejected."""
        self._leg = leg = _Leg(self)
        if offer_sdp is None:
            self.peer = leg.peer = await Peer.offer(leg, self._config)
        else:
            self.peer = leg.peer = await Peer.answer(offer_sdp, leg, self._config)
        return self.peer

    async def come_back(self, offer_sdp: str) -> str:
        """A leg that takes the place of the present one as soon as it is connected; its SDP answer.

        Raises OfferRejected.
        """
        leg = _Leg(self)
        leg.peer = await Peer.answer(offer_sdp, leg, self._config)
        if self._listener.over:
            await leg.peer.close()
            raise OfferRejected("call_over", "This call has ended meanwhile.")
        self._coming.add(leg)
        return leg.peer.answer_sdp

    async def close(self) -> None:
        """End every leg. Idempotent."""
        if self._giving_up is not None:
            self._giving_up.cancel()
        legs = [leg for leg in (self._leg, *self._coming) if leg is not None]
        await asyncio.gather(*(leg.peer.close() for leg in legs if leg.peer is not None))

    # For the legs

    def connected(self, leg: _Leg, at: float, codec: str) -> None:
        assert leg.peer is not None
        if leg is self._leg:
            self._connected = True
            self._listener.leg_connected(leg.peer, at, codec)
        elif leg in self._coming:
            self._replace(leg, at)

    def lost(self, silent_ms: int, at: float) -> None:
        self._away_since = at - silent_ms / 1000
        self._listener.peer_lost(silent_ms, at)

    def resumed(self, gap_ms: int, at: float) -> None:
        self._away_since = None
        self._listener.peer_resumed(gap_ms, at)

    def gone(self, leg: _Leg, reason: str, at: float) -> None:
        if leg is not self._leg:
            if leg in self._coming and leg.peer is not None:
                self._coming.discard(leg)
                self._listener.spawn(leg.peer.close(), "close leg")
        elif reason != CLOSED or not self._resume_s or not self._connected:
            self._listener.caller_gone(reason, at)
        elif self._giving_up is None:
            self.lost(0, at)
            self._giving_up = self._loop.call_later(self._resume_s, self._give_up)

    def counts(self, leg: _Leg) -> bool:
        return leg is self._leg

    @property
    def listener(self) -> LegListener:
        return self._listener

    def _give_up(self) -> None:
        self._listener.caller_gone(CLOSED, self._loop.time())

    def _replace(self, leg: _Leg, at: float) -> None:
        self._coming.discard(leg)
        before, self._leg = self._leg, leg
        assert before is not None
        assert before.peer is not None
        assert leg.peer is not None
        leg.peer.continue_from(before.peer)
        self.peer = leg.peer
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        gap_ms = 0 if self._away_since is None else round((at - self._away_since) * 1000)
        if self._away_since is None:  # nobody had noticed
            self._listener.peer_lost(0, at)
        self._away_since = None
        self._listener.leg_replaced(leg.peer, gap_ms, at)
        self._listener.spawn(before.peer.close(), "close old leg")


class _Leg:
    """One of them. Implements PeerObserver."""

    def __init__(self, legs: CallerLegs) -> None:
        self.peer: Peer | None = None
        self._legs = legs
        self._listener = legs.listener

    def media_connected(self, at: float, codec: str) -> None:
        self._legs.connected(self, at, codec)

    def audio_received(self, pcm: bytes, at: float) -> None:
        if self._legs.counts(self):
            self._listener.audio_received(pcm, at)

    def part_started(self, part: PartKey, at: float) -> None:
        if self._legs.counts(self):
            self._listener.part_started(part, at)

    def playout_drained(self, at: float) -> None:
        if self._legs.counts(self):
            self._listener.playout_drained(at)

    def digit_received(self, digit: str, duration_ms: int) -> None:
        if self._legs.counts(self):
            self._listener.digit_received(digit, duration_ms)

    def peer_lost(self, silent_ms: int, at: float) -> None:
        if self._legs.counts(self):
            self._legs.lost(silent_ms, at)

    def peer_resumed(self, gap_ms: int, at: float) -> None:
        if self._legs.counts(self):
            self._legs.resumed(gap_ms, at)

    def peer_gone(self, reason: str, at: float) -> None:
        self._legs.gone(self, reason, at)
