"""The other end of a call: a WebRTC client that speaks PCM and keeps what it hears, packet by packet.

For `cordboard call`, the tests and the benchmarks. Negotiation, ICE, DTLS, SRTP, RTP and receiver reports are
aiortc's own, and the voice is encoded by PyAV, so that this end does not share the server leg's mistakes.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
from aiortc import RTCSessionDescription
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket

from media.format import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    SILENT_FRAME,
    frame_ticks,
    samples_to_bytes,
    ticks_to_samples,
)
from media.pacer import Due
from media.rtc.addresses import bind_to, local_addresses
from media.rtc.codecs import decoder_for
from media.rtc.connection import Connection
from media.rtc.ticker import ticker
from media.sdp import CLOCK_RATES, Codec
from media.telephone_event import DIGITS

MAX_PACKETS: Final = 100_000  # kept: half an hour of speech; the newest are dropped beyond it
EVENT_TYPES: Final = {8_000: 101, 48_000: 110}  # what browsers use for telephone-event
END_PACKETS: Final = 3  # RFC 4733 section 2.5.1.4: the end of an event is sent three times
CACHED_AFTER: Final = 5  # frames of silence, then the same encoded frame again and again


class CallFailed(Exception):
    """The call did not come about; the message says at which step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPacket:
    """One RTP packet as it came: `at` is `loop.time()`, the payload still encoded."""

    at: float
    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Speech:
    frame: bytes


@dataclass(frozen=True, slots=True)
class _Key:
    event: int
    ticks: int  # into the press, at the end of this frame
    last: bool


class Caller:
    """Order of calls: `connect` → `speak`, `press` at will → `close`.

    With `listens_only` nothing is sent (direction recvonly). `lose(sequence)` may drop packets on their way out,
    to play a bad network. Silence is sent whenever nothing is being said, 50 packets a second, as a browser does.
    """

    def __init__(
        self,
        *,
        codecs: tuple[str, ...] = ("opus", "pcmu", "pcma"),
        addresses: tuple[str, ...] | None = None,
        allow_loopback: bool = True,
        expected_loss_percent: int = 0,
        lose: Callable[[int], bool] | None = None,
        listens_only: bool = False,
    ) -> None:
        self.packets: list[HeardPacket] = []
        self.closed = asyncio.Event()  # the other side has ended the call, or `close` was called
        self.muted = False  # sends nothing at all
        self.skipped_frames = 0  # let go by because this process was stalled
        self._codecs = codecs
        self._addresses = local_addresses(addresses, allow_loopback=allow_loopback)
        self._expected_loss_percent = expected_loss_percent
        self._lose = lose
        self._listens_only = listens_only
        self._hear_with: Callable[[Any], Awaitable[None]] | None = None
        self._connected = asyncio.Event()
        self._waiting: deque[_Speech | _Key | asyncio.Event] = deque()
        self._connection = Connection([])
        self._transceiver = self._connection.addTransceiver(
            "audio", direction="recvonly" if listens_only else "sendrecv"
        )
        self._dtls: Any = self._transceiver.receiver.transport
        self._codec = Codec(name=codecs[0], payload_type=0, clock_rate=CLOCK_RATES[codecs[0]])
        self._voice: _Voice | None = None
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(32)
        self._key_timestamp = 0
        self._silent_frames = 0
        self._silence = b""
        self._decoded: list[tuple[float, bytes]] = []

    @property
    def codec(self) -> str:
        """As negotiated."""
        return self._codec.name

    async def connect(self, post_offer: Callable[[str], Awaitable[str]], *, timeout_s: float = 10.0) -> None:
        """Offers, gives the SDP to `post_offer`, takes the answer it returns, and waits for DTLS.

        Raises CallFailed after `timeout_s`, and whatever `post_offer` raises. Close afterwards in any case.
        """
        names = {"opus": "audio/opus", "pcmu": "audio/PCMU", "pcma": "audio/PCMA"}
        self._transceiver.setCodecPreferences(
            [
                RTCRtpCodecCapability(
                    mimeType=names[name], clockRate=CLOCK_RATES[name], channels=2 if name == "opus" else 1
                )
                for name in self._codecs
            ]
        )
        self._transceiver.sender.send = self._start  # type: ignore[method-assign]  # our voice, not a track
        if self._listens_only:
            self._hear_with = self._transceiver.receiver.receive
            self._transceiver.receiver.receive = self._listen  # type: ignore[method-assign]  # to know when
        # In place of the jitter buffer, the ear: aiortc counts and reports the packets, but decodes nothing.
        self._transceiver.receiver._RTCRtpReceiver__jitter_buffer = _Ear(self._hear)  # type: ignore[attr-defined]  # no other way in
        self._dtls.on("statechange", self._dtls_changed)
        bind_to(self._dtls.transport._connection, self._addresses, None)

        await self._connection.setLocalDescription()
        answer = await post_offer(_with_keys(self._connection.localDescription.sdp))
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            raise CallFailed(
                f"No media path within {timeout_s:g} s: ICE is {self._connection.iceConnectionState}. "
                "Check that the server's UDP addresses can be reached from here."
            ) from None

    async def speak(self, pcm24k: bytes) -> None:
        """Says this at the pace of the clock; returns when its last packet has left. Silence otherwise."""
        for start in range(0, len(pcm24k), FRAME_BYTES):
            self._waiting.append(_Speech(pcm24k[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")))
        await self._said()

    async def press(self, digit: str, duration_ms: int = 100) -> None:
        """Presses a key (RFC 4733); returns when its last packet has left."""
        ticks = frame_ticks(self._codec.clock_rate)
        frames = max(1, duration_ms // 20)
        for frame in range(1, frames + 1):
            self._waiting.append(_Key(DIGITS.index(digit), frame * ticks, frame == frames))
        await self._said()

    @property
    def received(self) -> list[tuple[float, bytes]]:
        """What was heard: (arrival in loop time, 24 kHz mono PCM) per packet, decoded on demand."""
        decoder = decoder_for(self._codec)
        self._decoded = [
            (packet.at, decoder.decode(packet.payload))
            for packet in self.packets
            if packet.payload_type == self._codec.payload_type
        ]
        decoder.close()
        return self._decoded

    def recording(self) -> bytes:
        """What was heard as one stretch of 24 kHz mono PCM, pauses in their place by the RTP timestamps."""
        audio = [p for p in self.packets if p.payload_type == self._codec.payload_type]
        if not audio:
            return b""
        first = audio[0].timestamp
        out = bytearray()
        for packet, (_, pcm) in zip(audio, self.received, strict=True):
            ahead = (packet.timestamp - first) & 0xFFFFFFFF
            start = samples_to_bytes(ticks_to_samples(ahead, self._codec.clock_rate))
            if start > len(out):
                out += bytes(start - len(out))
            out[start : start + len(pcm)] = pcm
        return bytes(out)

    async def close(self) -> None:
        """Hangs up. Idempotent; leaves no task, socket or thread."""
        ticker().leave(self)
        self._release_waiters()
        await self._connection.close()
        self.closed.set()

    # For the ticker

    def tick(self, due: Due, now: float) -> None:
        ticks = frame_ticks(self._codec.clock_rate)
        self.skipped_frames += due.skipped
        self._timestamp = (self._timestamp + due.skipped * ticks) & 0xFFFFFFFF
        for _ in range(due.frames):
            self._step()
            self._timestamp = (self._timestamp + ticks) & 0xFFFFFFFF

    def tick_failed(self) -> None:
        self._release_waiters()
        self.closed.set()

    async def _said(self) -> None:
        done = asyncio.Event()
        self._waiting.append(done)
        await done.wait()

    def _release_waiters(self) -> None:
        for item in self._waiting:
            if isinstance(item, asyncio.Event):
                item.set()
        self._waiting.clear()

    def _step(self) -> None:
        item = self._waiting.popleft() if self._waiting else None
        if isinstance(item, _Key):
            self._send_key(item)
        else:
            self._send_voice(item.frame if isinstance(item, _Speech) else SILENT_FRAME)
        while self._waiting and isinstance(self._waiting[0], asyncio.Event):
            done = self._waiting.popleft()
            assert isinstance(done, asyncio.Event)
            done.set()

    def _send_voice(self, frame: bytes) -> None:
        assert self._voice is not None
        self._silent_frames = self._silent_frames + 1 if frame is SILENT_FRAME else 0
        if self._silent_frames <= CACHED_AFTER:
            self._silence = self._voice.encode(frame)
        if self._silence:
            self._send(self._codec.payload_type, self._timestamp, self._silence, marker=False)

    def _send_key(self, key: _Key) -> None:
        ticks = frame_ticks(self._codec.clock_rate)
        if key.ticks == ticks:
            self._key_timestamp = self._timestamp
        payload_type = EVENT_TYPES[self._codec.clock_rate]
        for _ in range(END_PACKETS if key.last else 1):
            payload = bytes((key.event, (0x80 if key.last else 0) | 10)) + key.ticks.to_bytes(2, "big")
            self._send(payload_type, self._key_timestamp, payload, marker=key.ticks == ticks)

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        sequence, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFF
        if self.muted or (self._lose is not None and self._lose(sequence)):
            return
        packet = RtpPacket(
            payload_type=payload_type, marker=int(marker), sequence_number=sequence, timestamp=timestamp
        )
        packet.ssrc = self._transceiver.sender._ssrc
        packet.payload = payload
        self.send_raw(packet.serialize())

    def send_raw(self, packet: bytes) -> None:
        """Encrypts and sends a packet made by hand: how tests try what no caller should do."""
        pair = self._dtls.transport._connection._nominated.get(1)
        if pair is not None and self._dtls._tx_srtp is not None:
            pair.protocol.transport.sendto(self._dtls._tx_srtp.protect(packet), pair.remote_addr)

    async def _start(self, parameters: Any) -> None:
        """In place of aiortc's sender: DTLS is up."""
        self._negotiated(parameters)
        self._voice = _Voice(self._codec.name, self._expected_loss_percent)
        self._dtls._register_rtp_sender(self._transceiver.sender, parameters)
        ticker().join(self)
        self._connected.set()

    async def _listen(self, parameters: Any) -> None:
        """Around aiortc's receiver: DTLS is up, and nothing will be sent from here."""
        assert self._hear_with is not None
        await self._hear_with(parameters)
        self._negotiated(parameters)
        self._connected.set()

    def _negotiated(self, parameters: Any) -> None:
        chosen = parameters.codecs[0]
        name = chosen.mimeType.split("/")[1].lower()
        self._codec = Codec(name=name, payload_type=chosen.payloadType, clock_rate=CLOCK_RATES[name])

    def _hear(self, packet: RtpPacket) -> None:
        if len(self.packets) < MAX_PACKETS:
            self.packets.append(
                HeardPacket(
                    at=asyncio.get_running_loop().time(),
                    sequence=packet.sequence_number,
                    timestamp=packet.timestamp,
                    marker=bool(packet.marker),
                    payload_type=packet.payload_type,
                    payload=packet.payload,
                )
            )

    def _dtls_changed(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            ticker().leave(self)
            self._release_waiters()
            self.closed.set()


class _Ear:
    """Shaped like aiortc's JitterBuffer; never has a frame to decode."""

    def __init__(self, hear: Callable[[RtpPacket], None]) -> None:
        self._hear = hear

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        self._hear(packet)
        return False, None


class _Voice:
    """PyAV's encoders, fed with 20 ms of 24 kHz PCM."""

    def __init__(self, codec: str, expected_loss_percent: int) -> None:
        rate = SAMPLE_RATE if codec == "opus" else 8_000
        name = {"opus": "libopus", "pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}[codec]
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout, context.format = rate, "mono", "s16"
        context.time_base = Fraction(1, rate)
        if codec == "opus":
            context.bit_rate = 32_000
            context.options = {
                "application": "voip",
                "frame_duration": "20",
                "compression_level": "5",
                "fec": "1" if expected_loss_percent else "0",
                "packet_loss": str(expected_loss_percent),
            }
        self._context = context
        self._resampler = None if rate == SAMPLE_RATE else av.AudioResampler("s16", "mono", rate, rate // 50)

    def encode(self, pcm: bytes) -> bytes:
        """One payload; empty at the very beginning, where the encoder waits for more."""
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.sample_rate = SAMPLE_RATE
        frame.planes[0].update(pcm)
        frames = [frame] if self._resampler is None else self._resampler.resample(frame)
        packets = [packet for piece in frames for packet in self._context.encode(piece)]
        return bytes(packets[0]) if packets else b""


def _with_keys(offer: str) -> str:
    """The offer with telephone-event in it, which aiortc does not know."""
    extra = [
        f"a=rtpmap:{payload_type} telephone-event/{rate}\r\n" for rate, payload_type in EVENT_TYPES.items()
    ]
    lines = []
    for line in offer.splitlines():
        if line.startswith("m=audio"):
            line += "".join(f" {payload_type}" for payload_type in EVENT_TYPES.values())
        lines.append(line)
    return "\r\n".join(lines) + "\r\n" + "".join(extra)
