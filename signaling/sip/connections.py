"""The agent's sockets: what it listens on, who has connected, and whom it connects to.

A connection is used both ways for as long as it stands, whoever opened it. Bounded: MAX_STREAMS connections (the
next one is cut), MOST_WAITING messages while one is being opened (the next one fails).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from itertools import count
from typing import Final, Protocol

from signaling.sip.flow import Flow, Transport
from signaling.sip.reader import Limits
from signaling.sip.streams import Stream
from signaling.sip.transactions import Key, Send
from signaling.sip.udp import UdpSocket

log = logging.getLogger(__name__)

MAX_STREAMS: Final = 256  # a bridge opens a few per worker process
MOST_WAITING: Final = 100
CONNECT_S: Final = 5.0

Destination = tuple[Transport, str, int]


class Owner(Protocol):
    """Called on the event loop."""

    def accepts(self, host: str) -> bool: ...

    def received(self, data: bytes, flow: Flow) -> None: ...

    def send_failed(self, key: Key | None) -> None:
        """A message of this transaction could not be sent; None: an answer, which its asker will want again."""


class Connections:
    """Order of calls: `listen` for each door, `send` at will, `close`. Implements `StreamOwner`."""

    def __init__(
        self,
        owner: Owner,
        limits: Limits,
        server_tls: ssl.SSLContext | None,
        client_tls: ssl.SSLContext | None,
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._doors: dict[Transport, tuple[str, int]] = {}  # the first of each kind
        self._udp: dict[int, UdpSocket] = {}
        self._servers: list[asyncio.Server] = []
        self._streams: dict[int, Stream] = {}
        self._dialled: dict[Destination, int] = {}
        self._dialling: dict[Destination, list[Send]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def address(self, transport: Transport) -> tuple[str, int]:
        """Where we can be reached by this transport: its first door, else any door there is."""
        return self._doors.get(transport) or next(iter(self._doors.values()), ("127.0.0.1", 5060))

    async def listen(self, transport: Transport, host: str, port: int) -> tuple[str, int]:
        """Raises OSError, and ValueError for TLS without a certificate."""
        if transport == "udp":
            number = next(self._numbers)
            socket = UdpSocket(self._owner.received, number)
            bound = await socket.open(host, port)
            self._udp[number] = socket
        else:
            if transport == "tls" and self._server_tls is None:
                raise ValueError("to listen with TLS a certificate is needed")
            server = await self._loop.create_server(
                lambda: self._stream(transport),
                host,
                port,
                ssl=self._server_tls if transport == "tls" else None,
            )
            self._servers.append(server)
            name = server.sockets[0].getsockname()
            bound = (str(name[0]), int(name[1]))
        self._doors.setdefault(transport, bound)
        return bound

    def stands(self, flow: Flow) -> bool:
        """What came by this flow can be answered by it."""
        return flow.connection in (self._udp if flow.transport == "udp" else self._streams)

    def send(self, message: Send) -> None:
        """Now, or as soon as there is a connection. What fails is told to the owner."""
        flow = message.flow
        if flow.transport == "udp":
            socket = self._udp.get(flow.connection) or next(iter(self._udp.values()), None)
            if socket is None or not socket.send(message.data, flow.host, flow.port):
                self._fail(message)
            return
        destination: Destination = (flow.transport, *message.address)
        number = flow.connection if flow.connection in self._streams else self._dialled.get(destination, 0)
        stream = self._streams.get(number)
        if stream is not None and stream.send(message.data):
            return
        waiting = self._dialling.get(destination)
        if self._closed or (waiting is not None and len(waiting) >= MOST_WAITING):
            self._fail(message)
        elif waiting is not None:
            waiting.append(message)
        else:
            self._dialling[destination] = [message]
            task = self._loop.create_task(self._dial(destination), name="sip connect")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Idempotent."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for server in self._servers:
            server.close()
        streams = list(self._streams.values())
        for stream in streams:
            stream.close()
        for stream in streams:
            try:
                async with asyncio.timeout(1.0):
                    await stream.gone.wait()
            except TimeoutError:
                stream.abort()
        for server in self._servers:
            await server.wait_closed()
        for socket in self._udp.values():
            await socket.close()

    # StreamOwner

    def accepts(self, host: str) -> bool:
        return not self._closed and len(self._streams) < MAX_STREAMS and self._owner.accepts(host)

    def received(self, data: bytes, flow: Flow) -> None:
        self._owner.received(data, flow)

    def opened(self, connection: Stream) -> None:
        assert connection.flow is not None
        self._streams[connection.flow.connection] = connection

    def closed(self, connection: Stream) -> None:
        assert connection.flow is not None
        number = connection.flow.connection
        self._streams.pop(number, None)
        for destination in [each for each, used in self._dialled.items() if used == number]:
            del self._dialled[destination]

    # Within

    def _stream(self, transport: Transport) -> Stream:
        return Stream(self, transport, lambda: next(self._numbers), self._limits)

    async def _dial(self, destination: Destination) -> None:
        transport, host, port = destination
        stream = self._stream(transport)
        try:
            async with asyncio.timeout(CONNECT_S):
                tls = (self._client_tls or ssl.create_default_context()) if transport == "tls" else None
                await self._loop.create_connection(lambda: stream, host, port, ssl=tls)
        except (OSError, TimeoutError) as error:
            log.warning(
                "sip.connect_failed host=%s port=%d transport=%s detail=%s: check that the bridge listens there",
                host, port, transport, error or "no answer",
            )  # fmt: skip
        finally:
            waiting = self._dialling.pop(destination, [])
        if stream.flow is not None and stream.flow.connection in self._streams:
            self._dialled[destination] = stream.flow.connection
        for message in waiting:
            if not stream.send(message.data):
                self._fail(message)

    def _fail(self, message: Send) -> None:
        # Not from within whoever sends: it may be in the middle of something.
        self._loop.call_soon(self._owner.send_failed, message.key)
