"""What Kamailio and rtpengine do with our files, between telephones that are not ours and a server that stands in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from media.playout import PartKey
from signaling.bridge_config import render
from tests.sip.bridge import TELEPHONES, Bridge, Program, open_bridge
from tests.sip.line import line, offer
from tests.sip.sound import likeness, unmistakable
from tests.sip.stand_in import Answered, stand_in
from tests.sip.telephone import Telephone, telephone

CALLER, AGENT = unmistakable(3, seed=1), unmistakable(3, seed=2)
AGENT_24K = unmistakable(3, seed=2, rate=24_000).tobytes()
SCENARIO = Path(__file__).parent / "a_short_call.xml"
ALIKE = 0.99  # G.711 alone costs a thousandth
OpenBridge = Callable[..., AbstractAsyncContextManager[Bridge]]


@pytest.fixture
def bridge_to(tmp_path: Path) -> OpenBridge:
    """`async with bridge_to(servers=(…)) as bridge:`"""
    return partial(open_bridge, folder=tmp_path / "bridge")


async def talk(phone: Telephone, call: Answered) -> None:
    """Both say all that they have to say; the phone has said it when its keys are heard."""
    part = PartKey("response", "item", 0)
    await call.listener.until("connected")
    await phone.until("CALL_ESTABLISHED")
    call.peer.play(part, AGENT_24K)
    call.peer.finish(part)
    await call.listener.until("drained", timeout_s=10)
    await call.listener.until_true(lambda: len(call.listener.audio) > 170, timeout_s=10)


def server_heard(call: Answered) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(call.listener.heard(), dtype="<i2")[::3]


async def a_certificate(folder: Path) -> tuple[Path, Path]:
    pem, key = folder / "bridge.pem", folder / "key.pem"
    making = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.20",
        "-addext", "subjectAltName=IP:127.0.0.20", "-keyout", str(key), "-out", str(pem),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await making.wait() == 0
    return pem, key


async def test_a_call_is_heard_both_ways_with_its_keys_and_ends(
    bridge_to: OpenBridge, tmp_path: Path
) -> None:
    async with (
        stand_in() as server,
        bridge_to(servers=(server.address,)) as bridge,
        telephone(tmp_path / "phone", CALLER) as phone,
    ):
        await bridge.server_is(server.address, "A")
        await phone.dial(f"sip:+15550100@{bridge.trunk}")
        call = await server.call()
        await talk(phone, call)
        await phone.press("19#")
        assert call.peer.press("7*")
        await call.listener.until_true(lambda: call.listener.names().count("digit") == 3)
        assert await bridge.sessions() == 1
        await phone.until("CALL_DTMF_END", count=2)
        await phone.hang_up()
        await asyncio.wait_for(call.ended.wait(), 10)

        assert [told[1] for told in call.listener.told if told[0] == "digit"] == ["1", "9", "#"]
        pressed = [event["param"] for event in phone.events if event.get("type") == "CALL_DTMF_START"]
        assert pressed == ["7", "*"]
        assert likeness(server_heard(call), CALLER) > ALIKE
        assert likeness(phone.heard(), AGENT) > ALIKE
        assert "sip:+15550100@" in call.invite.split("\r\n", 1)[0]  # the number that was dialled
        await bridge.no_sessions()


async def test_a_server_that_hangs_up_is_heard_of_at_once(bridge_to: OpenBridge, tmp_path: Path) -> None:
    async with (
        stand_in() as server,
        bridge_to(servers=(server.address,)) as bridge,
        telephone(tmp_path / "phone", CALLER) as phone,
    ):
        await bridge.server_is(server.address, "A")
        await phone.dial(f"sip:agent@{bridge.trunk}")
        call = await server.call()
        await phone.until("CALL_ESTABLISHED")

        await server.hang_up(call)

        await phone.until("CALL_CLOSED")
        await bridge.no_sessions()


async def test_tls_and_srtp_to_the_trunk_and_the_same_call_to_the_server(
    bridge_to: OpenBridge, tmp_path: Path
) -> None:
    pem, key = await a_certificate(tmp_path)
    async with (
        stand_in() as server,
        bridge_to(
            servers=(server.address,),
            trunk_sources=(TELEPHONES, "127.0.0.1"),  # on loopback, baresip connects from the second
            certificate=str(pem),
            private_key=str(key),
            trunk_srtp="required",
        ) as bridge,
        telephone(
            tmp_path / "phone",
            CALLER,
            account="mediaenc=srtp-mand;audio_codecs=pcmu",
            transport="tls",
            ca=pem,
        ) as phone,
    ):
        await bridge.server_is(server.address, "A")
        await phone.dial(f"sip:agent@127.0.0.20:{bridge.settings.trunk_tls_port};transport=tls")
        call = await server.call()
        await talk(phone, call)

        assert call.listener.first("connected")[1] == "pcmu"  # as the trunk: nothing to convert
        assert likeness(server_heard(call), CALLER) > ALIKE
        assert likeness(phone.heard(), AGENT) > ALIKE

        async with line() as plain:
            refused = await plain.ask("INVITE", bridge.trunk, body=offer())
        assert refused.startswith("SIP/2.0 488")


async def test_the_law_may_be_pinned_for_the_servers(bridge_to: OpenBridge, tmp_path: Path) -> None:
    async with (
        stand_in() as server,
        bridge_to(servers=(server.address,), law="PCMA") as bridge,
        telephone(tmp_path / "phone", CALLER, account="audio_codecs=pcmu") as phone,
    ):
        await bridge.server_is(server.address, "A")
        await phone.dial(f"sip:agent@{bridge.trunk}")
        call = await server.call()
        await talk(phone, call)

        assert call.listener.first("connected")[1] == "pcma"
        assert likeness(server_heard(call), CALLER) > ALIKE
        assert likeness(phone.heard(), AGENT) > ALIKE


async def test_calls_go_round_and_a_full_server_costs_nobody_a_call(bridge_to: OpenBridge) -> None:
    async with stand_in() as one, stand_in() as two, bridge_to(servers=(one.address, two.address)) as bridge:
        await bridge.server_is(one.address, "A")
        await bridge.server_is(two.address, "A")
        async with line() as caller:
            for _ in range(2):
                assert (await caller.ask("INVITE", bridge.trunk, body=offer())).startswith("SIP/2.0 200")
            assert (len(one.calls), len(two.calls)) == (1, 1)

            one.status = "503 Full"
            for _ in range(2):
                assert (await caller.ask("INVITE", bridge.trunk, body=offer())).startswith("SIP/2.0 200")
            assert (len(one.calls), len(two.calls)) == (1, 3)


async def test_a_server_and_a_source_are_added_while_calls_run(bridge_to: OpenBridge) -> None:
    async with stand_in() as one, stand_in() as two, bridge_to(servers=(one.address,)) as bridge:
        await bridge.server_is(one.address, "A")
        wider = bridge.settings.model_copy(
            update={"servers": (one.address, two.address), "trunk_sources": (TELEPHONES, "127.0.0.11")}
        )
        for name, text in render(wider, folder=str(bridge.folder)).items():
            (bridge.folder / name).write_text(text)

        await bridge.ask_kamailio("dispatcher.reload")
        await bridge.ask_kamailio("permissions.addressReload")

        await bridge.server_is(two.address, "A")
        async with line("127.0.0.11") as added:
            for _ in range(2):
                answer = await added.ask("INVITE", bridge.trunk, body=offer(address="127.0.0.11"))
                assert answer.startswith("SIP/2.0 200")
        assert (len(one.calls), len(two.calls)) == (1, 1)


async def test_a_server_that_has_just_died_costs_nobody_a_call(bridge_to: OpenBridge) -> None:
    async with stand_in() as one, stand_in() as two, bridge_to(servers=(one.address, two.address)) as bridge:
        await bridge.server_is(one.address, "A")
        await bridge.server_is(two.address, "A")

        await one.stop()

        async with line() as caller:
            for _ in range(2):  # one of the two is meant for the dead one, before anybody knows
                answer = await caller.ask("INVITE", bridge.trunk, body=offer())
                assert answer.startswith("SIP/2.0 200"), answer
        assert len(two.calls) == 2
        await bridge.server_is(one.address, "I")


async def test_callers_of_a_server_that_is_gone_are_let_go(bridge_to: OpenBridge, tmp_path: Path) -> None:
    async with (
        stand_in() as lost,
        bridge_to(servers=(lost.address,)) as bridge,
        telephone(tmp_path / "phone", CALLER) as phone,
    ):
        await bridge.server_is(lost.address, "A")
        await phone.dial(f"sip:agent@{bridge.trunk}")
        await phone.until("CALL_ESTABLISHED")

        await lost.stop()

        await phone.until("CALL_CLOSED", within_s=30)
        await bridge.no_sessions()


async def test_a_draining_server_keeps_its_calls(bridge_to: OpenBridge, tmp_path: Path) -> None:
    async with (
        stand_in() as server,
        bridge_to(servers=(server.address,)) as bridge,
        telephone(tmp_path / "phone", CALLER) as phone,
    ):
        await bridge.server_is(server.address, "A")
        await phone.dial(f"sip:agent@{bridge.trunk}")
        await phone.until("CALL_ESTABLISHED")

        server.status = "503 Draining"
        await bridge.server_is(server.address, "I")
        asked = len(server.requests)
        await server.asked("OPTIONS", count=asked + 5, within_s=30)

        assert (await bridge.ask_kamailio("htable.dump", "missed")).strip() == ""  # nothing against it
        assert not [event for event in phone.events if event.get("type") == "CALL_CLOSED"]


async def test_when_no_server_takes_calls_the_trunk_is_told_and_told_again_when_one_does(
    bridge_to: OpenBridge,
) -> None:
    async with stand_in() as server, bridge_to(servers=(server.address,)) as bridge, line() as trunk:
        server.status = "503 Draining"
        await bridge.server_is(server.address, "I")
        for method, body in (("OPTIONS", ""), ("INVITE", offer())):
            answer = await trunk.ask(method, bridge.trunk, body=body)
            assert answer.startswith("SIP/2.0 503")
            assert "Retry-After: 5" in answer

        server.status = None
        await bridge.server_is(server.address, "A")
        assert (await trunk.ask("OPTIONS", bridge.trunk)).startswith("SIP/2.0 200")


async def test_strangers_get_no_answer_and_one_line_in_the_log(bridge_to: OpenBridge) -> None:
    async with stand_in() as server, bridge_to(servers=(server.address,)) as bridge:
        await bridge.server_is(server.address, "A")
        async with line("127.0.0.66") as stranger, line() as trunk:
            for method in ("OPTIONS", "REGISTER", "INVITE", "BYE", "INVITE"):
                stranger.send(method, bridge.trunk, body=offer() if method == "INVITE" else "")
            for _ in range(8):  # every worker of Kamailio has had a turn by then
                assert (await trunk.ask("OPTIONS", bridge.trunk)).startswith("SIP/2.0 200")

            assert stranger.answers == []
            assert server.calls == []
            dropped = bridge.kamailio.log.read_text().count("dropped ")
            assert 1 <= dropped <= 2  # at most one a second
            assert "caller@" not in bridge.kamailio.log.read_text()


async def test_more_calls_than_a_second_may_bring_are_put_off(bridge_to: OpenBridge) -> None:
    async with stand_in() as server, bridge_to(servers=(server.address,), calls_per_second=3) as bridge:
        await bridge.server_is(server.address, "A")
        async with line() as trunk:
            sent = [trunk.send("INVITE", bridge.trunk, body=offer()) for _ in range(20)]
            answers = [await trunk.answer(call_id, of="INVITE") for call_id in sent]

        put_off = [answer for answer in answers if answer.startswith("SIP/2.0 503")]
        assert 14 <= len(put_off) <= 17  # three, or six where the second turns meanwhile
        assert all("Retry-After: 2" in answer for answer in put_off)
        assert len(server.calls) == 20 - len(put_off)


async def test_a_caller_who_gives_up_while_it_rings_leaves_nothing(bridge_to: OpenBridge) -> None:
    async with stand_in() as server, bridge_to(servers=(server.address,)) as bridge, line() as caller:
        server.answers = False
        await bridge.server_is(server.address, "A")
        call_id = caller.send("INVITE", bridge.trunk, body=offer())
        await caller.answer(call_id, of="INVITE", final=False)
        assert await bridge.sessions() == 1

        caller.send("CANCEL", bridge.trunk, call_id=call_id, same=True)

        assert (await caller.answer(call_id, of="CANCEL")).startswith("SIP/2.0 200")
        assert (await caller.answer(call_id, of="INVITE")).startswith("SIP/2.0 487")
        await server.asked("CANCEL")
        await bridge.no_sessions()


async def test_ten_of_sipps_calls_pass_and_leave_nothing(bridge_to: OpenBridge, tmp_path: Path) -> None:
    async with stand_in() as server, bridge_to(servers=(server.address,)) as bridge:
        await bridge.server_is(server.address, "A")
        sipp = Program(
            "sipp", "-sf", str(SCENARIO), bridge.trunk, "-i", TELEPHONES, "-m", "10", "-r", "10",
            "-timeout", "30", "-timeout_error", "-nostdin",
            folder=tmp_path,
        )  # fmt: skip
        await sipp.start()

        assert await sipp.wait(40) == 0, sipp.log.read_text()[-3000:]
        assert len(server.calls) == 10
        await bridge.no_sessions()


async def test_calls_to_the_outside_are_refused_until_there_is_somewhere_to_send_them(
    bridge_to: OpenBridge,
) -> None:
    async with (
        stand_in() as server,
        bridge_to(servers=(server.address,)) as bridge,
        line("127.0.0.30") as media,
    ):
        inside = f"127.0.0.21:{bridge.settings.media_port}"
        answer = await media.ask("INVITE", inside, body=offer(address="127.0.0.30"))

        assert answer.startswith("SIP/2.0 403")
        # The server's address coming in at the trunk's door is forged.
        media.send("INVITE", bridge.trunk, body=offer())
        assert (await media.ask("OPTIONS", inside)).startswith("SIP/2.0 200")
        assert not [text for text in media.answers if bridge.trunk in text]
