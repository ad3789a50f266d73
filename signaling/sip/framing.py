"""Messages out of a stream of bytes (RFC 3261 section 18.3): TCP and TLS have no datagrams.

A stream that cannot be cut any more is over: where one message ends without a true length, the next one's
beginning is anybody's guess. Nothing is kept beyond one message's limits.
"""

from __future__ import annotations

from signaling.sip.message import long_name
from signaling.sip.reader import Limits

PING = b"\r\n\r\n"
PONG = b"\r\n"  # RFC 5626 section 4.4.1


class StreamBroken(Exception):
    """Close the connection."""


class Framing:
    """Order of calls: `receive`, then take all of `messages` and `pongs`, and again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting = bytearray()
        self.pongs = 0  # keep-alives to be answered with PONG each; the taker sets it back

    @property
    def waiting_bytes(self) -> int:
        return len(self._waiting)

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that are whole now, headers and body. Raises StreamBroken."""
        self._waiting += data
        whole = []
        while (message := self._next()) is not None:
            whole.append(message)
        return whole

    def _next(self) -> bytes | None:
        waiting = self._waiting
        while waiting.startswith(b"\r\n"):
            if waiting.startswith(PING):
                del waiting[:4]
                self.pongs += 1
            elif len(waiting) < 4:
                return None  # half a ping, perhaps
            else:
                del waiting[:2]  # RFC 3261 section 7.5: empty lines before a message are nothing
        end = waiting.find(b"\r\n\r\n")
        if end < 0 or end > self._limits.header:
            if len(waiting) > self._limits.header:
                raise StreamBroken("the headers are too long")
            return None
        length = _body_length(bytes(waiting[:end]))
        if length > self._limits.body:
            raise StreamBroken("the body is too long")
        whole = end + 4 + length
        if len(waiting) < whole:
            return None
        message = bytes(waiting[:whole])
        del waiting[:whole]
        return message


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon and long_name(name.strip().decode("latin-1")).lower() == "content-length":
            digits = value.strip()
            if not digits.isdigit() or len(digits) > 9:
                raise StreamBroken("Content-Length is not a number")
            return int(digits)
    # RFC 3261 section 20.14: required over a stream. Requests without a body come without it all the same.
    return 0
