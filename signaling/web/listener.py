"""The listening socket, with the deadline that aiohttp does not have: a request's headers within 10 s.

Without it 3,000 half-sent requests stay open for good (measured over 130 s). Bodies have their own deadline
in `bodies.py`.
"""

from __future__ import annotations

import asyncio
import errno
import logging

from aiohttp import web

log = logging.getLogger(__name__)

HEADER_DEADLINE_S = 10.0
"""nginx waits 60 s, Apache 20-40 s, HAProxy 10 s where configured as its manual advises."""
KEEPALIVE_S = 75.0
"""nginx's default; an idle connection costs a socket and 8 KB."""


class PortBusy(OSError):
    """Another process listens on this address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"port {port} on {host} is in use by another process; "
            "stop it, or set CORDBOARD_HTTP_PORT to another port",
        )
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return str(self.strerror)


class _PunctualHeaders(asyncio.Protocol):
    """Stands before aiohttp's handler of one connection and cuts it when headers are late.

    The clock runs from the connection, or from the first byte of a further request, until the handler has
    parsed the headers. Between requests aiohttp's own keep-alive limit applies.
    """

    def __init__(self, handler: web.RequestHandler, *, deadline_s: float) -> None:
        self._handler = handler
        self._deadline_s = deadline_s
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._arm()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        requests = self._handler._request_count
        self._handler.data_received(data)
        if self._handler._request_count > requests:
            self._disarm()
        elif self._timer is None and self._handler._current_request is None:
            self._arm()

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._handler.connection_lost(exc)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._deadline_s, self._cut)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        log.info("request headers were late", extra={"action": "slow_headers_cut"})
        if self._transport is not None:
            self._transport.abort()


class Listener:
    """An application on a socket. Order: `start()`, `stop()`; or `async with`."""

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        header_deadline_s: float = HEADER_DEADLINE_S,
        stop_within_s: float = 5.0,
    ) -> None:
        # aiohttp's access log would write whole addresses, and tickets travel in them.
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=stop_within_s
        )
        self._host = host
        self._port = port
        self._header_deadline_s = header_deadline_s
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port in use; differs from the one asked for where that was 0."""
        if self._server is None or not self._server.sockets:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises PortBusy, or OSError for an address that is not this machine's."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "AppRunner.setup makes it"

        def accept() -> asyncio.Protocol:
            return _PunctualHeaders(server(), deadline_s=self._header_deadline_s)

        try:
            self._server = await asyncio.get_running_loop().create_server(accept, self._host, self._port)
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(self._host, self._port) from None
            raise

    async def stop(self) -> None:
        """Take no new connections, let running requests end within `stop_within_s`, close the rest.

        Idempotent; do not cancel it, connections would stay open.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    async def __aenter__(self) -> Listener:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
