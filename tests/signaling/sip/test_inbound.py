"""Calls of theirs over real sockets: taken, refused, taken back, held, ended, and what may go wrong on the way."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from signaling.sip import inbound, timers
from signaling.sip.agent import AgentConfig, Listen, UserAgent
from signaling.sip.message import Request, reply
from signaling.sip.ports import Declined
from signaling.sip.reader import read
from tests.fakes.eventually import eventually
from tests.signaling.sip.house import House
from tests.signaling.sip.phone import ANSWER, OFFER, Phone, phone

CONFIG = AgentConfig(
    listen=(
        Listen(transport="udp", host="127.0.0.1", port=0),
        Listen(transport="tcp", host="127.0.0.1", port=0),
    ),
    sources=(ipaddress.ip_network("127.0.0.0/8"),),
)


@asynccontextmanager
async def agent(
    house: House, config: AgentConfig = CONFIG
) -> AsyncIterator[tuple[UserAgent, dict[str, int]]]:
    """A running one and its ports; nothing of a call may be left in it at the end."""
    made = UserAgent(config, house)
    doors = {each.transport: each.port for each in await made.start()}
    try:
        yield made, doors
        await eventually(lambda: made.calls == 0)
    finally:
        await made.stop()


@asynccontextmanager
async def calling(
    house: House, *, transport: str = "udp", config: AgentConfig = CONFIG
) -> AsyncIterator[tuple[UserAgent, Phone]]:
    async with agent(house, config) as (made, doors), phone(doors[transport], transport=transport) as caller:
        yield made, caller


async def test_a_call_that_is_over_is_kept_by_nothing() -> None:
    """Behind it is a session, with seconds of audio."""
    house = House()
    async with calling(house) as (made, caller):
        await answered(caller)
        left = weakref.ref(house.guests[0])
        caller.request("BYE")
        await caller.response(200, method="BYE")
        await eventually(lambda: made.calls == 0)
        house.guests.clear()
        gc.collect()

        assert left() is None


async def answered(caller: Phone, **invite: str) -> None:
    caller.invite(**invite)
    await caller.response(200)
    caller.ack()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_is_taken_and_ended_by_the_caller(transport: str) -> None:
    house = House()
    async with calling(house, transport=transport) as (_, caller):
        caller.invite()
        ok = await caller.response(200)
        caller.ack()
        caller.request("BYE")
        await caller.response(200, method="BYE")
        await house.guests[0].until(("hung_up", "caller_hangup"))

        assert caller.starts()[:3] == ["100", "183", "200"]
        assert ok.body.decode() == ANSWER
        assert "transport" in (ok.get("Contact") or "") or transport == "udp"


async def test_the_200_waits_until_audio_flows() -> None:
    house = House(connects=False)
    async with calling(house) as (_, caller):
        caller.invite()
        progress = await caller.response(183)
        house.guests[0].line.media_connected()
        await caller.response(200)
        caller.ack()
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert progress.body.decode() == ANSWER
        assert caller.starts() == ["100", "183", "200", "200"]


async def test_without_audio_the_200_goes_out_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 183 may have been lost; a 200 is repeated."""
    monkeypatch.setattr(inbound, "MEDIA_WAIT_S", 0.05)
    house = House(connects=False)
    async with calling(house) as (_, caller):
        await answered(caller)
        house.guests[0].line.hung_up()
        caller.reply(await caller.asked("BYE"), 200)


async def test_the_house_hangs_up() -> None:
    house = House()
    async with calling(house, transport="tcp") as (_, caller):
        await answered(caller)
        house.guests[0].line.hung_up()
        bye = await caller.asked("BYE")
        caller.reply(bye, 200)

        assert bye.uri == f"sip:phone@{caller.me[0]}:{caller.me[1]};transport=tcp"
        assert "tag=phone" in (bye.get("To") or "")


async def test_a_goodbye_finds_a_bridge_that_has_restarted() -> None:
    """The connection that the call came by is gone; the Contact says where to connect to."""
    house = House()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readuntil(b"\r\n\r\n")
        bye = read(data)
        assert isinstance(bye, Request)
        writer.write(reply(bye, 200).write())
        heard.put_nowait(data)
        writer.close()

    bridge = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with agent(house) as (_, doors):
        async with phone(doors["tcp"], transport="tcp") as caller:
            caller.me = bridge.sockets[0].getsockname()[:2]
            await answered(caller)
            caller.request("OPTIONS")  # its answer says that the ACK has come, too
            await caller.response(200, method="OPTIONS")
        house.guests[0].line.hung_up()
        bye = await asyncio.wait_for(heard.get(), 5)

    bridge.close()
    await bridge.wait_closed()
    assert bye.startswith(b"BYE sip:phone@127.0.0.1:")


async def test_the_house_hangs_up_before_it_has_answered() -> None:
    house = House(connects=False)
    async with calling(house) as (_, caller):
        caller.invite()
        await caller.response(183)
        house.guests[0].line.hung_up()
        await caller.response(480)
        caller.request("ACK", cseq=1, branch=caller.invite_branch)


@pytest.mark.parametrize("taken", [True, False])
async def test_a_cancelled_call_is_487_and_hung_up(taken: bool) -> None:
    house = House(connects=False)
    if not taken:
        house.open.clear()
    async with calling(house) as (_, caller):
        caller.invite()
        await caller.response(183 if taken else 100)
        caller.cancel()
        await caller.response(200, method="CANCEL")
        await caller.response(487)
        caller.request("ACK", cseq=1, branch=caller.invite_branch)
        house.open.set()
        await eventually(lambda: house.guests)
        await house.guests[0].until(("hung_up", "caller_hangup"))


async def test_a_bye_before_the_answer_ends_the_call() -> None:
    house = House(connects=False)
    async with calling(house) as (_, caller):
        caller.invite()
        await caller.response(183)
        caller.request("BYE")
        await caller.response(200, method="BYE")
        await caller.response(487)
        await house.guests[0].until(("hung_up", "caller_hangup"))


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Declined(503, "All lines are busy.", retry_after_s=15), 503),
        (Declined(404, "Nobody answers this number."), 404),
        (RuntimeError("a bug"), 500),
    ],
)
async def test_what_the_house_does_not_take_is_refused(
    refusal: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(House(refusal=refusal)) as (_, caller):
        caller.invite()
        refused = await caller.response(status)
        caller.request("ACK", cseq=1, branch=caller.invite_branch)

        assert refused.get("Retry-After") == ("15" if status == 503 else None)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ("Require: replaces\n", OFFER, 420),
        ("Content-Type: application/isup\n", "xyz", 415),
        ("Content-Encoding: gzip\n", OFFER, 415),
        ("Accept: text/nobodyKnowsThis\n", OFFER, 406),
        ("Session-Expires: 30\nSupported: timer\n", OFFER, 422),
        ("", "v=0\r\nnothing\r\n", 488),
        ("", OFFER.replace("m=audio 4000 UDP/TLS/RTP/SAVPF 8 101", "m=image 4000 udptl t38"), 488),
    ],
)
async def test_an_invite_that_asks_for_too_much_is_refused(headers: str, body: str, status: int) -> None:
    house = House()
    async with calling(house) as (_, caller):
        caller.invite(headers=headers, body=body)
        await caller.response(status)
        caller.request("ACK", cseq=1, branch=caller.invite_branch)


async def test_options_says_whether_a_call_would_be_taken() -> None:
    house = House()
    async with calling(house) as (_, caller):
        caller.request("OPTIONS")
        ok = await caller.response(200)
        house.closed = 5
        caller.request("OPTIONS")
        closed = await caller.response(503)

        assert "INVITE" in (ok.get("Allow") or "")
        assert closed.get("Retry-After") == "5"


async def test_methods_that_mean_nothing_here_are_refused() -> None:
    async with calling(House()) as (_, caller):
        for method, status in [("REGISTER", 405), ("BYE", 481), ("INFO", 481), ("FOO", 501)]:
            caller.request(method)
            await caller.response(status, method=method)


async def test_hold_and_back_again_keeps_the_leg() -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        caller.invite(body=OFFER.replace("a=sendrecv", "a=sendonly"))
        held = await caller.response(200, count=2)
        caller.ack()
        caller.invite(body=OFFER.replace("c=IN IP4 192.0.2.5", "c=IN IP4 0.0.0.0"))
        old_style = await caller.response(200, count=3)
        caller.ack()
        caller.invite(body=OFFER)
        back = await caller.response(200, count=4)
        caller.ack()
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert b"a=recvonly" in held.body
        assert b"o=- 1 2 " in held.body
        assert b"a=recvonly" in old_style.body
        assert b"a=sendrecv" in back.body
        assert held.body.count(b"telephone-event") == 1
        assert [each for each in house.guests[0].told if each[0] == "hold"] == [
            ("hold", True),
            ("hold", True),
            ("hold", False),
        ]


async def test_new_credentials_make_a_new_leg_and_a_bad_offer_changes_nothing() -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        guest = house.guests[0]
        caller.invite(body=OFFER.replace("ice-ufrag:abcd", "ice-ufrag:efgh"))
        await caller.response(488)
        caller.request("ACK", cseq=2, branch=caller.invite_branch)
        guest.changes_to = ANSWER.replace("0123456789abcdef", "fedcba9876543210")
        caller.invite(body=OFFER.replace("ice-ufrag:abcd", "ice-ufrag:efgh"))
        moved = await caller.response(200, count=2)
        caller.ack()
        caller.request("INFO")
        await caller.response(200, method="INFO")
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert moved.body.decode() == guest.changes_to


async def test_a_second_offer_before_the_first_is_answered_is_500() -> None:
    house = House(connects=False)
    async with calling(house) as (_, caller):
        caller.invite()
        await caller.response(183)
        first = caller.invite_branch
        caller.request("UPDATE", body=OFFER, headers="Content-Type: application/sdp\n")
        await caller.response(500)
        caller.invite_branch, caller.cseq = first, 1
        house.guests[0].line.media_connected()
        await caller.response(200)
        caller.ack(cseq=1)
        caller.cseq = 2
        caller.request("BYE")
        await caller.response(200, method="BYE")


async def test_a_reinvite_without_offer_gets_ours_and_the_answer_comes_in_its_ack() -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        caller.invite(body="")
        offered = await caller.response(200, count=2)
        caller.ack(body=OFFER.replace("a=sendrecv", "a=inactive").replace("actpass", "active"))
        await house.guests[0].until(("hold", True))
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert b"a=setup:actpass" in offered.body


async def test_an_invite_without_an_offer_gets_ours_and_its_answer_comes_in_the_ack() -> None:
    house = House()
    async with calling(house) as (_, caller):
        caller.invite(body="")
        await caller.response(200)
        caller.ack(body=OFFER)
        await house.guests[0].until(("answered", OFFER))
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert caller.starts()[:2] == ["100", "200"]


async def test_an_ack_without_the_answer_it_owes_ends_the_call() -> None:
    house = House()
    async with calling(house) as (_, caller):
        caller.invite(body="")
        await caller.response(200)
        caller.ack()
        caller.reply(await caller.asked("BYE"), 200)
        await house.guests[0].until(("hung_up", "error"))


async def test_a_bug_behind_a_request_is_a_500_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        guest = house.guests[0]

        def broken(*_: object) -> None:
            raise RuntimeError("a bug")

        guest.digit = broken  # type: ignore[method-assign]  # the house's fault, not ours
        caller.request("INFO", body="5", headers="Content-Type: application/dtmf\n")
        await caller.response(500)
        guest.hold = broken  # type: ignore[method-assign]
        caller.invite(body=OFFER.replace("a=sendrecv", "a=sendonly"))
        await caller.response(500, count=2)
        caller.request("ACK", cseq=caller.cseq, branch=caller.invite_branch)
        caller.request("BYE")
        await caller.response(200, method="BYE")

    assert "a bug" in caplog.text


async def test_keys_come_by_info() -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        for body, kind in [
            ("Signal=5\r\nDuration=250\r\n", "dtmf-relay"),
            ("Signal= 11", "dtmf-relay"),
            ("*", "dtmf"),
        ]:
            caller.request("INFO", body=body, headers=f"Content-Type: application/{kind}\n")
        caller.request("INFO", body="<x/>", headers="Content-Type: application/media_control+xml\n")
        await caller.response(200, method="INFO", count=3)
        await caller.response(415)
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert [each for each in house.guests[0].told if each[0] == "digit"] == [
            ("digit", "5", 250),
            ("digit", "#", 160),
            ("digit", "*", 160),
        ]


async def test_a_session_timer_is_agreed_and_a_refresh_answered() -> None:
    house = House()
    async with calling(house) as (_, caller):
        caller.invite(headers="Supported: timer\nSession-Expires: 600\n")
        ok = await caller.response(200)
        caller.ack()
        caller.request("UPDATE", headers="Supported: timer\nSession-Expires: 600;refresher=uac\n")
        refreshed = await caller.response(200, method="UPDATE")
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert ok.get("Session-Expires") == refreshed.get("Session-Expires") == "600;refresher=uac"
        assert ok.get("Require") == "timer"


async def test_a_required_reliable_response_is_acknowledged_before_the_200() -> None:
    """RFC 3262."""
    house = House()
    async with calling(house) as (_, caller):
        caller.invite(headers="Require: 100rel\n")
        progress = await caller.response(183)
        again = await caller.response(183, count=2)  # T1 later: nobody has acknowledged it
        caller.request("PRACK", headers="RAck: 1 1 INVITE\n")
        await caller.response(481)
        caller.request("PRACK", headers=f"RAck: {progress.get('RSeq')} 1 INVITE\n")
        await caller.response(200, method="PRACK")
        await caller.response(200, method="INVITE")
        caller.ack(cseq=1)
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert again == progress
        assert caller.starts().index("481") < caller.starts().index("200")


async def test_a_200_that_is_never_acknowledged_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from signaling.sip import server_transaction

    monkeypatch.setattr(server_transaction, "PATIENCE", 0.2)
    house = House()
    async with calling(house) as (_, caller):
        caller.invite()
        await caller.response(200)
        await house.guests[0].until(("hung_up", "timeout"))
        caller.reply(await caller.asked("BYE"), 200)


async def test_a_transfer_they_ask_for_is_reported_or_declined() -> None:
    house = House()
    async with calling(house) as (_, caller):
        await answered(caller)
        caller.request("REFER", headers="Refer-To: <sip:desk@elsewhere>\n")
        await caller.response(603)
        house.guests[0].referrals = [(180, "Ringing"), (200, "OK")]
        caller.request("REFER", headers="Refer-To: <sip:desk@elsewhere>\n")
        await caller.response(202)
        bodies = []
        for count in (1, 2, 3):
            notify = await caller.asked("NOTIFY", count=count)
            caller.reply(notify, 200)
            bodies.append((notify.body, notify.get("Subscription-State")))
        caller.request("BYE")
        await caller.response(200, method="BYE")

        assert [body for body, _ in bodies] == [
            b"SIP/2.0 100 Trying\r\n",
            b"SIP/2.0 180 Ringing\r\n",
            b"SIP/2.0 200 OK\r\n",
        ]
        assert bodies[2][1] == "terminated;reason=noresource"


async def test_strangers_get_no_answer() -> None:
    config = replace(CONFIG, sources=(ipaddress.ip_network("192.0.2.0/24"),))
    house = House()
    async with agent(house, config) as (_, doors), phone(doors["udp"]) as caller:
        caller.invite()
        reader, writer = await asyncio.open_connection("127.0.0.1", doors["tcp"])
        (cut,) = await asyncio.gather(reader.read(1), return_exceptions=True)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

        assert cut == b"" or isinstance(cut, ConnectionError)
        assert caller.heard == []
        assert house.asked == 0


async def test_beyond_the_calls_being_set_up_the_next_is_503() -> None:
    house = House()
    house.open.clear()
    async with (
        agent(house, replace(CONFIG, max_pending=1)) as (_, doors),
        phone(doors["udp"]) as one,
        phone(doors["udp"]) as two,
    ):
        one.invite()
        await eventually(lambda: house.asked == 1)
        two.invite()
        busy = await two.response(503)
        two.request("ACK", cseq=1, branch=two.invite_branch)
        house.open.set()
        await one.response(200)
        one.ack()
        one.request("BYE")
        await one.response(200, method="BYE")

        assert busy.get("Retry-After") == "1"


def test_patience_is_what_the_rfc_says() -> None:
    assert timers.PATIENCE == 32.0
