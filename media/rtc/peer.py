"""One caller's WebRTC leg: an offer in, an answer out, 24 kHz PCM both ways.

Order of calls: `Peer.answer` → send `answer_sdp` to the caller → `media_connected` → `play`/`finish`/`flush` at
will → `close`, exactly once is enough and more does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiortc import RTCIceServer, RTCSessionDescription
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from media import rtp
from media.format import FRAME_MS
from media.pacer import Due
from media.playout import Cut, PartKey
from media.presence import Change, Notice, PresenceWatch
from media.rtc.addresses import bind_to, local_addresses
from media.rtc.channel import SecureChannel
from media.rtc.codecs import decoder_for, encoder_for
from media.rtc.connection import Connection
from media.rtc.inbound import Inbound
from media.rtc.outbound import Outbound
from media.rtc.reporting import Reporting
from media.rtc.ticker import ticker
from media.sdp import Offer, behind_nat, offered, own_offer, read_answer, read_offer
from media.sdp import OfferRejected as OfferRejected
from media.telephone_event import Press

logger = logging.getLogger(__name__)

PEER_LOST: Final = "peer_lost"
CLOSED: Final = "closed"
ICE_TIMEOUT: Final = "ice_timeout"


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
    public_address: str | None = None  # named in the answer instead of IPv4 host addresses: a one-to-one NAT
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
    """The server's end of one call's media.

    aiortc does the offer and answer, ICE with its consent checks, and DTLS. Its senders, receivers, tracks,
    jitter buffer and decoder threads are never started: packets go from the socket's callback through SRTP,
    jitter buffer and decoder to the observer, and from the ticker through the encoder and SRTP to the socket.
    """

    answer_sdp: str

    def __init__(self, offer: Offer, observer: PeerObserver, config: PeerConfig) -> None:
        """For `answer` only."""
        self._loop = asyncio.get_running_loop()
        self._offer = offer
        self._observer = observer
        self._config = config
        self._inbound = Inbound(
            offer.codec,
            offer.events,
            decoder_for(offer.codec),
            observer.audio_received,
            self._pressed,
        )
        self._connection = Connection(
            [
                RTCIceServer(urls=server.url, username=server.username, credential=server.credential)
                for server in config.ice_servers
            ]
        )
        transceiver = self._connection.addTransceiver("audio", direction="sendrecv")
        # These two start aiortc's own media when DTLS is up; ours starts instead.
        transceiver.sender.send = _nothing  # type: ignore[method-assign]  # replaced on purpose
        transceiver.receiver.receive = _nothing  # type: ignore[method-assign]  # the same
        self._dtls: RTCDtlsTransport = transceiver.receiver.transport
        self._dtls.on("statechange", self._dtls_changed)
        self._dtls.transport.on("statechange", self._ice_changed)
        ice = self._dtls.transport._connection
        addresses = local_addresses(config.addresses, allow_loopback=config.allow_loopback)
        bind_to(ice, addresses, self._media_datagram)
        ssrc: int = transceiver.sender._ssrc
        self._outbound = Outbound(
            offer.codec,
            encoder_for(offer.codec, bitrate=config.opus.bitrate, complexity=config.opus.complexity),
            self,
            ssrc=ssrc,
            comfort_interval_s=config.comfort_interval_s,
            max_frames=int(config.max_queued_s * 1000 / FRAME_MS),
            events=offer.events,
            started=observer.part_started,
            drained=observer.playout_drained,
        )
        self._channel: SecureChannel | None = None
        self._reporting = Reporting(ssrc, self._loop.time())
        self._presence: PresenceWatch | None = None
        self._ice_timer: asyncio.TimerHandle | None = None
        self._gone = False
        self._held = False
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def answer(cls, offer_sdp: str, observer: PeerObserver, config: PeerConfig | None = None) -> Peer:
        """Answers an offer. Raises OfferRejected; leaves nothing behind when it does, or when cancelled."""
        config = config or PeerConfig()
        peer = cls(read_offer(offer_sdp, config.codecs), observer, config)
        try:
            await peer._negotiate()
        except Exception as error:
            await peer.close()
            # aiortc raises a dozen types here; none of them is for the caller's eyes.
            raise OfferRejected("not_answerable", f"The offer could not be answered: {error}") from error
        except BaseException:
            await peer.close()
            raise
        return peer

    @classmethod
    async def offer(cls, observer: PeerObserver, config: PeerConfig | None = None) -> Peer:
        """The other way about: `answer_sdp` is an offer of ours, and `accept` takes their answer to it.

        The codec is settled before: G.711 by the law that every telephone has to know (RFC 7874 section 3).
        """
        peer = cls(own_offer("pcmu"), observer, config or PeerConfig())
        try:
            transceiver = peer._connection.getTransceivers()[0]
            transceiver.setCodecPreferences(
                [RTCRtpCodecCapability(mimeType="audio/PCMU", clockRate=8_000, channels=1)]
            )
            await peer._connection.setLocalDescription()
            made = offered(peer._connection.localDescription.sdp, peer._offer)
            peer.answer_sdp = behind_nat(made, peer._config.public_address)
        except BaseException:
            await peer.close()
            raise
        return peer

    async def accept(self, answer_sdp: str) -> None:
        """Their answer to our offer. Raises OfferRejected; close the leg then."""
        mid = self._connection.getTransceivers()[0].mid or "0"
        self._offer = read_answer(answer_sdp, self._offer, mid)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(self._offer.sdp, "answer"))
        except Exception as error:
            raise OfferRejected("not_answerable", f"The answer could not be used: {error}") from error
        self._ice_timer = self._loop.call_later(self._config.ice_timeout_s, self._end, ICE_TIMEOUT)

    @property
    def hears(self) -> bool:
        """The other end means to send audio."""
        return self._offer.sends

    def play(self, part: PartKey, pcm: bytes) -> None:
        """Appends 24 kHz mono s16le of any length. Bounded by `max_queued_s`: the newest is dropped."""
        if self._closing is None:  # also on a leg that is gone: another may continue it
            self._outbound.play(part, pcm)

    def finish(self, part: PartKey) -> None:
        """No more audio comes for this part; its last odd samples are padded to a frame."""
        self._outbound.finish(part)

    def press(self, digits: str) -> bool:
        """Presses keys of a telephone (RFC 4733), one after the other, 200 ms each; the agent's audio waits.

        Goes on through `pause` and `flush`; keys not yet pressed end with this leg. False: the other end has not
        agreed to telephone-event, nothing is sent. Raises ValueError for anything but 0-9 * # A-D, and when more
        than `dialling.MAX_WAITING` keys would wait (then none of these is taken).
        """
        return self._outbound.press(digits)

    def flush(self) -> tuple[Cut, ...]:
        """Barge-in: from the very next packet nothing leaves of what is queued.

        Says how far each part came that had not been settled (see PlayoutLedger.cut).
        """
        return self._outbound.cut(self._loop.time())

    def pause(self) -> None:
        """Holds what is queued; only comfort packets leave. Idempotent."""
        self._outbound.paused = True

    def resume(self) -> None:
        self._outbound.paused = False

    def listen(self, on_sent: Callable[[bytes, float], None] | None) -> None:
        """From now on tell `on_sent` each frame of audio that leaves for the caller (960 bytes), after every cut, and
        its time: `loop.time()` at the first frame of the leg and 20 ms more for each frame since. None: nobody."""
        self._outbound.on_sent = on_sent

    def mix(self, mix: Callable[[bytes | None], bytes | None] | None) -> None:
        """From the next frame on send what `mix` makes of the agent's frame of that moment (960 bytes, None where
        the agent is silent); None from it is silence. `mix` None: the agent alone again."""
        self._outbound.mix = mix

    def mute_agent(self, muted: bool) -> None:
        """The agent's audio stays queued; others who are mixed in are heard."""
        self._outbound.muted = muted

    @property
    def held(self) -> bool:
        return self._held

    def hold(self, held: bool) -> None:
        """The other end has put the call on hold: what it plays is not for us, its silence is meant, and nothing is
        sent. Whether it is still there is told by ICE (consent, RFC 7675) alone. Idempotent."""
        if self._held == held:
            return
        self._held = held
        if held:
            self._inbound.suspend()
        else:
            self._inbound.resume()
            if self._presence is not None:
                self._presence.heard(self._loop.time())

    def continue_from(self, before: Peer) -> None:
        """A new leg of the same call takes up what the old one had still to say. Close the old one afterwards."""
        self._outbound.adopt(before._outbound)

    def heard_ms(self, part: PartKey) -> int:
        """Of this part, by now; keeps answering after it was cut or heard wholly."""
        return self._outbound.heard_ms(part, self._loop.time())

    def stats(self) -> PeerStats:
        reception = self._inbound.reception
        channel = self._channel
        return PeerStats(
            codec=self._offer.codec.name,
            packets_received=reception.received,
            packets_lost=reception.lost,
            packets_late=self._inbound.late,
            packets_rejected=channel.rejected + channel.turned_away() if channel is not None else 0,
            concealed_ms=self._inbound.concealed_ms,
            recovered_ms=self._inbound.recovered_ms,
            received_ms=self._inbound.delivered_ms,
            jitter_ms=self._inbound.jitter_ms,
            rtt_ms=self._reporting.rtt_ms,
            packets_sent=self._outbound.packets,
            remote_loss=self._reporting.remote_loss,
            queued_ms=self._outbound.queued_ms,
            dropped_ms=self._outbound.refused_ms,
        )

    async def close(self) -> None:
        """Ends the leg. Idempotent; leaves no task, socket, thread or file. Goes on when cancelled."""
        if self._closing is None:
            self._gone = True
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    # For the ticker and the outbound side.

    def tick(self, due: Due, now: float) -> None:
        """One 20 ms step of the call; the ticker's business."""
        self._inbound.tick(due.frames + due.skipped, now)
        self._outbound.tick(due, now)
        if self._reporting.is_due(now):
            self._report(now)
        if self._held or self._presence is None:
            return
        if (notice := self._presence.check(now)) is not None:
            self._notice(notice, now)

    def tick_failed(self) -> None:
        self._end(CLOSED)

    def send(self, packet: bytes) -> bool:
        return self._channel is not None and not self._held and self._channel.send(packet)

    # Beginning

    async def _negotiate(self) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(self._offer.sdp, "offer"))
        await self._connection.setLocalDescription()
        answer = self._offer.complete(self._connection.localDescription.sdp)
        self.answer_sdp = behind_nat(answer, self._config.public_address)
        self._ice_timer = self._loop.call_later(self._config.ice_timeout_s, self._end, ICE_TIMEOUT)

    def _dtls_changed(self) -> None:
        if self._dtls.state == "connected":
            # Not from within aiortc's own steps: an observer's fault must not break its handshake.
            self._loop.call_soon(self._connected)
        elif self._dtls.state in ("closed", "failed"):
            self._loop.call_soon(self._end, CLOSED if self._channel is not None else ICE_TIMEOUT)

    def _ice_changed(self) -> None:
        if self._dtls.transport.state == "failed":
            self._loop.call_soon(self._end, CLOSED if self._channel is not None else ICE_TIMEOUT)

    def _connected(self) -> None:
        if self._gone or self._channel is not None:
            return
        now = self._loop.time()
        if self._ice_timer is not None:
            self._ice_timer.cancel()
        self._channel = SecureChannel(self._dtls)
        self._presence = PresenceWatch(
            lost_after_s=self._config.lost_after_s, gone_after_s=self._config.gone_after_s, now=now
        )
        self._observer.media_connected(now, self._offer.codec.name)
        ticker().join(self)

    # What comes

    def _media_datagram(self, data: bytes) -> None:
        channel = self._channel
        if channel is None or self._gone:
            return
        now = self._loop.time()
        control = rtp.is_rtcp(data)
        plain = channel.open(data, rtcp=control)
        if plain is None:
            return
        if control:
            self._control(plain, now)
            return
        packet = rtp.parse(plain)
        if packet is None:
            return
        if self._held:
            return
        self._heard(now)
        self._inbound.packet(packet, now)

    def _control(self, plain: bytes, now: float) -> None:
        if not self._offer.sends:
            self._heard(now)  # a listener sends nothing but reports
        if self._reporting.receive(plain, now):
            self._outbound.loss_reported(self._reporting.remote_loss)
            if self._reporting.rtt_ms is not None:
                self._outbound.round_trip_measured(self._reporting.rtt_ms)

    def _heard(self, now: float) -> None:
        if self._presence is not None and (notice := self._presence.heard(now)) is not None:
            self._notice(notice, now)

    def _pressed(self, press: Press) -> None:
        self._observer.digit_received(press.digit, press.duration_ms)

    def _notice(self, notice: Notice, now: float) -> None:
        if notice.change is Change.LOST:
            self._inbound.suspend()
            self._observer.peer_lost(notice.silent_ms, now)
        elif notice.change is Change.RESUMED:
            self._inbound.resume()
            self._observer.peer_resumed(notice.silent_ms, now)
        else:
            self._end(PEER_LOST)

    def _report(self, now: float) -> None:
        data = self._reporting.build(
            now,
            rtp_timestamp=self._outbound.timestamp,
            packets=self._outbound.packets,
            octets=self._outbound.octets,
            peer_ssrc=self._inbound.ssrc,
            reception=self._inbound.reception,
        )
        if self._channel is not None:
            self._channel.send_rtcp(data)

    # End

    def _end(self, reason: str) -> None:
        """The leg is over; the owner is told once and is expected to close."""
        if self._gone:
            return
        self._gone = True
        ticker().leave(self)
        self._observer.peer_gone(reason, self._loop.time())

    async def _close(self) -> None:
        ticker().leave(self)
        if self._ice_timer is not None:
            self._ice_timer.cancel()
        await self._connection.close()
        self._inbound.close()
        self._outbound.close()


async def _nothing(parameters: Any) -> None:
    """In place of aiortc's own senders and receivers."""
