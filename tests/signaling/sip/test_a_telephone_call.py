"""A telephone call through the whole house: SIP in, audio both ways, keys, hold, goodbye from either side."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from media.rtc.caller import Caller
from media.rtc.peer import Peer, PeerConfig
from realtime.simulator.script import Asked, Reply, Script
from storage.envelope import Envelope
from tests.fakes.eventually import eventually
from tests.fakes.servers import free_port
from tests.media.rtc.test_an_offer_of_ours import Ear
from tests.scenarios.house import House, open_house
from tests.signaling.sip.phone import Phone, phone

ASSERTED = (
    'P-Asserted-Identity: "Tanaka" <sip:09012345678@trunk.example;user=phone>\n'
    "Diversion: <sip:+81311112222@trunk.example>;reason=no-answer\n"
)


def greets(asked: Asked) -> Reply:
    return Reply(text="Hello.", audio_ms=600)


@asynccontextmanager
async def telephone(
    redis_url: str, database_url: str, folder: Path, *, transport: str = "tcp", **settings: str
) -> AsyncIterator[tuple[House, Phone, Caller]]:
    """A house with a SIP door, a telephone at it, and that telephone's audio."""
    port = free_port()
    async with (
        open_house(
            redis_url=redis_url,
            database_url=database_url,
            folder=folder,
            mind=Script(says=[greets], loop=True),
            settings={
                "CORDBOARD_SIP__LISTEN": f"tcp:127.0.0.1:{port},udp:127.0.0.1:{port}",
                "CORDBOARD_SIP__ROUTES": "+8131234*=dental-reception",
                "CORDBOARD_SIP__REGION": "JP",
                **settings,
            },
        ) as running,
        phone(port, transport=transport) as line,
    ):
        audio = Caller(codecs=("pcma",))
        try:
            yield running, line, audio
        finally:
            await audio.close()


async def connect(line: Phone, audio: Caller, headers: str = ASSERTED) -> str:
    """Calls; returns the offer that was made."""
    made = ""

    async def invite(offer: str) -> str:
        nonlocal made
        made = offer
        line.invite(body=offer, headers=headers)
        return (await line.response(183)).body.decode()

    await audio.connect(invite)
    await line.response(200, method="INVITE")
    line.ack()
    return made


async def started(running: House) -> Envelope:
    return await running.events.until("call.started")


async def test_a_call_from_the_trunk_is_heard_answered_and_on_record(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with telephone(redis_url, database_url, tmp_path) as (running, line, audio):
        offer = await connect(line, audio)
        call = await started(running)
        await running.events.until("turn.completed", call_id=call.call_id)

        line.request(
            "INFO", body="Signal=7\r\nDuration=120\r\n", headers="Content-Type: application/dtmf-relay\n"
        )
        await audio.press("#")
        await running.events.until(
            "dtmf.received", call_id=call.call_id, where=lambda data: data["digit"] == "#"
        )
        # Hold without music: nothing comes, for as long as it takes.
        line.invite(body=offer.replace("a=sendrecv", "a=inactive"))
        held = await line.response(200, method="INVITE", count=2)
        line.ack()
        await running.events.until("call.peer_lost", call_id=call.call_id)
        line.invite(body=offer)
        back = await line.response(200, method="INVITE", count=3)
        line.ack()
        await running.events.until("call.peer_resumed", call_id=call.call_id)
        line.request("BYE")
        await line.response(200, method="BYE")
        ended = await running.events.until("call.ended", call_id=call.call_id)

        assert {name: call.data[name] for name in ("media", "caller", "called", "direction")} == {
            "media": "sip",
            "caller": "+819012345678",
            "called": "+81312345678",
            "direction": "inbound",
        }
        assert sum(1 for _, pcm in audio.received if max(pcm) > 0) > 10
        keys = [each.data["digit"] for each in running.events.of(call.call_id, "dtmf.received")]
        assert "".join(keys) == "7#"
        assert b"a=inactive" in held.body
        assert b"a=sendrecv" in back.body
        assert ended.data["reason"] == "caller_hangup"
        assert "Traceback" not in running.logs["serve"].read_text()
        assert "9012345678" not in running.logs["serve"].read_text()


async def test_the_house_says_goodbye_and_a_full_or_draining_one_says_so(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with telephone(
        redis_url, database_url, tmp_path, transport="udp", CORDBOARD_SERVER__MAX_CALLS="1"
    ) as (running, line, audio):
        line.request("OPTIONS")
        await line.response(200, method="OPTIONS")
        await connect(line, audio, "Privacy: id\n" + ASSERTED)
        call = await started(running)

        async with phone(line.port) as second:
            second.request("OPTIONS")
            await second.response(503, method="OPTIONS")
            second.invite()
            busy = await second.response(503, method="INVITE")
            second.request("ACK", cseq=second.cseq, branch=second.invite_branch)
        await running.http.delete(f"/v1/calls/{call.call_id}")
        line.reply(await line.asked("BYE"), 200)
        await running.events.until("call.ended", call_id=call.call_id)
        async with phone(line.port) as third:
            await eventually(lambda: says_free(third))
            third.invite()
            refused = await third.response(183)  # a place is free again: taken, and never connected
            third.cancel()
            await third.response(487)
            third.request("ACK", cseq=third.cseq, branch=third.invite_branch)
        await running.events.until("call.ended", count=2)
        running.processes["serve"].send_signal(signal.SIGTERM)
        await eventually(lambda: running.processes["serve"].returncode == 0, within=20)

        assert call.data["caller"] is None
        assert int(busy.get("Retry-After") or 0) > 0
        assert b"m=audio" in refused.body


async def test_an_invite_without_an_offer_gets_ours(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with telephone(redis_url, database_url, tmp_path) as (running, line, _):
        line.invite(body="", headers=ASSERTED)
        ok = await line.response(200, method="INVITE")
        ear = Ear()
        audio = await Peer.answer(ok.body.decode(), ear, PeerConfig(addresses=("127.0.0.1",)))
        line.ack(body=audio.answer_sdp)
        await running.events.until("call.answered")
        await eventually(lambda: ear.loudest > 100)
        line.invite(body=audio.answer_sdp.replace("a=sendrecv", "a=inactive"))
        held = await line.response(200, method="INVITE", count=2)
        line.ack()
        line.request("BYE")
        await line.response(200, method="BYE")
        ended = await running.events.until("call.ended")
        await audio.close()

        assert line.starts()[:2] == ["100", "200"]
        assert b"a=inactive" in held.body
        assert b"a=setup:passive" in held.body
        assert ended.data["reason"] == "caller_hangup"


async def says_free(line: Phone) -> bool:
    """Asks whether a call would be taken."""
    heard = len(line.heard)
    line.request("OPTIONS")
    await eventually(lambda: len(line.heard) > heard)
    return line.starts()[-1] == "200"


async def test_a_number_that_nobody_answers_and_an_offer_without_audio(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    settings = {"CORDBOARD_SIP__ROUTES": "+8150*=dental-reception"}
    async with telephone(redis_url, database_url, tmp_path, **settings) as (running, line, _):
        line.invite()
        await line.response(404)
        line.request("ACK", cseq=line.cseq, branch=line.invite_branch)

        assert running.events.seen == []
