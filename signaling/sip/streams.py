"""One TCP or TLS connection, whoever has opened it.

What is waiting to be read is one message at most (`Framing`), what is waiting to be written MAX_WAITING_BYTES: an
end that does not take its answers is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from signaling.sip.flow import Flow, Transport
from signaling.sip.framing import PONG, Framing, StreamBroken
from signaling.sip.reader import Limits

log = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 1024 * 1024


class StreamOwner(Protocol):
    """Who keeps the connections. Called on the event loop."""

    def accepts(self, host: str) -> bool:
        """Whether this address may connect now."""

    def opened(self, connection: Stream) -> None: ...

    def closed(self, connection: Stream) -> None: ...

    def received(self, data: bytes, flow: Flow) -> None:
        """One whole message."""


class Stream(asyncio.Protocol):
    """Order of calls: asyncio's; `send` and `close` at will."""

    def __init__(
        self, owner: StreamOwner, transport: Transport, number: Callable[[], int], limits: Limits
    ) -> None:
        self._owner = owner
        self._kind: Transport = transport
        self._number = number
        self._framing = Framing(limits)
        self._transport: asyncio.Transport | None = None
        self.flow: Flow | None = None
        self.gone = asyncio.Event()

    def send(self, data: bytes) -> bool:
        """False: the connection is gone, or has just been cut because nobody reads."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            log.warning(
                "sip.stream_stuck host=%s: it does not read; cut", self.flow.host if self.flow else ""
            )
            transport.abort()
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._owner.accepts(str(peer[0])):
            transport.abort()
            return
        self._transport = transport
        self.flow = Flow(
            transport=self._kind, host=str(peer[0]), port=int(peer[1]), connection=self._number()
        )
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.flow is None:
            return
        try:
            messages = self._framing.receive(data)
        except StreamBroken as error:
            log.warning("sip.stream_broken host=%s detail=%s", self.flow.host, error)
            self.close()
            return
        for _ in range(self._framing.pongs):
            self.send(PONG)
        self._framing.pongs = 0
        for message in messages:
            self._owner.received(message, self.flow)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        if self.flow is not None:
            self._owner.closed(self)
