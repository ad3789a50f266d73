"""The encrypted path that ICE and DTLS have opened: packets through it, without aiortc's queues and tasks."""

from __future__ import annotations

from asyncio import WriteTransport
from typing import Final, cast

import pylibsrtp
from aiortc.rtcdtlstransport import RTCDtlsTransport

from media.rtc.guard import GuardedProtocol

MAX_SOCKET_BACKLOG: Final = (
    64 * 1024
)  # bytes a socket that cannot send may hold; more is dropped, it would be late


class SecureChannel:
    """One call's SRTP, on whatever path ICE has nominated by now. Usable once DTLS is connected."""

    def __init__(self, dtls: RTCDtlsTransport) -> None:
        self._connection = dtls.transport._connection
        self._inbound = dtls._rx_srtp
        self._outbound = dtls._tx_srtp
        self.rejected = 0  # packets whose authentication failed, and replays

    def open(self, data: bytes, *, rtcp: bool) -> bytes | None:
        """The plain packet; None where it is forged, replayed or broken."""
        try:
            plain: bytes = self._inbound.unprotect_rtcp(data) if rtcp else self._inbound.unprotect(data)
        except (pylibsrtp.Error, ValueError, TypeError):
            self.rejected += 1
            return None
        return plain

    def send(self, packet: bytes) -> bool:
        """Encrypts and sends one RTP packet; False where there is no path (any more)."""
        return self._send(self._outbound.protect(packet))

    def send_rtcp(self, packet: bytes) -> bool:
        return self._send(self._outbound.protect_rtcp(packet))

    def _send(self, data: bytes) -> bool:
        pair = self._connection._nominated.get(1)
        if pair is None:
            return False
        transport = pair.protocol.transport
        # asyncio's datagram transports have this method too; their annotation does not say so.
        backlog = cast(WriteTransport, transport).get_write_buffer_size()
        if transport.is_closing() or backlog > MAX_SOCKET_BACKLOG:
            return False
        transport.sendto(data, pair.remote_addr)
        return True

    def turned_away(self) -> int:
        """Datagrams the guard has dropped on this call's sockets."""
        return sum(p.turned_away for p in self._connection._protocols if isinstance(p, GuardedProtocol))
