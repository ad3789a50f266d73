"""Strangers at the door: whatever comes from whatever address, before, during and after set-up, calls live."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import socket
from collections.abc import Callable
from itertools import pairwise

import pytest
from aioice import stun
from OpenSSL import SSL

from media import rtp
from media.format import ms_to_bytes
from media.rtc.caller import Caller
from media.rtc.guard import CHECKED_VERSIONS, WrongVersion, check_versions
from media.rtc.peer import Peer
from tests.fakes.calls import CONFIG, LOOPBACK, a_call
from tests.fakes.listener import Listener
from tests.fakes.tones import loudest_hz, tone

STUN_HEADER = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12)


def client_hello() -> bytes:
    context = SSL.Context(SSL.DTLS_METHOD)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(2000)


def alert(level: int, description: int) -> bytes:
    return b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02" + bytes((level, description))


def random_datagrams(count: int) -> list[bytes]:
    chance = random.Random(11)
    return [chance.randbytes(chance.randrange(1, 200)) for _ in range(count)]


ATTACKS: dict[str, Callable[[], list[bytes]]] = {
    "empty": lambda: [b""] * 20,
    "random": lambda: random_datagrams(2_000),
    "short STUN attribute": lambda: [STUN_HEADER + b"\x00\x24\x00\x01" + bytes(4)] * 50,
    "STUN cut off": lambda: [STUN_HEADER[:n] for n in range(1, 20)],
    "STUN not for us": lambda: [b"\x00\x01\x00\x00\x21\x12\xa4\x42" + os.urandom(12) for _ in range(50)],
    "STUN of unknown kinds": lambda: [
        bytes((n >> 8, n & 0xFF)) + b"\x00\x00\x21\x12\xa4\x42" + bytes(12) for n in range(0, 0x400, 7)
    ],
    "forged RTP": lambda: [rtp.build(111, False, n, n * 960, 7, os.urandom(60)) for n in range(2_000)],
    "forged RTCP": lambda: [b"\x81\xcb\x00\x01" + os.urandom(4)] * 100,
    "ClientHello": lambda: [client_hello()] * 50,
    "alerts": lambda: [alert(2, 40), alert(1, 0)] * 25,
}


def doors(sdp: str) -> list[tuple[str, int]]:
    """Where an answer's or offer's sockets listen."""
    return [
        (host, int(port)) for host, port in re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
    ]


async def attack(sdp: str, datagrams: list[bytes]) -> None:
    """Sends from a stranger's port, a little at a time, so that the kernel does not drop them for us."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        for datagram in datagrams:
            for door in doors(sdp):
                stranger.sendto(datagram, door)
            await asyncio.sleep(0)


async def stays_alive(caller: Caller, listener: Listener) -> None:
    """A tone gets through, without a gap, and nothing was told of an end."""
    begin = len(listener.audio)
    await caller.speak(tone(700, 0.3))
    times = [at for at, _ in listener.audio[begin:]]
    assert loudest_hz(listener.heard()[-ms_to_bytes(200) :]) == pytest.approx(700, abs=8)
    assert max(b - a for a, b in pairwise(times)) < 0.25
    assert listener.names() == ["connected"]


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_running_call_does_not_notice(name: str, caplog: pytest.LogCaptureFixture) -> None:
    datagrams = ATTACKS[name]()
    async with a_call() as call:
        with caplog.at_level(logging.INFO):
            await asyncio.gather(attack(call.peer.answer_sdp, datagrams), call.caller.speak(tone(700, 0.1)))
            await stays_alive(call.caller, call.listener)

        if not name.startswith("STUN"):  # what is well-formed STUN is answered with an error instead
            assert call.peer.stats().packets_rejected >= len(datagrams) * 0.9
        assert len(caplog.records) <= 3


@pytest.mark.parametrize(
    "name", ["empty", "random", "forged RTP", "ClientHello", "alerts", "short STUN attribute"]
)
async def test_a_call_comes_about_while_strangers_knock(name: str) -> None:
    listener, caller = Listener(), Caller(addresses=LOOPBACK)
    datagrams = ATTACKS[name]()[:500]
    peers: list[Peer] = []
    knocking: list[asyncio.Task[None]] = []

    async def post(offer: str) -> str:
        peers.append(await Peer.answer(offer, listener, CONFIG))
        await attack(peers[0].answer_sdp, datagrams)  # before the handshake
        knocking.append(asyncio.create_task(attack(peers[0].answer_sdp, datagrams)))  # and during
        return peers[0].answer_sdp

    try:
        await caller.connect(post)
        await listener.until("connected")
        await asyncio.gather(*knocking)
        await stays_alive(caller, listener)
    finally:
        await caller.close()
        for peer in peers:
            await peer.close()


async def test_replayed_packets_are_turned_away() -> None:
    async with a_call() as call:
        copies: list[bytes] = []
        channel = call.peer._channel
        assert channel is not None
        nominated = call.peer._dtls.transport._connection._nominated[1].protocol
        original = nominated.on_media

        def copying(data: bytes) -> None:
            copies.append(data)
            original(data)

        nominated.on_media = copying
        await call.listener.frames(20)
        rejected = channel.rejected
        received = call.peer.stats().packets_received
        for copy in copies:
            original(copy)

        assert channel.rejected - rejected == len(copies)
        assert call.peer.stats().packets_received == received


def test_another_version_of_aiortc_is_refused_with_the_remedy() -> None:
    with pytest.raises(WrongVersion, match=r"aiortc 1\.17\.0 is installed.*pip install aiortc==1\.16\.0"):
        check_versions(lambda name: "1.17.0" if name == "aiortc" else CHECKED_VERSIONS[name])


def test_the_checked_versions_are_the_ones_the_project_installs() -> None:
    check_versions()


async def test_who_signs_a_check_may_speak_from_there_whichever_pair_was_nominated() -> None:
    """Each side may nominate another pair of addresses (RFC 8445, 8.1.1): the handshake comes over theirs."""
    async with a_call() as call:
        sdp = call.peer.answer_sdp
        user, password = (re.search(rf"a=ice-{name}:(\S+)", sdp)[1] for name in ("ufrag", "pwd"))  # type: ignore[index]
        check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{user}:somebody"
        check.attributes["PRIORITY"] = 1
        check.add_message_integrity(password.encode())
        forged = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        forged.attributes["USERNAME"] = f"{user}:somebody"
        forged.add_message_integrity(b"not the password")
        harmless = b"\x14" + bytes(3)  # of DTLS by its first byte, and too short to be a record

        for signed, turned_away in ((forged, 1), (check, 0)):
            before = call.peer.stats().packets_rejected
            await attack(sdp, [bytes(signed), harmless])
            await call.listener.frames(10)
            assert call.peer.stats().packets_rejected - before >= turned_away
            if not turned_away:
                assert call.peer.stats().packets_rejected == before
        await stays_alive(call.caller, call.listener)
