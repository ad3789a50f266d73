"""A telephone of the tests: it writes its own messages by hand, so that it cannot share the agent's mistakes."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from signaling.sip.framing import Framing
from signaling.sip.message import Message, Request, Response, tag_of
from signaling.sip.reader import Limits, read

OFFER = """v=0
o=- 1 1 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 4000 UDP/TLS/RTP/SAVPF 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
a=rtcp-mux
a=setup:actpass
a=mid:1
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef0123456789
a=fingerprint:sha-256 {}
a=candidate:1 1 udp 2130706431 192.0.2.5 4000 typ host
""".replace("\n", "\r\n").replace("{}", ":".join(["AB"] * 32))

ANSWER = (
    OFFER.replace("192.0.2.5", "192.0.2.9").replace("actpass", "active").replace("a=fmtp:101 0-15\r\n", "")
    + "a=ptime:20\r\n"
)

numbers = itertools.count(1)


@dataclass
class Phone:
    """Order of calls: `invite`, `until(...)`, `ack`, … Everything that comes is in `heard`, in order."""

    host: str
    port: int
    transport: str = "udp"
    call_id: str = field(default_factory=lambda: f"call-{next(numbers)}@phone")
    heard: list[Message] = field(default_factory=list)
    cseq: int = 0
    remote_tag: str = ""
    invite_branch: str = ""
    _send: object = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    me: tuple[str, int] = ("127.0.0.1", 0)
    target: str = ""  # of requests, once there is a proxy in the way
    routes: list[str] = field(default_factory=list)

    def follow(self, answer: Response) -> None:
        """From now on requests go where this answer says (RFC 3261 section 12.1.2)."""
        self.target = (answer.get("Contact") or "").partition("<")[2].partition(">")[0]
        self.routes = [value for line in answer.every("Record-Route") for value in line.split(",")][::-1]

    def send(self, text: str | bytes) -> None:
        data = text.replace("\n", "\r\n").encode() if isinstance(text, str) else text
        self._send(data)  # type: ignore[operator]

    def request(
        self, method: str, *, body: str = "", headers: str = "", cseq: int | None = None, branch: str = ""
    ) -> str:
        """Send it; returns its branch."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        branch = branch or f"z9hG4bK{next(numbers)}"
        tag = f";tag={self.remote_tag}" if self.remote_tag and method != "CANCEL" else ""
        uri = self.target or f"sip:+81312345678@{self.host}:{self.port}"
        headers = "".join(f"Route: {route.strip()}\n" for route in self.routes) + headers
        self.send(
            f"{method} {uri} SIP/2.0\n"
            f"Via: SIP/2.0/{self.transport.upper()} {self.me[0]}:{self.me[1]};branch={branch};rport\n"
            f"Max-Forwards: 70\nFrom: <sip:+819012345678@trunk>;tag=phone\n"
            f"To: <sip:+81312345678@{self.host}>{tag}\nCall-ID: {self.call_id}\nCSeq: {cseq} {method}\n"
            f"Contact: <sip:phone@{self.me[0]}:{self.me[1]};transport={self.transport}>\n"
            f"{headers}Content-Length: {len(body.encode())}\n\n".replace("\n", "\r\n").encode()
            + body.encode()
        )
        return branch

    def invite(self, *, body: str = OFFER, headers: str = "") -> None:
        sdp = "Content-Type: application/sdp\n" if body and "Content-Type" not in headers else ""
        self.invite_branch = self.request("INVITE", body=body, headers=sdp + headers)

    def ack(self, *, cseq: int | None = None, body: str = "") -> None:
        sdp = "Content-Type: application/sdp\n" if body else ""
        self.request("ACK", cseq=cseq or self.cseq, body=body, headers=sdp)

    def cancel(self) -> None:
        self.request("CANCEL", cseq=self.cseq, branch=self.invite_branch)

    def reply(self, request: Request, status: int, headers: str = "") -> None:
        lines = "".join(
            f"{name}: {value}\n"
            for name, value in request.headers
            if name.lower() in ("via", "from", "to", "call-id", "cseq")
        )
        self.send(f"SIP/2.0 {status} Whatever\n{lines}{headers}Content-Length: 0\n\n")

    async def response(self, status: int, *, method: str | None = None, count: int = 1) -> Response:
        """The `count`-th response of this status, as soon as it is there."""
        found = await self._until(
            lambda: [
                each
                for each in self.heard
                if isinstance(each, Response) and each.status == status and method in (None, each.cseq[1])
            ],
            count,
            f"{count} x {status}",
        )
        assert isinstance(found, Response)
        if 180 <= status < 300 and found.cseq[1] == "INVITE":
            self.remote_tag = tag_of(found.get("To") or "") or ""
        return found

    async def asked(self, method: str, *, count: int = 1) -> Request:
        """The `count`-th request of this method, as soon as it is there."""
        found = await self._until(
            lambda: [each for each in self.heard if isinstance(each, Request) and each.method == method],
            count,
            f"{count} x {method}",
        )
        assert isinstance(found, Request)
        return found

    async def _until(self, look, count: int, what: str) -> Message:  # type: ignore[no-untyped-def]
        try:
            async with asyncio.timeout(5):
                while len(found := look()) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what}; there came {self.starts()}") from None
        return found[count - 1]

    def starts(self) -> list[str]:
        """What has come, by method or status."""
        return [each.method if isinstance(each, Request) else str(each.status) for each in self.heard]

    def _heard(self, data: bytes) -> None:
        self.heard.append(read(data))
        self._news.set()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._phone._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


@asynccontextmanager
async def phone(
    port: int,
    *,
    transport: str = "udp",
    host: str = "127.0.0.1",
    ssl: object = None,
    local: str | None = None,
) -> AsyncIterator[Phone]:
    """One at this agent's door."""
    made = Phone(host=host, port=port, transport=transport)
    loop = asyncio.get_running_loop()
    if transport == "udp":
        protocol = _Datagrams(made)
        way, _ = await loop.create_datagram_endpoint(
            lambda: protocol, remote_addr=(host, port), local_addr=(local, 0) if local else None
        )
        made._send, made.me = way.sendto, way.get_extra_info("sockname")[:2]
        try:
            yield made
        finally:
            way.close()
            await protocol.closed.wait()
        return
    reader, writer = await asyncio.open_connection(host, port, ssl=ssl)  # type: ignore[arg-type]
    made._send, made.me = writer.write, writer.get_extra_info("sockname")[:2]
    framing = Framing(Limits())

    async def listen() -> None:
        while data := await reader.read(65536):
            for message in framing.receive(data):
                made._heard(message)

    listening = asyncio.create_task(listen())
    try:
        yield made
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def branch_of(message: Message) -> str:
    match = re.search(r"branch=([^;,]+)", message.get("Via") or "")
    return match.group(1) if match else ""
