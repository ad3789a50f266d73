"""Calls of ours over real sockets: the agent at one end, a telephone written by hand at the other."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from signaling.sip.agent import AgentConfig, Listen, UserAgent
from signaling.sip.digest import Challenger, Credentials
from signaling.sip.message import Headers, Message, Request, reply, tag_of
from signaling.sip.outbound import NotTaken, Placed, place
from signaling.sip.reader import read
from tests.fakes.eventually import eventually
from tests.signaling.sip.house import Guest, House
from tests.signaling.sip.phone import ANSWER, OFFER

SECRET = Credentials(username="cordboard", password="correct horse")  # of this test


class Answerer(asyncio.DatagramProtocol):
    """A telephone that is called. `on(message)` says what it does; everything it hears is kept."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.on: Callable[[Request], None] = lambda request: None
        self.contact = ""
        self.closed = asyncio.Event()
        self._transport: Any = None
        self._from: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.contact = f"sip:callee@{host}:{port}"

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = read(data)
        self._from = addr
        self.heard.append(message)
        if isinstance(message, Request):
            if message.method in ("BYE", "NOTIFY"):
                self.say(message, 200)
            self.on(message)

    def say(
        self, request: Request, status: int, *, tag: str = "callee", sdp: bool = False, headers: Headers = ()
    ) -> None:
        contact = (("Contact", f"<{self.contact}>"),)
        body = ANSWER.encode() if sdp else b""
        response = reply(request, status, tag=tag, headers=(*contact, *headers), body=body)
        self._transport.sendto(response.write(), self._from)

    def send(self, data: bytes) -> None:
        self._transport.sendto(data, self._from)

    def methods(self) -> list[str]:
        return [each.method for each in self.heard if isinstance(each, Request)]

    async def asked(self, method: str, count: int = 1) -> Request:
        await eventually(lambda: self.methods().count(method) >= count)
        return [each for each in self.heard if isinstance(each, Request) and each.method == method][count - 1]


@asynccontextmanager
async def ends() -> AsyncIterator[tuple[UserAgent, Answerer]]:
    agent = UserAgent(
        AgentConfig(
            listen=(Listen(transport="udp", host="127.0.0.1", port=0),),
            sources=(ipaddress.ip_network("127.0.0.0/8"),),
        ),
        House(),
    )
    await agent.start()
    callee = Answerer()
    loop = asyncio.get_running_loop()
    way, _ = await loop.create_datagram_endpoint(lambda: callee, local_addr=("127.0.0.1", 0))
    try:
        yield agent, callee
        await eventually(lambda: agent.calls == 0)
    finally:
        await agent.stop()
        way.close()
        await callee.closed.wait()


def calling(agent: UserAgent, callee: Answerer, **more: Any) -> asyncio.Task[Placed]:
    return asyncio.create_task(
        place(agent, to=callee.contact, caller="sip:+81312345678@cordboard.example", offer_sdp=OFFER, **more)
    )


def takes(callee: Answerer) -> None:
    def on(request: Request) -> None:
        if request.method == "INVITE":
            callee.say(request, 180)
            callee.say(request, 200, sdp=True)

    callee.on = on


async def test_a_call_is_taken_acknowledged_and_ended_by_us() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        progress: list[int] = []
        placed = await calling(agent, callee, on_progress=lambda status, sdp: progress.append(status))
        ack = await callee.asked("ACK")
        await placed.call.bye()

        assert placed.answer_sdp == ANSWER
        assert progress == [180]
        assert ack.cseq[0] == (await callee.asked("INVITE")).cseq[0]
        assert (await callee.asked("BYE")).cseq[0] == ack.cseq[0] + 1


async def test_each_copy_of_the_200_gets_its_ack() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        placed = await calling(agent, callee)
        invite = await callee.asked("INVITE")
        callee.say(invite, 200, sdp=True)
        await callee.asked("ACK", count=2)
        await placed.call.bye()


async def test_a_second_phone_that_answers_gets_a_bye() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        placed = await calling(agent, callee)
        callee.say(await callee.asked("INVITE"), 200, tag="another", sdp=True)
        bye = await callee.asked("BYE")
        await placed.call.bye()

        assert tag_of(bye.get("To") or "") == "another"
        assert [
            tag_of(each.get("To") or "") for each in callee.heard if getattr(each, "method", "") == "ACK"
        ] == [
            "callee",
            "another",
        ]


@pytest.mark.parametrize("status", [486, 603, 404])
async def test_a_refusal_is_told_apart(status: int) -> None:
    async with ends() as (agent, callee):
        callee.on = lambda request: callee.say(request, status) if request.method == "INVITE" else None

        with pytest.raises(NotTaken) as refused:
            await calling(agent, callee)

        assert refused.value.status == status
        await callee.asked("ACK")


async def test_what_nobody_answers_is_taken_back() -> None:
    async with ends() as (agent, callee):

        def on(request: Request) -> None:
            if request.method == "INVITE":
                callee.say(request, 180)
            elif request.method == "CANCEL":
                callee.say(request, 200)
                callee.say(next(each for each in callee.heard if isinstance(each, Request)), 487)

        callee.on = on
        with pytest.raises(NotTaken) as refused:
            await calling(agent, callee, ring_s=0.05)

        assert refused.value.status == 408
        await callee.asked("ACK")


async def test_an_answer_that_is_faster_than_its_cancel_is_let_go() -> None:
    async with ends() as (agent, callee):

        def on(request: Request) -> None:
            if request.method == "INVITE":
                callee.say(request, 180)
            elif request.method == "CANCEL":
                callee.say(request, 200)
                callee.say(next(each for each in callee.heard if isinstance(each, Request)), 200, sdp=True)

        callee.on = on
        with pytest.raises(NotTaken):
            await calling(agent, callee, ring_s=0.05)

        await callee.asked("ACK")
        await callee.asked("BYE")


async def test_a_password_is_given_when_it_is_asked_for() -> None:
    challenger = Challenger(SECRET, realm="trunk", key=b"k" * 32)
    verdicts: list[bool | None] = []
    async with ends() as (agent, callee):

        def on(request: Request) -> None:
            if request.method != "INVITE":
                return
            verdicts.append(challenger.check(request.get("Authorization"), "INVITE", 0.0))
            if verdicts[-1]:
                callee.say(request, 200, sdp=True)
            else:
                callee.say(request, 401, headers=challenger.challenge(0.0))

        callee.on = on
        placed = await calling(agent, callee, credentials=SECRET)
        await placed.call.bye()

        assert verdicts == [False, True]
        first, second = (await callee.asked("INVITE"), await callee.asked("INVITE", count=2))
        assert second.cseq[0] == first.cseq[0] + 1
        assert "algorithm=SHA-256" in (second.get("Authorization") or "")


async def test_a_session_interval_that_is_too_small_is_made_longer() -> None:
    async with ends() as (agent, callee):

        def on(request: Request) -> None:
            if request.method == "INVITE" and request.get("Min-SE") != "3600":
                callee.say(request, 422, headers=(("Min-SE", "3600"),))
            elif request.method == "INVITE":
                callee.say(request, 200, sdp=True)

        callee.on = on
        placed = await calling(agent, callee)
        await placed.call.bye()


async def test_a_transfer_is_followed_to_its_end() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        placed = await calling(agent, callee)
        placed.call.media(Guest(line=None), placed.answer_sdp, OFFER)  # type: ignore[arg-type]  # nobody speaks

        def on(request: Request) -> None:
            if request.method == "REFER":
                callee.say(request, 202)
                for number, (said, state) in enumerate(
                    [("100 Trying", "active"), ("180 Ringing", "active"), ("200 OK", "terminated")]
                ):
                    callee.send(notify(request, callee, number + 1, said, state))

        callee.on = on
        steps = [status async for status, _ in placed.call.refer("sip:desk@elsewhere")]
        await placed.call.bye()

        assert steps == [100, 180, 200]
        assert (await callee.asked("REFER")).get("Refer-To") == "<sip:desk@elsewhere>"


async def test_a_transfer_that_is_refused_says_so() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        placed = await calling(agent, callee)
        callee.on = lambda request: callee.say(request, 603) if request.method == "REFER" else None
        steps = [status async for status, _ in placed.call.refer("sip:desk@elsewhere")]
        await placed.call.bye()

        assert steps == [603]


async def test_their_goodbye_ends_the_call() -> None:
    async with ends() as (agent, callee):
        takes(callee)
        placed = await calling(agent, callee)
        ack = await callee.asked("ACK")
        callee.send(
            (
                f"BYE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbye;rport\r\n"
                f"From: {ack.get('To')}\r\nTo: {ack.get('From')}\r\nCall-ID: {ack.call_id}\r\n"
                "CSeq: 1 BYE\r\n\r\n"
            ).encode()
        )
        await asyncio.wait_for(placed.call.over.wait(), 5)


async def test_who_cannot_be_reached_is_503() -> None:
    async with ends() as (agent, _):
        with pytest.raises(NotTaken) as refused:
            await place(
                agent,
                to="sip:x@127.0.0.1:1;transport=tcp",
                caller="sip:a@b.example",
                offer_sdp=OFFER,
            )

        assert refused.value.status == 503


def notify(refer: Request, callee: Answerer, number: int, said: str, state: str) -> bytes:
    body = f"SIP/2.0 {said}\r\n"
    return (
        f"NOTIFY sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number};rport\r\n"
        f"From: {refer.get('To')}\r\nTo: {refer.get('From')}\r\nCall-ID: {refer.call_id}\r\n"
        f"CSeq: {number} NOTIFY\r\nContact: <{callee.contact}>\r\nEvent: refer\r\n"
        f"Subscription-State: {state}\r\nContent-Type: message/sipfrag\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
