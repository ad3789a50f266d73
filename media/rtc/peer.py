"""One caller's WebRTC leg: an offer in, an answer out, 24 kHz PCM both ways.

Order of calls: `Peer.answer` → send `answer_sdp` to the caller → `media_connected` → `play`/`finish`/`flush` at
will → `close`, exactly once is enough and more does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from media.playout import Cut, PartKey
from media.sdp import OfferRejected as OfferRejected


class PeerObserver(Protocol):
    """Who is told what happens on the leg.

    Everything is called on the event loop and must not block; `at` is `loop.time()` in seconds. Nothing is
    called after `peer_gone` or after `close()` has begun.
    """

    def media_connected(self, at: float, codec: str) -> None:
        """ICE and DTLS are done; `codec` is opus, pcmu or pcma. Comes once, before any audio."""

    def audio_received(self, pcm: bytes, at: float) -> None:
        """20 ms of the caller (960 bytes), 50 a second from connect on while the peer is present.

        Lost packets are filled by forward error correction, concealment or silence.
        """

    def part_started(self, part: PartKey, at: float) -> None:
        """The first RTP packet of this part has left."""

    def playout_drained(self, at: float) -> None:
        """All that was queued and finished has been sent and heard."""

    def digit_received(self, digit: str, duration_ms: int) -> None:
        """A key was pressed and released (RFC 4733); once per press."""

    def peer_lost(self, silent_ms: int, at: float) -> None:
        """Nothing has come from the peer for `lost_after_s`; pause the agent."""

    def peer_resumed(self, gap_ms: int, at: float) -> None:
        """The peer is heard again after `peer_lost`."""

    def peer_gone(self, reason: str, at: float) -> None:
        """The leg has ended: peer_lost, closed or ice_timeout. Call `close()` now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server the leg itself uses; callers get theirs from the HTTP API."""

    url: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpusSettings:
    """How the agent's voice is encoded. See media/rtc/libopus.py for what each choice costs."""

    bitrate: int = 32_000  # bit/s
    complexity: int = 5  # 0-10


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    addresses: tuple[str, ...] | None = (
        None  # to bind and to name in the answer; None: every one of the machine
    )
    allow_loopback: bool = True  # fall back to 127.0.0.1 when the machine has no other address
    ice_servers: tuple[IceServer, ...] = ()
    codecs: tuple[str, ...] = ("opus", "pcmu", "pcma")  # what may be answered; the offer's order decides
    opus: OpusSettings = field(default_factory=OpusSettings)
    lost_after_s: float = 8.0  # silence until peer_lost; has to be noticed within 10 s
    gone_after_s: float = 30.0  # silence until peer_gone
    ice_timeout_s: float = 12.0  # a page gives up at 10 s of its own
    comfort_interval_s: float = 0.4  # RFC 3389 and Opus DTX keep to the same order
    max_queued_s: float = 120.0  # of agent audio per call; the newest is dropped beyond it


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStats:
    codec: str
    packets_received: int
    packets_lost: int
    packets_late: int
    packets_rejected: int  # datagrams the guard or SRTP turned away
    concealed_ms: int  # audio made up for packets that did not come in time
    recovered_ms: int  # of these, restored by forward error correction
    received_ms: int  # audio handed to the observer, all told
    jitter_ms: float
    rtt_ms: float | None
    packets_sent: int
    remote_loss: float  # share of our packets the peer missed, newest receiver report
    queued_ms: int
    dropped_ms: int  # agent audio refused because the queue was full


class Peer:
    """The server's end of one call's media."""

    answer_sdp: str

    @classmethod
    async def answer(cls, offer_sdp: str, observer: PeerObserver, config: PeerConfig | None = None) -> Peer:
        """Answers an offer. Raises OfferRejected; leaves nothing behind when it does, or when cancelled."""
        raise NotImplementedError

    def play(self, part: PartKey, pcm: bytes) -> None:
        """Appends 24 kHz mono s16le of any length. Bounded by `max_queued_s`: the newest is dropped."""
        raise NotImplementedError

    def finish(self, part: PartKey) -> None:
        """No more audio comes for this part; its last odd samples are padded to a frame."""
        raise NotImplementedError

    def flush(self) -> tuple[Cut, ...]:
        """Barge-in: from the very next packet nothing leaves of what is queued. Says how far each part came."""
        raise NotImplementedError

    def pause(self) -> None:
        """Holds what is queued; only comfort packets leave. Idempotent."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def heard_ms(self, part: PartKey) -> int:
        raise NotImplementedError

    def stats(self) -> PeerStats:
        raise NotImplementedError

    async def close(self) -> None:
        """Ends the leg. Idempotent; leaves no task, socket, thread or file."""
        raise NotImplementedError
