"""One UDP socket. What cannot be sent at once is dropped beyond MAX_WAITING_BYTES: SIP over UDP repeats itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from signaling.sip.flow import Flow

log = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 256 * 1024


class UdpSocket(asyncio.DatagramProtocol):
    """`received(data, flow)` is called on the event loop for each datagram; `number` names this socket in flows."""

    def __init__(self, received: Callable[[bytes, Flow], None], number: int) -> None:
        self._received = received
        self._number = number
        self._transport: asyncio.DatagramTransport | None = None
        self.closed = asyncio.Event()

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Binds; returns host and port. Raises OSError."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(host, port))
        assert self._transport is not None
        name = self._transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    def send(self, data: bytes, host: str, port: int) -> bool:
        """False: not sent."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:  # type: ignore[attr-defined]  # typeshed lacks it
            return False
        transport.sendto(data, (host, port))
        return True

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self.closed.wait()

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own is no subclass of it in Python 3.11.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, Flow(transport="udp", host=addr[0], port=addr[1], connection=self._number))

    def error_received(self, exc: Exception) -> None:
        log.debug("sip.udp_error detail=%s", exc)  # an ICMP: the transaction's timer will tell

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
