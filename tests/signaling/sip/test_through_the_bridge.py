"""What Kamailio and rtpengine make of hold and of a late offer, and what becomes of it here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from realtime.simulator.script import Asked, Reply, Script
from tests.scenarios.house import House, open_house
from tests.signaling.sip.phone import Phone, phone
from tests.sip.bridge import MEDIA_SIDE, SERVERS, TELEPHONES, Bridge, free_port, open_bridge

PLAIN = """v=0
o=- 1 {version} IN IP4 127.0.0.10
s=-
c=IN IP4 127.0.0.10
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a={direction}
"""


def greets(asked: Asked) -> Reply:
    return Reply(text="Hello.", audio_ms=2_000)


@asynccontextmanager
async def at_the_trunk(
    redis_url: str, database_url: str, folder: Path
) -> AsyncIterator[tuple[House, Bridge, Phone, socket.socket]]:
    """A telephone written by hand at the trunk's side, and the socket that its audio comes to."""
    door = f"{SERVERS}:{free_port(SERVERS)}"
    async with (
        open_house(
            redis_url=redis_url,
            database_url=database_url,
            folder=folder,
            mind=Script(says=[greets], loop=True),
            settings={
                "CORDBOARD_SIP__LISTEN": f"tcp:{door}",
                "CORDBOARD_SIP__SOURCES": MEDIA_SIDE,
                "CORDBOARD_SERVER__ADDRESSES": SERVERS,
            },
        ) as house,
        open_bridge(servers=(door,), folder=folder / "bridge") as bridge,
    ):
        await bridge.server_is(door, "A")
        host, _, port = bridge.trunk.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound:
            sound.setblocking(False)
            sound.bind((TELEPHONES, 0))
            async with phone(int(port), host=host, local=TELEPHONES) as line:
                yield house, bridge, line, sound


def sdp(sound: socket.socket, *, direction: str = "sendrecv", version: int = 1) -> str:
    text = PLAIN.format(port=sound.getsockname()[1], direction=direction, version=version)
    return text.replace("\n", "\r\n")


async def hears(sound: socket.socket, *, within_s: float = 10.0) -> bytes:
    """The next RTP packet that comes."""
    async with asyncio.timeout(within_s):
        return await asyncio.get_running_loop().sock_recv(sound, 2048)


async def test_hold_and_resume_through_the_bridge(redis_url: str, database_url: str, tmp_path: Path) -> None:
    async with at_the_trunk(redis_url, database_url, tmp_path) as (house, bridge, line, sound):
        line.invite(body=sdp(sound))
        ok = await line.response(200, method="INVITE")
        line.follow(ok)
        line.ack()
        call = await house.events.until("call.answered")
        assert (await hears(sound))[1] & 0x7F == 0

        line.invite(body=sdp(sound, direction="sendonly", version=2))
        held = await line.response(200, method="INVITE", count=2)
        line.ack()
        await house.events.until("call.peer_lost", call_id=call.call_id)
        line.invite(body=sdp(sound, version=3))
        await line.response(200, method="INVITE", count=3)
        line.ack()
        await house.events.until("call.peer_resumed", call_id=call.call_id)
        line.request("BYE")
        await line.response(200, method="BYE")
        ended = await house.events.until("call.ended", call_id=call.call_id)
        await bridge.no_sessions()

        assert b"a=recvonly" in held.body
        assert ended.data["reason"] == "caller_hangup"


@pytest.mark.soak  # the bridge gives up after five seconds, and once in a long run of tests the server took longer
async def test_an_invite_without_an_offer_is_heard_through_the_bridge(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with at_the_trunk(redis_url, database_url, tmp_path) as (house, bridge, line, sound):
        line.invite(body="")
        ok = await line.response(200, method="INVITE")
        line.follow(ok)
        line.ack(body=sdp(sound))
        call = await house.events.until("call.answered")
        packet = await hears(sound)
        line.request("BYE")
        await line.response(200, method="BYE")
        await house.events.until("call.ended", call_id=call.call_id)
        await bridge.no_sessions()

        assert b"RTP/AVP" in ok.body
        assert b"PCMU/8000" in ok.body
        assert packet[1] & 0x7F == 0
