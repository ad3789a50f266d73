"""What the receiver of one RTP stream reports about it: loss and jitter, by the book (RFC 3550 appendix A)."""

from __future__ import annotations

from media.rtp import SEQUENCE_MODULUS, sequence_distance

MAX_GAP = 3000  # RFC 3550 A.1 MAX_DROPOUT: a greater jump is a sender that started again
_LOST_MAX = 0x7FFFFF  # 24 bits, signed


class Reception:
    """The count for one SSRC. `arrival` is in seconds of any steady clock."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._base = 0
        self._highest = 0  # extended: cycles * 65536 + sequence
        self._transit: float | None = None
        self._jitter = 0.0  # timestamp units
        self._expected_before = 0
        self._received_before = 0
        self._forgotten_expected = 0
        self.received = 0

    def packet(self, sequence: int, timestamp: int, arrival: float) -> None:
        if not self.received:
            self._base = self._highest = sequence
        else:
            ahead = sequence_distance(sequence, self._highest & 0xFFFF)
            if abs(ahead) > MAX_GAP:
                self._forgotten_expected += self._highest - self._base + 1
                self._base = self._highest = self._highest - self._highest % SEQUENCE_MODULUS + sequence
            elif ahead > 0:
                self._highest += ahead
        self.received += 1
        self._measure_jitter(timestamp, arrival)

    def _measure_jitter(self, timestamp: int, arrival: float) -> None:
        transit = arrival * self._clock_rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            # A wrapped timestamp or a sender that started again says nothing about the network.
            if difference < self._clock_rate * 10:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        return self._forgotten_expected + (self._highest - self._base + 1 if self.received else 0)

    @property
    def lost(self) -> int:
        """Packets that have not come, all told; never below 0 here (duplicates can make the count negative)."""
        return max(0, self.expected - self.received)

    @property
    def reported_lost(self) -> int:
        return max(-_LOST_MAX - 1, min(_LOST_MAX, self.expected - self.received))

    @property
    def highest_sequence(self) -> int:
        return self._highest & 0xFFFFFFFF

    @property
    def jitter_ticks(self) -> int:
        return int(self._jitter)

    def fraction_lost(self) -> int:
        """Loss since the last time this was asked, in 256ths (RFC 3550 A.3)."""
        expected = self.expected - self._expected_before
        received = self.received - self._received_before
        self._expected_before, self._received_before = self.expected, self.received
        if expected <= 0 or received >= expected:
            return 0
        return min(255, ((expected - received) << 8) // expected)
