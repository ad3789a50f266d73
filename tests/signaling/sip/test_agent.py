"""What a stranger, a scanner or a broken phone may send, and what is asked of callers before they are heard."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from signaling.sip import session_timer
from signaling.sip.agent import AgentConfig, Listen, UserAgent
from signaling.sip.digest import Credentials, authorize
from tests.fakes.eventually import eventually
from tests.signaling.sip.house import House
from tests.signaling.sip.phone import OFFER, phone
from tests.signaling.sip.test_reader import DROPPED, REFUSED, TORTURE, VALID

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
UDP = AgentConfig(listen=(Listen(transport="udp", host="127.0.0.1", port=0),), sources=LOOPBACK)

# What a user agent of our kind says to the valid ones of RFC 4475 that are requests; the rest get no answer.
EXPECTED = {
    "wsinv": {500, 488, 183}, "intmeth": {501}, "esc01": {183, 200, 488}, "escnull": {405}, "esc02": {501},
    "lwsdisp": {200}, "longreq": {183, 200, 488}, "dblreq": {405}, "semiuri": {200}, "transports": {200},
    "mpart01": {405}, "unkscm": {416}, "novelsc": {416}, "unksm2": {405}, "bext01": {420}, "invut": {415},
    "regaut01": {405}, "zeromf": {200}, "cparam01": {405}, "cparam02": {405}, "regescrt": {405}, "sdp01": {406},
    "inv2543": {183, 200, 488}, "badbranch": {200}, "baddate": {183, 200, 488},
}  # fmt: skip
SILENT = {"bcast", "unreason", "noreason"}  # responses to what nobody here has asked


@asynccontextmanager
async def agent(house: House, config: AgentConfig = UDP) -> AsyncIterator[tuple[UserAgent, int]]:
    made = UserAgent(config, house)
    (door,) = await made.start()
    try:
        yield made, door.port
    finally:
        await made.stop()


class Ear(asyncio.DatagramProtocol):
    """Sends bytes as they are and keeps the statuses of what comes back."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.startswith(b"SIP/2.0 "):
            self.statuses.append(int(data[8:11]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


@asynccontextmanager
async def ear(port: int) -> AsyncIterator[tuple[Ear, asyncio.DatagramTransport]]:
    """Its messages have to name `127.0.0.1:<its port>` in their Via, or ask for rport, to be answered."""
    listening = Ear()
    way, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: listening, remote_addr=("127.0.0.1", port)
    )
    try:
        yield listening, way
    finally:
        way.close()
        await listening.closed.wait()


def answerable(data: bytes) -> bytes:
    """With rport in its first Via, so that the answer finds us whatever port the RFC's example names."""
    head, end, rest = data.partition(b"branch")
    return head + b"rport;" + end + rest if end else data


def test_every_message_of_the_rfc_is_expected_to_do_something() -> None:
    assert EXPECTED.keys() | SILENT == VALID


@pytest.mark.parametrize("name", sorted(EXPECTED))
async def test_each_valid_message_is_handled(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 4475 sections 3.1.1, 3.3, 3.4."""
    async with agent(House()) as (_, port), ear(port) as (heard, way):
        way.sendto(answerable((TORTURE / f"{name}.dat").read_bytes()))
        if name in ("wsinv", "inv2543", "badbranch", "longreq"):
            # Without a usable branch there is no rport either: the answer goes where their Via says.
            way.sendto(answerable((TORTURE / "zeromf.dat").read_bytes()))
            await eventually(lambda: 200 in heard.statuses)
        else:
            await eventually(lambda: [each for each in heard.statuses if each > 100])
            assert next(each for each in heard.statuses if each > 100) in EXPECTED[name]

    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("name", sorted(REFUSED.keys() | DROPPED | SILENT))
async def test_each_invalid_message_leaves_the_agent_well(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 4475 section 3.1.2: refused or dropped, and the next one is answered."""
    async with agent(House()) as (made, port), ear(port) as (heard, way):
        way.sendto(answerable((TORTURE / f"{name}.dat").read_bytes()))
        way.sendto(answerable((TORTURE / "zeromf.dat").read_bytes()))
        await eventually(lambda: 200 in heard.statuses)

        assert made.calls == 0

    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


SECRET = Credentials(username="trunk", password="correct horse")


async def test_a_caller_is_asked_for_a_password() -> None:
    house = House()
    config = replace(UDP, credentials=SECRET, asks_callers=True)
    async with agent(house, config) as (_, port), phone(port) as caller:
        caller.invite()
        asked = await caller.response(401)
        caller.request("ACK", cseq=1, branch=caller.invite_branch)
        given = authorize(asked.every("WWW-Authenticate"), SECRET, "INVITE", "sip:x", new_word=lambda: "word")
        caller.invite(headers=f"Authorization: {given}\n")
        await caller.response(200)
        caller.ack()
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert len(asked.every("WWW-Authenticate")) == 2
        assert house.asked == 1


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1, and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


async def test_a_call_comes_over_tls(certificate: tuple[Path, Path]) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*certificate)
    config = AgentConfig(
        listen=(Listen(transport="tls", host="127.0.0.1", port=0),), sources=LOOPBACK, server_tls=server
    )
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    house = House()
    async with agent(house, config) as (_, port), phone(port, transport="tls", ssl=trusted) as caller:
        caller.invite()
        ok = await caller.response(200)
        caller.ack()
        house.guests[0].line.hung_up()
        caller.reply(await caller.asked("BYE"), 200)

        assert "transport=tls" in (ok.get("Contact") or "")


@pytest.mark.parametrize("knows_update", [True, False])
async def test_we_refresh_the_session_when_that_is_ours(
    monkeypatch: pytest.MonkeyPatch, knows_update: bool
) -> None:
    monkeypatch.setattr(session_timer, "MIN_SE", 1)
    house = House()
    allow = "Allow: INVITE, ACK, BYE" + (", UPDATE" if knows_update else "")
    async with agent(house) as (_, port), phone(port) as caller:
        caller.invite(headers=f"Supported: timer\nSession-Expires: 1;refresher=uas\n{allow}\n")
        await caller.response(200)
        caller.ack()
        refresh = await caller.asked("UPDATE" if knows_update else "INVITE")
        caller.reply(refresh, 200, "Session-Expires: 90;refresher=uac\n")
        if not knows_update:
            await caller.asked("ACK")
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert refresh.get("Session-Expires") is not None
        assert knows_update or b"a=setup:actpass" in refresh.body


async def test_a_session_that_nobody_refreshes_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timer, "MIN_SE", 1)
    house = House()
    async with agent(house) as (_, port), phone(port) as caller:
        caller.invite(headers="Supported: timer\nSession-Expires: 1;refresher=uac\n")
        await caller.response(200)
        caller.ack()
        caller.reply(await caller.asked("BYE"), 200)
        await house.guests[0].until(("hung_up", "timeout"))


async def test_an_offer_of_theirs_while_one_of_ours_is_open_is_491(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timer, "MIN_SE", 1)
    house = House()
    async with agent(house) as (_, port), phone(port) as caller:
        caller.invite(headers="Supported: timer\nSession-Expires: 1;refresher=uas\nAllow: INVITE\n")
        await caller.response(200)
        caller.ack()
        ours = await caller.asked("INVITE")
        caller.invite(body=OFFER.replace("a=sendrecv", "a=sendonly"))
        await caller.response(491)
        caller.request("ACK", cseq=caller.cseq, branch=caller.invite_branch)
        caller.reply(ours, 200, "Session-Expires: 90;refresher=uac\n")
        await caller.asked("ACK")
        caller.request("BYE")
        await caller.response(200, method="BYE")


async def test_a_connection_that_sends_nonsense_is_closed_and_others_go_on() -> None:
    config = AgentConfig(listen=(Listen(transport="tcp", host="127.0.0.1", port=0),), sources=LOOPBACK)
    async with agent(House(), config) as (_, port), phone(port, transport="tcp") as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        (rest,) = await asyncio.gather(reader.read(), return_exceptions=True)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        caller.request("OPTIONS")
        await caller.response(200)

        assert rest == b"" or isinstance(rest, ConnectionError)


async def test_keep_alives_are_answered_on_streams_and_ignored_on_udp() -> None:
    config = AgentConfig(listen=(Listen(transport="tcp", host="127.0.0.1", port=0),), sources=LOOPBACK)
    async with agent(House(), config) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\r\n"
        writer.close()
        await writer.wait_closed()
    async with agent(House()) as (_, port), ear(port) as (heard, way):
        way.sendto(b"\r\n\r\n")
        way.sendto(b"\0\0\0\0")
        way.sendto(answerable((TORTURE / "zeromf.dat").read_bytes()))
        await eventually(lambda: heard.statuses)

        assert heard.statuses == [200]
