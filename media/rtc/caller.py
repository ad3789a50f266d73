"""The other end of a call: a WebRTC client that speaks PCM and keeps what it hears, packet by packet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPacket:
    """One RTP packet as it came: `at` is `loop.time()`, the payload still encoded."""

    at: float
    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    payload: bytes


class Caller:
    """Order of calls: `connect` → `speak`, `press` at will → `close`."""

    packets: list[HeardPacket]

    async def connect(self, post_offer: Callable[[str], Awaitable[str]], *, timeout_s: float = 10.0) -> None:
        """Offers, gives the SDP to `post_offer`, takes the answer it returns, and waits for DTLS."""
        raise NotImplementedError

    async def speak(self, pcm24k: bytes) -> None:
        """Says this at the pace of the clock; returns when its last packet has left. Silence otherwise."""
        raise NotImplementedError

    async def press(self, digit: str, duration_ms: int = 100) -> None:
        """Presses a key (RFC 4733)."""
        raise NotImplementedError

    @property
    def received(self) -> list[tuple[float, bytes]]:
        """What was heard: (arrival in loop time, 24 kHz mono PCM) per packet, decoded on demand."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
