"""A TCP proxy that breaks a connection at the worst moment."""

from __future__ import annotations

import asyncio
import contextlib
import enum


class Cut(enum.Enum):
    """When the next request that holds the watched word meets its fate."""

    BEFORE_SERVER = "the request never reaches the server"
    BEFORE_REPLY = "the server does it, the answer is lost"
    LATE = "the client's side breaks, the request reaches the server when `deliver` is called"


class CutProxy:
    """`async with CutProxy(host, port) as proxy:` and connect to `proxy.port`.

    `cut_next(word, moment)` breaks the first connection that sends `word` after it; `happened` is set then.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._word = b""
        self._moment: Cut | None = None
        self._held: tuple[asyncio.StreamWriter, bytes] | None = None
        self.happened = asyncio.Event()
        self.port = 0

    def cut_next(self, word: bytes, moment: Cut) -> None:
        self._word, self._moment = word, moment
        self.happened.clear()

    def deliver(self) -> None:
        """Hand over what Cut.LATE held back, on its old connection."""
        assert self._held is not None
        to, data = self._held
        to.write(data)

    async def __aenter__(self) -> CutProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._let_go()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, to = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        back = asyncio.create_task(self._pass(there, writer))
        try:
            while data := await reader.read(65536):
                moment = self._moment
                if moment is None or self._word not in data:
                    to.write(data)
                    continue
                self._moment = None
                if moment is Cut.BEFORE_REPLY:
                    back.cancel()
                    to.write(data)
                    await there.read(65536)  # it is done when the server has answered
                elif moment is Cut.LATE:
                    await self._let_go()
                    self._held = (to, data)
                break
        except ConnectionError:
            pass
        finally:
            back.cancel()
            writer.transport.abort()
            if self._held is None or self._held[0] is not to:
                to.transport.abort()
            if self._moment is None and self._word:
                self.happened.set()

    async def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held[0].transport.abort()
            with contextlib.suppress(ConnectionError):
                await held[0].wait_closed()

    @staticmethod
    async def _pass(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await there.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()
