"""A switchboard for page tests: the real doors' shapes, a stock aiortc peer that sounds a tone, and a live
feed that says what a test tells it to.

It shares no code with the real server, so that the page is held to the contract and not to our own habits.
What a test wants to go wrong is set on the object before the page calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import html
import json
import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiohttp import WSCloseCode, web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket

TONE_HZ = 440
SAMPLE_RATE = 48_000
FRAME_SAMPLES = 960  # 20 ms
TELEPHONE_EVENT = 110  # the payload type Chromium offers for telephone-event/48000
POLICY = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; object-src 'none'; base-uri 'none'"
AGENTS = [
    {"id": "reception", "name": "Sakura Dental", "language": "en", "direction": "inbound", "version": "1"},
    {"id": "support", "name": "サポート窓口", "language": "ja", "direction": "both", "version": "4"},
]


@dataclass(kw_only=True, slots=True)
class Refusal:
    """How the next calls are refused."""

    status: int
    code: str
    detail: str = "The fake switchboard refuses."
    retry_after_s: int | None = None


class Tone(AudioStreamTrack):
    """A sine in 20 ms frames at the pace of the clock (aiortc's own pacing); silent while `sounding` is False."""

    def __init__(self) -> None:
        super().__init__()
        self.sounding = True
        self._sample = 0

    async def recv(self) -> av.AudioFrame:
        silence = await super().recv()  # paces; its 8 kHz frame is not used
        del silence
        at = (np.arange(FRAME_SAMPLES) + self._sample) / SAMPLE_RATE
        wave = 8000 * np.sin(2 * np.pi * TONE_HZ * at) * self.sounding
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        frame.pts = self._sample
        self._sample += FRAME_SAMPLES
        return frame


@dataclass(kw_only=True)
class FakeCall:
    """One call as the test sees it from the other side."""

    id: str
    agent: str | None
    bearer: str | None
    resume: str
    peer: RTCPeerConnection
    tone: Tone
    events: list[dict[str, Any]] = field(default_factory=list)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)  # pressed, by whichever way they came
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)  # a DELETE with the right token
    watched: asyncio.Event = field(default_factory=asyncio.Event)  # the page's feed is open
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    rms: float = 0.0  # of the last frame heard from the page
    listening: asyncio.Task[None] | None = None
    first_resume: str = ""  # stays good
    over: bool = False  # ended from this side
    came_back: int = 0  # new connections for this call
    old_peers: list[RTCPeerConnection] = field(default_factory=list)

    async def publish(
        self, type_: str, data: dict[str, Any], *, numbered: bool = True, send: bool = True
    ) -> None:
        """Say something on the feed; `send=False` puts it on record only, as if the socket had lost it."""
        seq = sum(event["seq"] is not None for event in self.events) if numbered else None
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {
            "v": 1,
            "id": f"{self.id}:{seq if numbered else secrets.token_hex(4)}",
            "tenant": "default",
            "call_id": self.id,
            "seq": seq,
            "at": now,
            "type": type_,
            "data": data,
        }
        self.events.append(event)
        if send:
            for socket in list(self.sockets):
                await socket.send_json(event)

    async def says(self, item_id: str, position: int, speaker: str, text: str, **more: Any) -> None:
        """A final transcript; `more` overrides its other fields."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = {
            "item_id": item_id,
            "position": position,
            "speaker": speaker,
            "text": text,
            "heard_text": text,
            "heard_ms": None,
            "started_at": now,
            "interrupted": False,
        }
        await self.publish("transcript.final", data | more)

    async def until_rms(self, above: float = -1.0, below: float = 1e9) -> None:
        """Wait until what is heard from the page lies between the two."""
        async with self.changed:
            await self.changed.wait_for(lambda: above < self.rms < below)

    async def until_keys(self, count: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.keys) >= count)

    async def until_back(self, count: int = 1) -> None:
        """The page has made so many new connections."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.came_back >= count)

    async def press(self, keys: str) -> None:
        async with self.changed:
            self.keys.extend(keys)
            self.changed.notify_all()

    async def end(self) -> None:
        """Hang up from this side: the voice path closes with a goodbye."""
        self.over = True
        await self.peer.close()

    async def drop_media(self) -> None:
        """The network goes: nothing is sent or answered any more, and no goodbye is said either."""
        for transceiver in self.peer.getTransceivers():
            ice = transceiver.receiver.transport.transport
            await ice._connection.close()  # the socket alone: RTCPeerConnection.close() would say goodbye

    async def close(self) -> None:
        if self.listening is not None:
            self.listening.cancel()
            await asyncio.gather(self.listening, return_exceptions=True)
        for peer in (self.peer, *self.old_peers):
            await peer.close()
        for socket in list(self.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)


class PhoneServer:
    """Use `async with PhoneServer(pages) as server`; then `server.url`, `await server.next_call()`."""

    def __init__(self, pages: Path) -> None:
        self.url = ""
        self.port = 0
        self.calls: list[FakeCall] = []
        self.agents: list[dict[str, str]] | None = AGENTS[:1]  # None: not told to strangers
        self.refusal: Refusal | None = None
        self.token: str | None = None  # the only one accepted; None: open to all
        self.answering = asyncio.Event()  # cleared: offers are taken and not answered
        self.answering.set()
        self.no_path = False  # answer with an address where nobody is
        self.takes_keys = True  # telephone-event in the answer
        self.takes_keys_over_http = True
        self.comes_back = True  # a call that runs may have a new connection
        self.sounding = True
        self.posted = asyncio.Event()
        self._pages = pages
        self._waiting: asyncio.Queue[FakeCall] = asyncio.Queue()

    async def __aenter__(self) -> PhoneServer:
        app = web.Application(middlewares=[_secure])
        app.add_routes(
            [
                web.get("/phone", self._page),
                web.get("/static/{file}", self._static),
                web.get("/v1/agents", self._list_agents),
                web.post("/v1/calls", self._place),
                web.delete("/v1/calls/{id}", self._hang_up),
                web.post("/v1/calls/{id}/dtmf", self._dtmf),
                web.get("/v1/calls/{id}/events", self._events_after),
                web.get("/v1/events", self._feed),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "0.0.0.0", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://localhost:{self.port}/phone"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.answering.set()
        for call in self.calls:
            await call.close()
        await self._runner.cleanup()

    async def next_call(self, timeout_s: float = 10) -> FakeCall:
        """The next call that was answered."""
        return await asyncio.wait_for(self._waiting.get(), timeout_s)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """As the demo serves it: where strangers may call, the page brings the list of agents along."""
        page = (self._pages / "phone.html").read_text(encoding="utf-8")
        if self.agents is not None and self.token is None:
            agents = html.escape(json.dumps({"items": self.agents}))
            page = page.replace("</head>", f'<meta name="cordboard-agents" content="{agents}"></head>', 1)
        return web.Response(text=page, content_type="text/html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._pages / Path(request.match_info["file"]).name)

    async def _list_agents(self, request: web.Request) -> web.Response:
        if self.agents is None or not self._allowed(request):
            return _problem(Refusal(status=401, code="not_signed_in"))
        return web.json_response({"items": self.agents, "next": None})

    async def _place(self, request: web.Request) -> web.Response:
        offer = await request.text()
        self.posted.set()
        assert request.content_type == "application/sdp"
        if self.refusal is not None:
            return _problem(self.refusal)
        if "X-Resume" in request.headers:
            return await self._come_back(request.headers["X-Resume"], offer)
        if not self._allowed(request):
            return _problem(Refusal(status=401, code="not_signed_in"))
        await self.answering.wait()
        call = FakeCall(
            id=str(uuid.uuid4()),
            agent=request.query.get("agent"),
            bearer=_bearer(request),
            resume=secrets.token_urlsafe(12),
            peer=RTCPeerConnection(RTCConfiguration(iceServers=[])),
            tone=Tone(),
        )
        call.first_resume = call.resume
        call.tone.sounding = self.sounding
        self.calls.append(call)
        answer = await self._answer(call, offer)
        await self._waiting.put(call)
        return web.Response(
            status=201,
            text=answer,
            content_type="application/sdp",
            headers={"Location": f"/v1/calls/{call.id}", "X-Resume": call.resume},
        )

    async def _come_back(self, resume: str, offer: str) -> web.Response:
        """A new connection for a call that runs. One whose side here was closed is over."""
        call = next((call for call in self.calls if resume in (call.resume, call.first_resume)), None)
        if call is None or call.hung_up.is_set() or call.over:
            return _problem(Refusal(status=404, code="call_over"))
        if not self.comes_back:
            return _problem(Refusal(status=503, code="unavailable"))
        call.old_peers.append(call.peer)
        call.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        call.tone = Tone()
        answer = await self._answer(call, offer)
        call.resume = secrets.token_urlsafe(12)
        async with call.changed:
            call.came_back += 1
            call.changed.notify_all()
        return web.Response(
            status=201,
            text=answer,
            content_type="application/sdp",
            headers={"Location": f"/v1/calls/{call.id}", "X-Resume": call.resume},
        )

    async def _answer(self, call: FakeCall, offer: str) -> str:
        peer = call.peer

        @peer.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            call.listening = asyncio.create_task(_listen(call, track))

        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        peer.addTrack(call.tone)
        await peer.setLocalDescription(await peer.createAnswer())
        answer = peer.localDescription.sdp
        if self.takes_keys:
            answer = _with_telephone_event(answer)
            _hear_keys(call)
        if self.no_path:
            lines = [line for line in answer.splitlines() if not line.startswith("a=candidate")]
            # RFC 5737: addresses that are nobody's.
            lines.append("a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host")
            answer = "\r\n".join(lines) + "\r\n"
        return answer

    async def _hang_up(self, request: web.Request) -> web.Response:
        call = self._own_call(request)
        await call.peer.close()
        call.hung_up.set()
        return web.json_response({"id": call.id, "ended": True})

    async def _dtmf(self, request: web.Request) -> web.Response:
        call = self._own_call(request)
        if not self.takes_keys_over_http:
            return _problem(Refusal(status=404, code="not_found"))
        await call.press((await request.json())["digits"])
        return web.Response(status=202)

    async def _events_after(self, request: web.Request) -> web.Response:
        call = self._own_call(request)
        after = int(request.query.get("after", "-1"))
        events = [event for event in call.events if event["seq"] is not None and event["seq"] > after]
        return web.json_response(
            {"items": events[:3], "next": str(events[2]["seq"]) if len(events) > 3 else None}
        )

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        topic, ticket = request.query["topics"], request.query["ticket"]
        call = next(call for call in self.calls if topic == f"call:{call.id}")
        assert ticket in (call.resume, call.first_resume)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        last = sum(event["seq"] is not None for event in call.events) - 1
        snapshot = {"calls": [], "handoffs": [], "last_seq": {call.id: last}}
        await socket.send_json({"type": "snapshot", "data": snapshot})
        call.sockets.add(socket)
        call.watched.set()
        try:
            async for _ in socket:
                pass
        finally:
            call.sockets.discard(socket)
        return socket

    def _own_call(self, request: web.Request) -> FakeCall:
        call = next(call for call in self.calls if call.id == request.match_info["id"])
        if _bearer(request) not in (call.resume, call.first_resume):
            raise web.HTTPUnauthorized
        return call

    def _allowed(self, request: web.Request) -> bool:
        return self.token is None or _bearer(request) == self.token


@web.middleware
async def _secure(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    if not response.prepared:
        response.headers["Content-Security-Policy"] = POLICY
    return response


def _bearer(request: web.Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else None


def _problem(refusal: Refusal) -> web.Response:
    body = {"type": "about:blank", "title": "Refused", "status": refusal.status, "code": refusal.code}
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
    return web.Response(
        status=refusal.status,
        text=json.dumps(body | {"detail": refusal.detail}),
        content_type="application/problem+json",
        headers=headers,
    )


async def _listen(call: FakeCall, track: MediaStreamTrack) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray().astype(np.float64)
            async with call.changed:
                call.rms = float(np.sqrt(np.mean(samples**2)))
                call.changed.notify_all()


def _with_telephone_event(answer: str) -> str:
    """RFC 4733 §2.4.1, as the real server answers: keys beside the voice."""
    lines = []
    for line in answer.splitlines():
        if line.startswith("m=audio"):
            line += f" {TELEPHONE_EVENT}"
        lines.append(line)
    lines.append(f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/48000")
    return "\r\n".join(lines) + "\r\n"


def _hear_keys(call: FakeCall) -> None:
    """Read RFC 4733 events before the stock receiver drops what it has no decoder for."""
    receiver = call.peer.getReceivers()[0]
    stock = receiver._handle_rtp_packet
    seen: set[int] = set()  # an event's packets share their timestamp

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
        if packet.payload_type == TELEPHONE_EVENT:
            if packet.timestamp not in seen:
                seen.add(packet.timestamp)
                await call.press("0123456789*#"[packet.payload[0]])
            return
        await stock(packet, arrival_time_ms=arrival_time_ms)

    receiver.transport._rtp_router.register_receiver(receiver, ssrcs=[], payload_types=[TELEPHONE_EVENT])
    receiver._handle_rtp_packet = handle  # type: ignore[method-assign]  # no public hook in aiortc


@contextlib.asynccontextmanager
async def phone_server(pages: Path) -> AsyncIterator[PhoneServer]:
    async with PhoneServer(pages) as server:
        yield server
