"""The desk on real legs, with the scripted model: who asks, who comes, who hears whom, what is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from media.format import SAMPLE_RATE
from media.rtc.caller import Caller
from realtime.files.agents import load_agents
from realtime.simulator.script import FunctionCall, Reply, Script
from tests.fakes.desk_client import Refused, at_the_desk
from tests.fakes.eventually import eventually
from tests.fakes.tones import tone
from tests.scenarios.house import ROOT, SECRET, House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

GREETING = Reply(text="Hello, this is Harbour Dental.", audio_ms=600)
ASK = FunctionCall(
    "request_operator_handoff", {"reason": "asks for a person", "summary": "wants a refund of 40 dollars"}
)
SCRIPT = Script(
    hears=["I want to speak to a person about my refund", "my order is seven seven one"],
    says=[
        GREETING,
        ASK,
        Reply(text="I am asking a colleague to join.", audio_ms=600),
        Reply(text="Welcome back. Your refund is under way, is there anything else?", audio_ms=800),
        Reply(text="Goodbye.", audio_ms=400),
    ],
)
QUIET = Script(
    hears=["hello"], says=[GREETING, Reply(text="Yes?", audio_ms=400), Reply(text="Yes?", audio_ms=400)]
)


@asynccontextmanager
async def a_call(house: House) -> AsyncIterator[tuple[Caller, str]]:
    caller, call_id = await house.call()
    try:
        await house.events.until("turn.completed", call_id=call_id)
        yield caller, call_id
    finally:
        await caller.close()


def hears(leg: Caller, hz: float, *, last_s: float = 0.4) -> bool:
    """Whether the newest audio has this tone in it."""
    pcm = leg.recording()[-int(last_s * SAMPLE_RATE) * 2 :]
    samples = np.frombuffer(pcm, "<i2").astype(float)
    at = np.arange(len(samples)) / SAMPLE_RATE
    return bool(len(samples) and 2 * abs(np.mean(samples * np.exp(-2j * np.pi * hz * at))) > 800)


def is_loud(pcm: bytes) -> bool:
    return bool(np.abs(np.frombuffer(pcm, "<i2")).max(initial=0) > 500)


async def speaks(who: Caller, hz: float, seconds: float = 0.8) -> None:
    await who.speak(tone(hz, seconds))
    await asyncio.sleep(0.15)  # on its way through two jitter buffers: the wire tells nobody


async def test_a_person_is_asked_for_comes_and_gives_the_call_back(house) -> None:  # type: ignore[no-untyped-def]
    async with house(mind=SCRIPT) as running, at_the_desk(running.url, SECRET, "sato", "mori") as desk:
        sato, mori = desk
        await sato.present()
        async with a_call(running) as (caller, call_id):
            await caller.speak(loud(700))
            requested = await running.events.until("handoff.requested", call_id=call_id)
            offered = await running.events.until("handoff.offered", call_id=call_id)
            assert (offered.data["operator"], offered.data["attempt"]) == ("sato", 1)
            await mori.present()
            (waiting,) = await mori.handoffs()
            assert (waiting["state"], waiting["operator"]) == ("offered", "sato")
            assert waiting["summary"] == "wants a refund of 40 dollars"
            await running.events.until("turn.completed", call_id=call_id, count=2)

            handoff_id = requested.data["handoff_id"]
            leg = await sato.accept(handoff_id, offered.data["offer_id"])
            await running.events.until("handoff.connected", call_id=call_id)
            with pytest.raises(Refused) as taken:
                await mori.accept(handoff_id)
            assert (taken.value.status, taken.value.code) == (409, "already_taken")
            assert taken.value.problem["taken_by"] == "sato"

            # The two hear each other; the model hears nothing and says nothing.
            model = running.simulator.sessions[0]
            appended = model.append_count
            await asyncio.gather(speaks(caller, 700), speaks(leg, 1000))
            assert hears(caller, 1000)
            assert hears(leg, 700)
            assert model.append_count <= appended + 5
            said = await running.events.until(
                "transcript.final", call_id=call_id, where=lambda data: data["speaker"] == "operator"
            )
            assert (
                said.data["text"] == "I want to speak to a person about my refund"
            )  # the script's first words

            await sato.give_back(call_id, "Refund R-77 is booked.")
            await running.events.until("handoff.returned", call_id=call_id)
            await running.events.until("turn.completed", call_id=call_id, count=3)
            told = " ".join(str(item.retrieved()) for item in model.items)
            assert "Refund R-77 is booked." in told
            assert "talks with the caller now" in told
            update = model.configurations[-1].sent
            document = load_agents(ROOT / "deploy" / "agents")["dental-reception"]
            for part in (document.personality, document.tone, document.instructions):
                assert document.say(part).strip() in update["instructions"]
            assert "silent" not in update["instructions"]
            assert (await sato.presence())["state"] == "wrap_up"
            await sato.wrap_up("resolved", "Refund booked by hand.")
            assert (await sato.presence())["state"] == "available"

            async with running.http.delete(f"/v1/calls/{call_id}") as response:
                assert response.status == 200
            await running.events.until("call.ended", call_id=call_id)

        kinds = [each.type for each in running.events.of(call_id)]
        order = [kind for kind in kinds if kind.startswith(("handoff.", "operator.", "call."))]
        assert order == [
            "call.started",
            "call.answered",
            "handoff.requested",
            "handoff.queued",
            "handoff.offered",
            "handoff.accepted",
            "operator.joined",
            "handoff.connected",
            "handoff.returned",
            "operator.left",
            "call.annotated",
            "call.ended",
        ]
        (row,) = await rows_of(
            running.database_url,
            "SELECT state, operator, queue, attempts, reason FROM handoffs WHERE operator IS NOT NULL",
            count=1,
        )
        assert tuple(row) == ("returned", "sato", "front-desk", 1, "asks for a person")
        audit = await rows_of(
            running.database_url, "SELECT actor, action FROM audit_log WHERE action LIKE '%accepted'", count=1
        )
        assert tuple(audit[0]) == ("sato", "handoff.accepted")


async def test_a_takeover_needs_no_request_and_listening_is_never_heard(house) -> None:  # type: ignore[no-untyped-def]
    async with house(mind=QUIET) as running, at_the_desk(running.url, SECRET, "sato", "mori") as desk:
        sato, mori = desk
        async with a_call(running) as (caller, call_id):
            listener = await mori.listen(call_id)
            await speaks(caller, 700)
            assert hears(listener, 700)
            await running.events.until("turn.completed", call_id=call_id, count=2)
            assert not [each for each in running.events.of(call_id) if each.type.startswith("operator.")]

            leg = await sato.take_over(call_id)
            await running.events.until("handoff.connected", call_id=call_id)
            await asyncio.gather(speaks(leg, 1000), speaks(caller, 700))
            assert hears(caller, 1000)
            assert hears(leg, 700)
            assert hears(listener, 1000)

            await sato.hold(call_id, True)
            await running.events.until("handoff.held", call_id=call_id)
            await speaks(leg, 1000)
            assert not hears(caller, 1000)
            await sato.hold(call_id, False)
            await running.events.until("handoff.resumed", call_id=call_id)

            await sato.end(call_id)
            ended = await running.events.until("call.ended", call_id=call_id)
            assert ended.data["reason"] == "operator_hangup"
            assert (await sato.presence())["handoff_id"] is None


async def test_a_whisper_steers_the_agent_and_the_caller_does_not_hear_it(house) -> None:  # type: ignore[no-untyped-def]
    async with (
        house(mind=QUIET) as running,
        at_the_desk(running.url, SECRET, "sato") as (sato,),
        a_call(running) as (_, call_id),
    ):
        await sato.say(call_id, "Offer ten percent off.")
        await running.events.until("turn.completed", call_id=call_id, count=2)
        (session,) = running.simulator.sessions
        asked = [each for each in session.client_events if each["type"] == "response.create"][-1]
        assert "Offer ten percent off." in asked["response"]["instructions"]
        said = [each.data["text"] for each in running.events.of(call_id, "transcript.final")]
        assert said == [GREETING.text, "Yes?"]


async def test_a_request_with_nobody_at_the_desk_is_answered_by_the_agent_with_a_callback(house) -> None:  # type: ignore[no-untyped-def]
    script = Script(
        hears=["a person please", "tomorrow morning"],
        says=[
            GREETING,
            ASK,
            Reply(text="I am asking.", audio_ms=300),
            Reply(text="Nobody is free. Shall somebody call you back?", audio_ms=500),
            FunctionCall("book_callback", {"number": "+12065550142", "when": "tomorrow morning"}),
            Reply(text="It is noted.", audio_ms=300),
        ],
    )
    async with house(mind=script) as running, a_call(running) as (caller, call_id):
        await caller.speak(loud(700))
        gone = await running.events.until("handoff.unavailable", call_id=call_id)
        assert gone.data["why"] == "nobody"
        await running.events.until(
            "transcript.final", call_id=call_id, where=lambda data: "call you back" in data["text"]
        )
        await caller.speak(loud(700))
        booked = await running.events.until("handoff.callback_booked", call_id=call_id)
        assert (booked.data["number"], booked.data["when"]) == ("+12065550142", "tomorrow morning")


async def test_an_operator_who_vanishes_has_ten_seconds_and_then_the_agent_takes_over(house) -> None:  # type: ignore[no-untyped-def]
    async with (
        house(mind=QUIET) as running,
        at_the_desk(running.url, SECRET, "sato") as (sato,),
        a_call(running) as (caller, call_id),
    ):
        leg = await sato.take_over(call_id)
        await running.events.until("handoff.connected", call_id=call_id)
        leg.muted = True  # the browser has crashed: nothing comes, nothing is said about it
        crashed = asyncio.get_running_loop().time()
        await running.events.until("handoff.recovering", call_id=call_id)
        await eventually(
            lambda: next((at for at, pcm in caller.received if at > crashed and is_loud(pcm)), None)
        )
        tone_from = next(at for at, pcm in caller.received if at > crashed and is_loud(pcm))
        assert tone_from - crashed < 3.0
        again = await sato.reattach(call_id)
        await running.events.until("handoff.resumed", call_id=call_id)
        await speaks(again, 1000)
        assert hears(caller, 1000)
        again.muted = True
        returned = await running.events.until("handoff.returned", call_id=call_id)
        assert returned.data["why"] == "operator_lost"
        await running.events.until("turn.completed", call_id=call_id, count=2)


async def test_a_caller_who_reloads_the_page_is_back_in_the_same_call(house) -> None:  # type: ignore[no-untyped-def]
    async with house(mind=QUIET, settings={"CORDBOARD_MEDIA__RESUME_S": "5"}) as running:
        first, second, token, call_id = Caller(), Caller(), "", ""

        async def place(offer: str) -> str:
            nonlocal token, call_id
            headers = {"Content-Type": "application/sdp"} | ({"X-Resume": token} if token else {})
            async with running.http.post(
                "/v1/calls?agent=dental-reception", data=offer, headers=headers
            ) as response:
                assert response.status == 201, await response.text()
                token = response.headers["X-Resume"]
                call_id = response.headers["Location"].rpartition("/")[2]
                return await response.text()

        await first.connect(place)
        await running.events.until("turn.completed", call_id=call_id)
        before = call_id
        await first.close()
        await running.events.until("call.peer_lost", call_id=call_id)
        await second.connect(place)
        assert call_id == before
        resumed = await running.events.until("call.peer_resumed", call_id=call_id)
        assert resumed.data["gap_ms"] < 3000
        await second.speak(loud(700))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        assert len(running.simulator.sessions) == 1
        greetings = [
            each
            for each in running.events.of(call_id, "transcript.final")
            if each.data["text"] == GREETING.text
        ]
        assert len(greetings) == 1
        await second.close()
        ended = await running.events.until("call.ended", call_id=call_id)
        assert ended.data["reason"] == "caller_hangup"


async def test_a_caller_who_leaves_while_it_rings_has_abandoned_and_frees_the_operator(house) -> None:  # type: ignore[no-untyped-def]
    async with house(mind=SCRIPT) as running, at_the_desk(running.url, SECRET, "sato") as (sato,):
        await sato.present()
        async with a_call(running) as (caller, call_id):
            await caller.speak(loud(700))
            await running.events.until("handoff.offered", call_id=call_id)
            async with running.http.delete(f"/v1/calls/{call_id}"):
                pass
            gone = await running.events.until("handoff.abandoned", call_id=call_id)
            assert (gone.data["stage"], gone.data["why"]) == ("offered", "caller_left")
            await running.events.until("call.ended", call_id=call_id)
        assert (await sato.presence())["state"] == "available"
        assert (await sato.presence())["handoff_id"] is None
        assert await sato.handoffs() == []


async def test_who_declines_is_not_asked_again_and_the_next_one_is(house) -> None:  # type: ignore[no-untyped-def]
    async with house(mind=SCRIPT) as running, at_the_desk(running.url, SECRET, "sato", "mori") as desk:
        sato, mori = desk
        await sato.present()
        await mori.present()
        async with a_call(running) as (caller, call_id):
            await caller.speak(loud(700))
            offered = await running.events.until("handoff.offered", call_id=call_id)
            asked = {"sato": sato, "mori": mori}[offered.data["operator"]]
            await asked.decline(offered.data["handoff_id"], "lunch")
            declined = await running.events.until("handoff.declined", call_id=call_id)
            assert declined.data["reason"] == "lunch"
            again = await running.events.until("handoff.offered", call_id=call_id, count=2)
            assert again.data["operator"] != asked.id
            with pytest.raises(Refused) as over:
                await asked.decline(offered.data["handoff_id"])
            assert over.value.code == "offer_over"


async def test_every_verb_of_the_desk_has_its_role(house) -> None:  # type: ignore[no-untyped-def]
    async with (
        house(mind=QUIET) as running,
        at_the_desk(running.url, SECRET, "embed", role="service") as (it,),
        a_call(running) as (_, call_id),
    ):
        for verb in (it.take_over, it.listen, it.barge, it.give_back):
            with pytest.raises(Refused) as refused:
                await verb(call_id)
            assert refused.value.status == 403
        with pytest.raises(Refused) as refused:
            await it.present()
        assert refused.value.status == 403
        assert await it.handoffs() == []
