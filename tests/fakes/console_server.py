"""A desk for page tests: people sign in, calls come and go as a test says, legs are stock aiortc peers.

The doors' shapes are the contract's. The snapshot is folded by storage's own projection, so that the page's
folding is held to it. What a test wants to go wrong is set on the object before the page asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSCloseCode, web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.projection import CallProjection
from tests.fakes.phone_server import Refusal, Tone, _problem, _secure

PASSWORD = "correct horse battery"
COOKIE = "cordboard_session"
NAMES = {"sato": "佐藤 花子", "mori": "森 健"}


def rfc3339(ahead_s: float = 0) -> str:
    at = datetime.now(UTC) + timedelta(seconds=ahead_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(kw_only=True)
class FakeLeg:
    """An operator's leg, seen from the switchboard."""

    person: str
    path: str
    direction: str  # of the offer
    peer: RTCPeerConnection
    tone: Tone
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # a packet has come from the page

    async def drop(self) -> None:
        """The network goes, without a goodbye."""
        for transceiver in self.peer.getTransceivers():
            await transceiver.receiver.transport.transport._connection.close()


@dataclass(kw_only=True)
class FakeDeskCall:
    """A call of the switchboard."""

    id: str
    projection: CallProjection
    events: list[Envelope] = field(default_factory=list)


class ConsoleServer:
    """Use `async with ConsoleServer(pages) as server`; the page is at `server.url`."""

    def __init__(self, pages: Path) -> None:
        self.url = ""
        self.role = "operator"
        self.calls: dict[str, FakeDeskCall] = {}
        self.asked: list[tuple[str, str, str, Any]] = []  # person, method, path, body
        self.legs: list[FakeLeg] = []
        self.refusals: dict[str, Refusal] = {}  # by the path's last word
        self.presence: dict[str, dict[str, Any]] = {}
        self.feed_open = True  # False: the feed's door is shut
        self.changed = asyncio.Condition()
        self._pages = pages
        self._sockets: dict[web.WebSocketResponse, str] = {}
        self._sessions: dict[str, str] = {}
        self._csrf = "csrf-" + secrets.token_hex(4)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ConsoleServer:
        app = web.Application(middlewares=[_secure])
        app.add_routes(
            [
                web.get("/console", self._page),
                web.get("/static/{file}", self._static),
                web.post("/v1/session", self._sign_in),
                web.get("/v1/session", self._who_am_i),
                web.delete("/v1/session", self._sign_out),
                web.get("/v1/operators", self._operators),
                web.put("/v1/me/presence", self._set_presence),
                web.get("/v1/events", self._feed),
                web.get("/v1/calls/{id}/events", self._events_after),
                web.post("/v1/handoffs/{handoff}/{what}", self._handoff),
                web.post("/v1/calls/{id}/{what}", self._on_call),
                web.patch("/v1/calls/{id}/operator", self._change),
                web.delete("/v1/calls/{id}/operator", self._leave),
                web.delete("/v1/calls/{id}", self._end),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "0.0.0.0", 0)
        await site.start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}/console"
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for leg in self.legs:
            await leg.peer.close()
        await self.cut_feeds()
        await self._runner.cleanup()

    # What a test does

    async def new_call(
        self, caller: str | None = "+81901234567", *, agent: str = "reception"
    ) -> FakeDeskCall:
        """A call that the agent has answered."""
        call_id = new_call_id()
        call = self.calls[call_id] = FakeDeskCall(id=call_id, projection=CallProjection(call_id))
        started = {
            "direction": "inbound",
            "agent": agent,
            "agent_version": "v7",
            "caller": caller,
            "called": None,
            "media": "webrtc",
            "node": "n",
            "required_slots": {"booking": ["name", "date", "people"]},
        }
        await self.publish(call, "call.started", started)
        await self.publish(call, "call.answered", {"setup_ms": 200, "codec": "opus"})
        return call

    async def publish(
        self,
        call: FakeDeskCall,
        type_: str,
        data: dict[str, Any],
        *,
        numbered: bool = True,
        send: bool = True,
    ) -> None:
        """Say something on the feed; `send=False`: on record only."""
        seq = len(call.events) if numbered else None
        envelope = Envelope(
            v=1,
            id=f"{call.id}:{seq}",
            tenant="default",
            call_id=call.id,
            seq=seq,
            at=rfc3339(),
            type=type_,
            data=data,
        )
        if numbered:
            call.events.append(envelope)
            call.projection.fold(envelope)
        if send:
            for socket in list(self._sockets):
                await socket.send_str(msgspec.json.encode(envelope).decode())

    async def says(self, call: FakeDeskCall, speaker: str, text: str, **more: Any) -> None:
        """A final transcript."""
        position = sum(event.type == "transcript.final" for event in call.events)
        data = {
            "item_id": f"item{position}",
            "position": position,
            "speaker": speaker,
            "text": text,
            "heard_text": text,
            "heard_ms": None,
            "started_at": rfc3339(),
            "interrupted": False,
        }
        await self.publish(call, "transcript.final", data | more)

    async def wants_a_person(
        self, call: FakeDeskCall, reason: str = "refund", summary: str = "Wants the deposit back."
    ) -> str:
        """Requested and queued; returns the handoff's id."""
        handoff_id = new_call_id()
        asked = {"handoff_id": handoff_id, "reason": reason, "summary": summary, "method": "ai"}
        await self.publish(call, "handoff.requested", asked)
        queued = {
            "handoff_id": handoff_id,
            "queue": "default",
            "why": "requested",
            "attempt": 0,
            "waited_ms": 0,
        }
        await self.publish(call, "handoff.queued", queued | {"until": rfc3339(180)})
        return handoff_id

    async def ring(self, call: FakeDeskCall, operator: str, *, handoff_id: str | None = None) -> str:
        """Let it ring at somebody's console; returns the handoff's id."""
        handoff_id = handoff_id or await self.wants_a_person(call)
        offer = {"handoff_id": handoff_id, "operator": operator, "offer_id": new_call_id(), "attempt": 1}
        await self.publish(call, "handoff.offered", offer | {"until": rfc3339(20)})
        return handoff_id

    async def connect(self, call: FakeDeskCall, operator: str) -> None:
        """Somebody has accepted and is heard."""
        handoff = call.projection.view.handoff
        if handoff is None or handoff.state not in ("queued", "offered"):
            handoff_id = new_call_id()
            asked = {"handoff_id": handoff_id, "reason": "taken over by an operator", "summary": ""}
            await self.publish(call, "handoff.requested", asked | {"method": "operator"})
        else:
            handoff_id = handoff.handoff_id
        base = {"handoff_id": handoff_id, "operator": operator, "waited_ms": 900}
        await self.publish(call, "handoff.accepted", base | {"offer_id": None, "until": rfc3339(8)})
        await self.publish(call, "handoff.connected", base)
        await self.publish(call, "operator.joined", {"operator": operator, "mode": "talk"})

    async def until_asked(self, method: str, path_end: str, *, count: int = 1, within_s: float = 10) -> Any:
        """The body of the `count`-th such request."""

        def found() -> list[Any]:
            return [body for _, m, path, body in self.asked if m == method and path.endswith(path_end)]

        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def until_leg(self, count: int = 1, within_s: float = 10) -> FakeLeg:
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(lambda: len(self.legs) >= count)
        return self.legs[count - 1]

    async def cut_feeds(self) -> None:
        """Every live feed is closed; pages come back while `feed_open`."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    # Doors

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._pages / "console.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._pages / Path(request.match_info["file"]).name)

    async def _sign_in(self, request: web.Request) -> web.Response:
        given = await request.json()
        if given.get("id") not in NAMES or given.get("password") != PASSWORD:
            return _problem(Refusal(status=401, code="password_wrong"))
        cookie = secrets.token_hex(8)
        self._sessions[cookie] = given["id"]
        response = web.json_response(self._session(given["id"]), status=201)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="Strict")
        return response

    def _session(self, person: str) -> dict[str, Any]:
        return {
            "role": self.role,
            "subject": person,
            "csrf": self._csrf,
            "expires_at": rfc3339(3600),
            "name": NAMES[person],
            "queues": ["default"],
            "language": None,
        }

    def _person(self, request: web.Request) -> str:
        person = self._sessions.get(request.cookies.get(COOKIE, ""))
        if person is None:
            raise web.HTTPUnauthorized
        if request.method not in ("GET", "HEAD") and request.headers.get("X-CSRF") != self._csrf:
            raise web.HTTPForbidden
        return person

    async def _who_am_i(self, request: web.Request) -> web.Response:
        return web.json_response(self._session(self._person(request)))

    async def _sign_out(self, request: web.Request) -> web.Response:
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        return web.Response(status=204)

    async def _operators(self, request: web.Request) -> web.Response:
        self._person(request)
        return web.json_response({"items": list(self.presence.values()), "next": None})

    async def _set_presence(self, request: web.Request) -> web.Response:
        person, body = await self._note(request)
        self.here(person, body["state"])
        return web.json_response(self.presence[person])

    def here(self, person: str, state: str, *, why: str | None = None) -> None:
        """Somebody is at the desk."""
        self.presence[person] = {
            "id": person,
            "name": NAMES[person],
            "queues": ["default"],
            "state": state,
            "since": rfc3339(),
            "handoff_id": None,
            "why": why,
        }

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        person = self._person(request)
        if not self.feed_open:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        running = [call for call in self.calls.values() if call.projection.view.state != "ended"]
        snapshot = {
            "calls": [msgspec.to_builtins(call.projection.view) for call in running],
            "handoffs": [],
            "last_seq": {call.id: call.projection.last_seq for call in running},
        }
        await socket.send_json({"type": "snapshot", "data": snapshot})
        self._sockets[socket] = person
        async with self.changed:
            self.changed.notify_all()
        try:
            async for _ in socket:
                pass
        finally:
            self._sockets.pop(socket, None)
        return socket

    async def until_watched(self, count: int = 1) -> None:
        """So many feeds are open."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self._sockets) >= count)

    async def _events_after(self, request: web.Request) -> web.Response:
        self._person(request)
        after = int(request.query.get("after", "-1"))
        events = self.calls[request.match_info["id"]].events[after + 1 :]
        return web.json_response({"items": [msgspec.to_builtins(event) for event in events], "next": None})

    async def _handoff(self, request: web.Request) -> web.Response:
        what, handoff_id = request.match_info["what"], request.match_info["handoff"]
        call = next(
            call
            for call in self.calls.values()
            if any(event.data.get("handoff_id") == handoff_id for event in call.events)
        )
        if what == "accept":
            return await self._join(request, call, "talk")
        person, _ = await self._note(request)
        if what in self.refusals:
            return _problem(self.refusals[what])
        if what == "decline":
            base = {"handoff_id": handoff_id, "operator": person, "offer_id": None, "reason": "declined"}
            await self.publish(call, "handoff.declined", base)
        return web.Response(status=204)

    async def _on_call(self, request: web.Request) -> web.Response:
        what, call = request.match_info["what"], self.calls[request.match_info["id"]]
        if what in ("listen", "barge", "takeover", "operator"):
            return await self._join(request, call, {"takeover": "talk"}.get(what, what))
        person, body = await self._note(request)
        if what in self.refusals:
            return _problem(self.refusals[what])
        handoff = call.projection.view.handoff
        if what == "return" and handoff is not None:
            given_back = {"handoff_id": handoff.handoff_id, "operator": person, "why": "given_back"}
            await self.publish(call, "handoff.returned", given_back | {"note": body["note"]})
            await self.publish(call, "operator.left", {"operator": person, "mode": "talk"})
        return web.Response(status=202)

    async def _change(self, request: web.Request) -> web.Response:
        _, body = await self._note(request)
        call = self.calls[request.match_info["id"]]
        handoff = call.projection.view.handoff
        if "hold" in body and handoff is not None:
            kind = "handoff.held" if body["hold"] else "handoff.resumed"
            await self.publish(call, kind, {"handoff_id": handoff.handoff_id})
        return web.Response(status=204)

    async def _leave(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.Response(status=204)

    async def _end(self, request: web.Request) -> web.Response:
        await self._note(request)
        call = self.calls[request.match_info["id"]]
        await self.ends(call, "operator_hangup")
        return web.json_response({"id": call.id, "ended": True})

    async def ends(self, call: FakeDeskCall, reason: str = "caller_hangup") -> None:
        over = {"reason": reason, "duration_ms": 1000, "outcome": None, "metrics": {}}
        await self.publish(call, "call.ended", over)

    async def _join(self, request: web.Request, call: FakeDeskCall, part: str) -> web.Response:
        person = self._person(request)
        offer = await request.text()
        what = request.path.rsplit("/", 1)[1]
        await self._noted(person, request, None)
        if what in self.refusals:
            return _problem(self.refusals[what])
        direction = next(line[2:] for line in offer.splitlines() if line in ("a=sendrecv", "a=recvonly"))
        leg = FakeLeg(
            person=person,
            path=request.path_qs,
            direction=direction,
            peer=RTCPeerConnection(RTCConfiguration(iceServers=[])),
            tone=Tone(),
        )

        @leg.peer.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            task = asyncio.create_task(_until_heard(leg, track))
            self._tasks.add(task)

        await leg.peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        leg.peer.addTrack(leg.tone)
        await leg.peer.setLocalDescription(await leg.peer.createAnswer())
        async with self.changed:
            self.legs.append(leg)
            self.changed.notify_all()
        if part == "talk":
            await self.connect(call, person)
        elif part == "barge":
            await self.publish(call, "operator.joined", {"operator": person, "mode": "barge"})
        handoff = call.projection.view.handoff
        headers = {"X-Handoff": handoff.handoff_id} if handoff is not None else {}
        return web.Response(
            status=201, text=leg.peer.localDescription.sdp, content_type="application/sdp", headers=headers
        )

    async def _note(self, request: web.Request) -> tuple[str, Any]:
        person = self._person(request)
        text = await request.text()
        body = json.loads(text) if text else None
        await self._noted(person, request, body)
        return person, body

    async def _noted(self, person: str, request: web.Request, body: Any) -> None:
        async with self.changed:
            self.asked.append((person, request.method, request.path, body))
            self.changed.notify_all()


async def _until_heard(leg: FakeLeg, track: MediaStreamTrack) -> None:
    with contextlib.suppress(Exception):
        while True:
            await track.recv()
            leg.heard.set()
