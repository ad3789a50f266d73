"""SIP written by hand over UDP, for what no well-behaved telephone does."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.sip.bridge import TELEPHONES

PLAIN = "RTP/AVP"
OFFER = """\
v=0
o=- 1 1 IN IP4 {address}
s=-
c=IN IP4 {address}
t=0 0
m=audio 29000 {profile} {formats}
a=rtpmap:101 telephone-event/8000
a=sendrecv
"""


class Line(asyncio.DatagramProtocol):
    """`ask` sends a request and waits for its final answer; `answers` has every message that came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: list[str] = []
        self.branch = ""
        self._transport: asyncio.DatagramTransport | None = None
        self._came = asyncio.Event()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.answers.append(data.decode())
        self._came.set()

    def send(
        self, method: str, to: str, *, body: str = "", call_id: str | None = None, same: bool = False
    ) -> str:
        """One request; returns its Call-ID. `same`: of the transaction before (CANCEL, ACK of a refusal)."""
        assert self._transport is not None
        call_id = call_id or secrets.token_hex(8)
        if not same:
            self.branch = f"z9hG4bK{secrets.token_hex(8)}"
        port = self._transport.get_extra_info("sockname")[1]
        lines = [
            f"{method} sip:agent@{to} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address}:{port};branch={self.branch}",
            "Max-Forwards: 70",
            f"From: <sip:caller@{self.address}>;tag={call_id[:8]}",
            f"To: <sip:agent@{to}>",
            f"Call-ID: {call_id}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:caller@{self.address}:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        host, _, number = to.rpartition(":")
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), (host, int(number)))
        return call_id

    async def answer(self, call_id: str, *, of: str, within_s: float = 15.0, final: bool = True) -> str:
        """The first answer to this call's request `of`, whole; the first final one unless told otherwise."""
        lowest = 200 if final else 180

        def found() -> list[str]:
            return [
                text
                for text in self.answers
                if text.startswith("SIP/2.0") and call_id in text and f" {of}\r\n" in text
                and int(text[8:11]) >= lowest
            ]  # fmt: skip

        async with asyncio.timeout(within_s):
            while not found():
                self._came.clear()
                await self._came.wait()
        return found()[0]

    async def ask(self, method: str, to: str, *, body: str = "") -> str:
        return await self.answer(self.send(method, to, body=body), of=method)


@asynccontextmanager
async def line(address: str = TELEPHONES) -> AsyncIterator[Line]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Line(address), local_addr=(address, 0))
    try:
        yield protocol
    finally:
        transport.close()


def offer(*, profile: str = PLAIN, formats: str = "8 0 101", address: str = TELEPHONES) -> str:
    return OFFER.format(profile=profile, formats=formats, address=address).replace("\n", "\r\n")
