"""A media server for tests of the bridge alone: just enough SIP over TCP around a real `Peer`.

What it shows is the bridge's; our own user agent has tests of its own.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from media.rtc.peer import OfferRejected, Peer, PeerConfig
from tests.fakes.listener import Listener
from tests.sip.bridge import SERVERS, free_port


@dataclass
class Answered:
    """One call, as the server has it."""

    invite: str
    peer: Peer
    listener: Listener
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def header(self, name: str) -> str | None:
        return header(self.invite, name)


class StandIn:
    """`calls` as they are answered. `status`: what OPTIONS and INVITE get instead of 200 (503: full, draining)."""

    def __init__(self) -> None:
        self.port = free_port(SERVERS)
        self.calls: list[Answered] = []
        self.requests: list[str] = []  # first lines
        self.status: str | None = None
        self.answers = True  # False: an INVITE only rings
        self._more = asyncio.Condition()
        self._tag = secrets.token_hex(4)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{SERVERS}:{self.port}"

    async def call(self, number: int = 1, *, within_s: float = 10.0) -> Answered:
        """The `number`-th call, as soon as it is answered."""
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: len(self.calls) >= number)
        return self.calls[number - 1]

    async def asked(self, method: str, *, count: int = 1, within_s: float = 10.0) -> None:
        """Until `count` requests of this method have come."""

        def enough() -> bool:
            return sum(line.startswith(method) for line in self.requests) >= count

        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(enough)

    async def hang_up(self, call: Answered) -> None:
        """BYE to the caller, along the recorded route (RFC 3261 section 12.2.1.1)."""
        contact = re.search(r"<([^>]+)>", call.header("Contact") or "")
        assert contact is not None
        routes = [f"Route: {value}" for value in every(call.invite, "Record-Route")]
        lines = [
            f"BYE {contact[1]} SIP/2.0",
            f"Via: SIP/2.0/TCP {self.address};branch=z9hG4bK{secrets.token_hex(6)}",
            *routes,
            "Max-Forwards: 70",
            f"From: {call.header('To')};tag={self._tag}",
            f"To: {call.header('From')}",
            f"Call-ID: {call.header('Call-ID')}",
            "CSeq: 1 BYE",
            "Content-Length: 0",
        ]
        (writer, *_) = self._writers
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await call.peer.close()

    async def start(self) -> None:
        self._serving = await asyncio.start_server(self._connection, SERVERS, self.port)

    async def stop(self) -> None:
        """As if the process had died: nothing listens, nothing is answered."""
        if self._serving is not None:
            self._serving.close()
            for writer in list(self._writers):
                writer.close()
            await self._serving.wait_closed()
        for call in self.calls:
            await call.peer.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lstrip("\r\n")
                length = int(header(head, "Content-Length") or 0)
                body = (await reader.readexactly(length)).decode()
                if head:
                    await self._message(head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _message(self, head: str, body: str, writer: asyncio.StreamWriter) -> None:
        method = head.split(" ", 1)[0]
        if method == "SIP/2.0":
            return
        if method == "OPTIONS":
            writer.write(self._reply(head, self.status or "200 OK"))
        elif method == "INVITE" and self.status is not None:
            writer.write(self._reply(head, self.status))
        elif method == "INVITE" and not self.answers:
            writer.write(self._reply(head, "180 Ringing"))
        elif method == "INVITE":
            writer.write(await self._answer(head, body))
        elif method == "CANCEL":
            writer.write(self._reply(head, "200 OK"))
            writer.write(
                self._reply(head.replace("CSeq: 1 CANCEL", "CSeq: 1 INVITE"), "487 Request Terminated")
            )
        elif method == "BYE":
            writer.write(self._reply(head, "200 OK"))
            for call in self.calls:
                if call.header("Call-ID") == header(head, "Call-ID"):
                    call.ended.set()
                    await call.peer.close()
        async with self._more:
            self.requests.append(head.split("\r\n", 1)[0])
            self._more.notify_all()

    async def _answer(self, head: str, body: str) -> bytes:
        running = [call for call in self.calls if call.header("Call-ID") == header(head, "Call-ID")]
        if running:  # a re-INVITE: as before
            return self._reply(head, "200 OK", running[0].peer.answer_sdp)
        listener = Listener()
        try:
            peer = await Peer.answer(body, listener, PeerConfig(addresses=(SERVERS,)))
        except OfferRejected as refused:
            return self._reply(head, f"488 {refused.code}")
        async with self._more:
            self.calls.append(Answered(head, peer, listener))
            self._more.notify_all()
        return self._reply(head, "200 OK", peer.answer_sdp)

    def _reply(self, head: str, status: str, body: str = "") -> bytes:
        kept = [
            line
            for line in head.split("\r\n")[1:]
            if line.split(":", 1)[0].lower() in ("via", "record-route", "from", "call-id", "cseq", "to")
        ]
        lines = [f"{line};tag={self._tag}" if needs_tag(line) else line for line in kept]
        lines += [f"Contact: <sip:{self.address};transport=tcp>", f"Content-Length: {len(body.encode())}"]
        if body:
            lines.append("Content-Type: application/sdp")
        return ("\r\n".join([f"SIP/2.0 {status}", *lines]) + "\r\n\r\n" + body).encode()


def needs_tag(line: str) -> bool:
    return line.lower().startswith("to:") and ";tag=" not in line


def every(head: str, name: str) -> list[str]:
    return re.findall(rf"(?im)^{name}:[ \t]*(.*?)\r?$", head)


def header(head: str, name: str) -> str | None:
    return next(iter(every(head, name)), None)


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
