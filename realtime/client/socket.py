"""A Realtime server's WebSocket: text frames in and out, without a task or a queue of its own.

Built on the Sans-I/O half of `websockets` and an asyncio protocol: a message is parsed and handed on in the
callback that the kernel's data came in, and one is sent by a plain call, past the library's frame objects. So 50
audio appends a second cost no task switches (tests/benchmarks/realtime_socket.py compares it with the library's
own connection).

Sending never waits. Beyond BUFFERED_AUDIO_LIMIT of unsent bytes audio is dropped and counted (it would be stale
by the time it left); beyond BUFFERED_LIMIT the connection is given up. There is no proxy support.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime.client.text_frame import MASK_BYTES, text_frame

BUFFERED_AUDIO_LIMIT = 256 * 1024  # bytes: about 4 s of appended audio
BUFFERED_LIMIT = 8 * 1024 * 1024
# A server event of over 2 MiB is none we can use; up to 16 MiB it is skipped rather than ending the call.
MESSAGE_LIMIT = 16 * 1024 * 1024
# A connection that has died without a word is a caller who is not heard: 10 to 15 s until that is known. The next
# session mends it; a ping costs nothing.
PING_EVERY_S = 5.0
PING_TIMEOUT_S = 5.0
# Realtime servers often never answer a CLOSE frame; nobody should wait the library's ten seconds for it.
CLOSE_TIMEOUT_S = 1.0
# Random bytes by the hundred: one system call in two seconds of a call instead of a hundred.
MASKS_AT_ONCE = 100
NO_CLOSE_FRAME = 1006  # RFC 6455 section 7.1.5


class ConnectFailed(Exception):
    """No session could be opened.

    code: unreachable (no TCP or TLS), timeout, unauthorized (401, 403), rate_limited (429), server_error (5xx),
    refused (any other answer).
    """

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, retry_after_s: int | None = None
    ):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s


class SocketListener(Protocol):
    """Who hears from the socket. Called on the event loop; must not block or raise."""

    def message_received(self, message: bytes) -> None:
        """One text message."""

    def socket_closed(self, code: int, reason: str) -> None:
        """Once, however the connection ended; 1006 where no CLOSE frame came."""


@dataclass(slots=True)
class SocketStats:
    sent: int = 0
    received: int = 0
    dropped_audio: int = 0  # messages not sent because the server did not read


class RealtimeSocket(asyncio.Protocol):
    """Made by `connect`; ends by `close`, by the server, or by a lost network."""

    def __init__(self, protocol: ClientProtocol, listener: SocketListener) -> None:
        self.stats = SocketStats()
        self._protocol = protocol
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._fragments: list[bytes] = []
        self._keepalive: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._masks = b""

    @classmethod
    async def connect(
        cls, url: str, *, headers: dict[str, str], listener: SocketListener, timeout_s: float
    ) -> RealtimeSocket:
        """Opens a connection. Raises ConnectFailed; cancelling it leaves nothing open."""
        where = urlsplit(url)
        host = where.hostname or ""
        protocol = ClientProtocol(parse_uri(url), max_size=MESSAGE_LIMIT)
        secure = where.scheme == "wss"
        socket = cls(protocol, listener)
        place = f"{host}:{where.port or (443 if secure else 80)}"
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: socket,
                    host,
                    where.port or (443 if secure else 80),
                    ssl=ssl.create_default_context() if secure else None,
                )
                socket._request(headers)
                await socket._opened
        except TimeoutError as error:
            socket._abort()
            raise ConnectFailed("timeout", f"{place} did not answer within {timeout_s:g} s") from error
        except InvalidStatus as error:
            socket._abort()
            raise _refusal(error, place) from error
        except OSError as error:
            socket._abort()
            raise ConnectFailed("unreachable", f"{place} cannot be reached: {_reason(error)}") from error
        except BaseException:
            socket._abort()
            raise
        return socket

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        """One text message, now; False where it was not sent. `droppable`: audio, better lost than late."""
        if self._transport is None or self._protocol.state is not State.OPEN:
            return False
        waiting = self._transport.get_write_buffer_size()
        if waiting > BUFFERED_AUDIO_LIMIT and droppable:
            self.stats.dropped_audio += 1
            return False
        if waiting > BUFFERED_LIMIT:
            self._abort()
            return False
        self._transport.write(text_frame(message, self._mask()))
        self.stats.sent += 1
        return True

    async def close(self) -> None:
        """Says goodbye and waits CLOSE_TIMEOUT_S at most. Idempotent."""
        if self._transport is not None and self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
            await asyncio.wait([self._ended], timeout=CLOSE_TIMEOUT_S)
        self._abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._protocol.receive_data(data)
        self._after_input()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._after_input()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        was_open = self._opened.done() and not self._opened.cancelled() and self._opened.exception() is None
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionResetError("closed during the handshake"))
        if not self._ended.done():
            self._ended.set_result(None)
            if was_open:
                said = self._protocol.close_rcvd
                self._listener.socket_closed(
                    said.code if said is not None else NO_CLOSE_FRAME,
                    said.reason if said is not None else str(exc or ""),
                )

    # Inside

    def _request(self, headers: dict[str, str]) -> None:
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        self._flush()

    def _after_input(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered()
            elif isinstance(event, Frame):
                self._frame_received(event)
        self._flush()
        if self._protocol.close_expected() and self._transport is not None:
            self._transport.close()

    def _answered(self) -> None:
        if self._opened.done():
            return
        if self._protocol.handshake_exc is not None:
            self._opened.set_exception(self._protocol.handshake_exc)
        else:
            self._opened.set_result(None)
            self._keepalive = self._loop.call_later(PING_EVERY_S, self._ping)

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            if frame.fin:
                self._message_received(bytes(frame.data))
            else:
                self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                message, self._fragments = b"".join(self._fragments), []
                self._message_received(message)

    def _message_received(self, message: bytes) -> None:
        self.stats.received += 1
        self._listener.message_received(message)

    def _ping(self) -> None:
        # Anything received counts as life: an answer to a ping may stand behind a burst of audio.
        now = self._loop.time()
        if now - self._heard_at > PING_EVERY_S + PING_TIMEOUT_S:
            self._abort()
            return
        self._protocol.send_ping(b"")
        self._flush()
        self._keepalive = self._loop.call_later(PING_EVERY_S, self._ping)

    def _mask(self) -> bytes:
        if not self._masks:
            self._masks = os.urandom(MASK_BYTES * MASKS_AT_ONCE)
        mask, self._masks = self._masks[:MASK_BYTES], self._masks[MASK_BYTES:]
        return mask

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()  # read: it has been reported already


def _refusal(error: InvalidStatus, place: str) -> ConnectFailed:
    """The server answered the handshake with something other than 101."""
    status = error.response.status_code
    code = {401: "unauthorized", 403: "unauthorized", 429: "rate_limited"}.get(
        status, "server_error" if status >= 500 else "refused"
    )
    retry_after = error.response.headers.get("Retry-After", "")
    return ConnectFailed(
        code,
        f"{place} answered {status}{_said(error.response.body)}",
        status=status,
        retry_after_s=int(retry_after) if retry_after.isdecimal() else None,
    )


def _said(body: bytes | bytearray | None) -> str:
    """The message of an OpenAI error document, if there is one. It may quote a key's last letters, no more."""
    try:
        message = msgspec.json.decode(body or b"")["error"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return f": {message}"[:300]


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
