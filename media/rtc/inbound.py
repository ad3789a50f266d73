"""The caller's side of the audio: RTP packets in, frames of 20 ms out, 50 a second, keys apart."""

from __future__ import annotations

from collections.abc import Callable

from media import rtp
from media.format import FRAME_BYTES, SILENT_FRAME, bytes_to_samples, samples_to_ms, ticks_to_ms
from media.jitter import Hole, JitterBuffer
from media.reception import Reception
from media.rtc.codecs import Decoder
from media.sdp import Codec
from media.telephone_event import Press, TelephoneEvents


class Inbound:
    """`deliver(pcm, at)` gets each frame, `pressed(press)` each key.

    Order of calls: `packet` as they come, `tick` every 20 ms, `suspend` while the peer is lost.
    """

    def __init__(
        self,
        codec: Codec,
        events: Codec | None,
        decoder: Decoder,
        deliver: Callable[[bytes, float], None],
        pressed: Callable[[Press], None],
    ) -> None:
        self._codec = codec
        self._decoder = decoder
        self._deliver = deliver
        self._pressed = pressed
        self._event_type = -1 if events is None else events.payload_type
        self._events = TelephoneEvents(codec.clock_rate if events is None else events.clock_rate)
        self._jitter = JitterBuffer(codec.clock_rate, decoder.measure)
        self._reception = Reception(codec.clock_rate)
        self._rest = b""
        self._suspended = False
        self._concealed = self._recovered = self._delivered = 0  # samples
        self.ssrc: int | None = None

    @property
    def reception(self) -> Reception:
        """The count of the stream that is heard now, for receiver reports."""
        return self._reception

    @property
    def late(self) -> int:
        return self._jitter.late

    @property
    def concealed_ms(self) -> int:
        return samples_to_ms(self._concealed)

    @property
    def recovered_ms(self) -> int:
        return samples_to_ms(self._recovered)

    @property
    def delivered_ms(self) -> int:
        return samples_to_ms(self._delivered)

    @property
    def jitter_ms(self) -> float:
        return ticks_to_ms(self._reception.jitter_ticks, self._codec.clock_rate)

    def packet(self, packet: rtp.Packet, now: float) -> None:
        """Takes one authentic packet. Unknown payload types and empty payloads (RFC 6263) only count."""
        if packet.payload_type == self._event_type:
            if packet.ssrc == self.ssrc:
                self._reception.packet(packet.sequence, packet.timestamp, now)
            for press in self._events.receive(packet.timestamp, packet.payload, now):
                self._pressed(press)
            return
        if packet.payload_type != self._codec.payload_type:
            return
        if packet.ssrc != self.ssrc:
            # RFC 3550 section 8: a new source has its own sequence, timestamps and account.
            self.ssrc = packet.ssrc
            self._reception = Reception(self._codec.clock_rate)
            self._jitter.reset()
        self._reception.packet(packet.sequence, packet.timestamp, now)
        if packet.payload:
            self._release(self._jitter.receive(packet.timestamp, packet.payload, now), now)

    def tick(self, frames: int, now: float) -> None:
        """`frames` frames' worth of time has passed."""
        if self._suspended:
            return
        for press in self._events.advance(now):
            self._pressed(press)
        if self._jitter.started:
            self._release(self._jitter.advance(now), now)
        else:
            for _ in range(frames):
                self._emit(SILENT_FRAME, now)

    def suspend(self) -> None:
        """The peer is lost: no more made-up audio until `resume`."""
        self._suspended = True
        self._rest = b""
        self._jitter.reset()

    def resume(self) -> None:
        self._suspended = False

    def close(self) -> None:
        self._suspended = True
        self._decoder.close()

    def _release(self, released: list[bytes | Hole], now: float) -> None:
        for piece in released:
            if isinstance(piece, bytes):
                self._emit(self._decoder.decode(piece), now)
                continue
            pcm, recovered = self._decoder.fill(piece)
            samples = bytes_to_samples(len(pcm))
            self._concealed += samples
            if recovered:
                self._recovered += samples
            self._emit(pcm, now)

    def _emit(self, pcm: bytes, now: float) -> None:
        if self._rest or len(pcm) != FRAME_BYTES:
            pcm = self._rest + pcm
            whole = len(pcm) - len(pcm) % FRAME_BYTES
            self._rest = pcm[whole:]
            for start in range(0, whole, FRAME_BYTES):
                self._hand_over(pcm[start : start + FRAME_BYTES], now)
        else:
            self._hand_over(pcm, now)

    def _hand_over(self, frame: bytes, now: float) -> None:
        self._delivered += bytes_to_samples(FRAME_BYTES)
        self._deliver(frame, now)
