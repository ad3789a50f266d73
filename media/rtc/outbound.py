"""The agent's side of the audio: queued PCM out as RTP, a frame each 20 ms, next to nothing while silent.

After speech two frames of silence let the listener's decoder end it cleanly. A comfort packet right behind them
tells it that the pause is meant (Chromium otherwise conceals 400 ms of "loss"), and one every 400 ms keeps the
path and the statistics alive. Timestamps follow the clock all the time, sequence numbers the
packets, and the marker is set where speech begins again (RFC 3551 section 4.1): silence is not loss.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Protocol

from media import rtp
from media.dialling import Dialling, KeyPacket
from media.format import SILENT_FRAME, frame_ticks, frames_to_seconds, samples_to_ms
from media.pacer import Due
from media.playlist import Playlist
from media.playout import Cut, PartKey, PlayoutLedger
from media.protection import Protection
from media.rtc.codecs import Encoder
from media.sdp import Codec

FIRST_FRAMES: Final = 5  # of silence after connecting: the page sees that the path works
TRAILING_FRAMES: Final = (
    2  # of silence after speech: the decoder's overlap and the listener's buffer run empty
)


class Way(Protocol):
    """What takes a finished RTP packet; False where it could not leave."""

    def send(self, packet: bytes) -> bool: ...


class Outbound:
    """Order of calls: `play`, `finish`, `cut`, `pause`, `resume` at will, `tick` every 20 ms."""

    def __init__(
        self,
        codec: Codec,
        encoder: Encoder,
        way: Way,
        *,
        ssrc: int,
        comfort_interval_s: float,
        max_frames: int,
        events: Codec | None = None,
        started: Callable[[PartKey, float], None],
        drained: Callable[[float], None],
    ) -> None:
        self._encoder = encoder
        self._way = way
        self._payload_type = codec.payload_type
        self._ticks = frame_ticks(codec.clock_rate)
        self._comfort_interval_s = comfort_interval_s
        self._started = started
        self._drained = drained
        self._playlist = Playlist(max_frames)
        self._event_type = -1 if events is None else events.payload_type
        self._dialling = None if events is None else Dialling(events.clock_rate)
        self._ledger = PlayoutLedger()
        self._protection = Protection()
        self._playing: PartKey | None = None
        self._silence_left = FIRST_FRAMES
        self._talking = False
        self._comfort_at = 0.0
        # RFC 3550 section 5.1: random beginnings. The sequence starts in the lower half, because a wrap in the
        # first seconds can desynchronise SRTP (RFC 3711 section 3.3.1).
        self._sequence = random.getrandbits(15)
        self._refused = 0
        self._first_tick: float | None = None
        self._ticked = 0
        # Told of each frame of somebody's audio as it leaves (960 bytes) and when, on a clock that counts frames
        # from the first tick on: what follows without a gap has times without one. Must not block.
        self.on_sent: Callable[[bytes, float], None] | None = None
        # Who else may be heard here: given the agent's frame of this moment (None: silence), the frame to send
        # (None: silence). Must not block.
        self.mix: Callable[[bytes | None], bytes | None] | None = None
        self.timestamp = random.getrandbits(32)
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.paused = False
        self.muted = False  # the agent; whoever else is mixed in is heard

    @property
    def queued_ms(self) -> int:
        return self._ledger.queued_ms()

    @property
    def refused_ms(self) -> int:
        return samples_to_ms(self._refused)

    def play(self, part: PartKey, pcm: bytes) -> None:
        taken, refused = self._playlist.append(part, pcm)
        self._ledger.queue(part, taken)
        self._refused += refused

    def finish(self, part: PartKey) -> None:
        self._playlist.finish(part)
        self._ledger.finish(part)

    def press(self, digits: str) -> bool:
        """See `Peer.press`."""
        if self._dialling is None:
            return False
        self._dialling.press(digits)
        return True

    def cut(self, now: float) -> tuple[Cut, ...]:
        """Forgets all that is queued, at once."""
        self._playlist.clear()
        self._playing = None
        return self._ledger.cut(now)

    def adopt(self, before: Outbound) -> None:
        """Go on where another leg of the same call ends: what it had queued, its account, who listens to it."""
        self._playlist, before._playlist = before._playlist, self._playlist
        self._ledger, before._ledger = before._ledger, self._ledger
        self._playing, before._playing = before._playing, None
        self._refused += before._refused
        self.paused, self.muted = before.paused, before.muted
        self.on_sent, before.on_sent = before.on_sent, None
        self.mix, before.mix = before.mix, None

    def heard_ms(self, part: PartKey, now: float) -> int:
        return self._ledger.heard_ms(part, now)

    def round_trip_measured(self, rtt_ms: float) -> None:
        self._ledger.round_trip_measured(rtt_ms)

    def loss_reported(self, share: float) -> None:
        if self._protection.reported(share):
            self._encoder.expect_loss(self._protection.expected_loss)

    def tick(self, due: Due, now: float) -> None:
        self.timestamp = (self.timestamp + due.skipped * self._ticks) & 0xFFFFFFFF
        if self._first_tick is None:
            self._first_tick = now
        self._ticked += due.skipped
        for _ in range(due.frames):
            self._frame(now)
            self._ticked += 1
            self.timestamp = (self.timestamp + self._ticks) & 0xFFFFFFFF
        if not self._ledger.empty and self._ledger.settle(now) and self._ledger.empty:
            self._drained(now)

    def close(self) -> None:
        self._playlist.clear()
        self._encoder.close()

    def _frame(self, now: float) -> None:
        if self._dialling is not None and self._dialling.busy:
            self._key_frame(self._dialling.next(self.timestamp))
            return
        queued = None if self.paused or self.muted else self._playlist.next()
        pcm = None if queued is None else queued.pcm
        if self.mix is not None:
            pcm = self.mix(pcm)
        if pcm is not None:
            begins, self._talking = not self._talking, True
            self._silence_left = TRAILING_FRAMES
            self._send(self._encoder.encode(pcm), begins)
            if self.on_sent is not None and self._first_tick is not None:
                self.on_sent(pcm, self._first_tick + frames_to_seconds(self._ticked))
        elif self._silence_left:
            self._silence_left -= 1
            self._send(self._encoder.encode(SILENT_FRAME), False)
            self._comfort_at = now
        else:
            self._talking = False
            if now >= self._comfort_at:
                self._comfort_at = now + self._comfort_interval_s
                self._send(self._encoder.comfort, False)
        if queued is not None:
            self._ledger.sent(queued.part, queued.samples, now)
            if queued.part != self._playing:
                self._playing = queued.part
                self._started(queued.part, now)

    def _key_frame(self, key: KeyPacket | None) -> None:
        """In place of audio (RFC 4733 section 2.5.1.1 leaves the choice): both at once would be heard twice."""
        if self.mix is not None:
            self.mix(None)  # who speaks meanwhile is not heard, and not heard late either
        self._talking = False  # what comes afterwards begins with a marker
        if key is not None:
            self._post(self._event_type, key.marker, key.timestamp, key.payload)

    def _send(self, payload: bytes, marker: bool) -> None:
        self._post(self._payload_type, marker, self.timestamp, payload)

    def _post(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        packet = rtp.build(payload_type, marker, self._sequence, timestamp, self.ssrc, payload)
        self._sequence = (self._sequence + 1) & 0xFFFF
        if self._way.send(packet):
            self.packets += 1
            self.octets += len(payload)
