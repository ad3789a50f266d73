"""What a caller lives through while the agent's tools are slow, hang, are abused, or end the call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from media.rtc.caller import Caller
from realtime.simulator import tone
from realtime.simulator.script import Asked, FunctionCall, Reply, Script, Together
from realtime.simulator.session import SimulatedSession
from storage.postgres.demo_practice import seed_demo
from tests.fakes.desk_client import at_the_desk
from tests.scenarios.house import SECRET, House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

GREETING = Reply(text="Hello.", audio_ms=300, tone_hz=440)
OWN, FOREIGN = "+12065550123", "+12065550142"  # John Smith, Mary Johnson
SEATTLE = ZoneInfo("America/Los_Angeles")
DESK = """
id = "desk"
name = "Robin"
tools = ["find_file", "ask_the_oracle", "write_to_head_office", "get_customer_info",
         "request_operator_handoff", "end_call"]
"""


@pytest.fixture
def desk(house: HouseMaker, tmp_path: Path) -> HouseMaker:
    """A house whose agent has every tool of this file and no goals."""
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "desk.toml").write_text(DESK)
    settings = {
        "CORDBOARD_AGENTS__PATH": str(agents),
        "CORDBOARD_TOOLS__MODULES": "tests.fakes.slow_tools",
    }
    return lambda mind: house(mind=mind, settings=settings)


async def spoken_to(running: House) -> tuple[Caller, str, SimulatedSession]:
    """A call in which the greeting was heard and the caller has said something."""
    caller, call_id = await running.call(agent="desk")
    await running.events.until("turn.completed", call_id=call_id)
    await caller.speak(loud(600))
    return caller, call_id, await running.simulator.session()


def tones(caller: Caller) -> list[int]:
    """What was heard, as the tones of the replies in their order, each once."""
    heard = (tone.dominant_hz(np.frombuffer(pcm, "<i2")) for _, pcm in caller.received)
    rounded = [round(hz / 20) * 20 for hz in heard if hz is not None]
    return [hz for hz, frames in groupby(rounded) if len(list(frames)) >= 5]


def outputs(session: SimulatedSession) -> list[str]:
    items = [e["item"] for e in session.client_events if e["type"] == "conversation.item.create"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def responses_asked_for(session: SimulatedSession) -> int:
    return sum(event["type"] == "response.create" for event in session.client_events)


async def test_a_slow_tool_is_bridged_with_words_and_its_result_is_told_once(desk: HouseMaker) -> None:
    script = Script(
        says=[
            GREETING,
            FunctionCall("find_file"),
            Reply(text="One moment, please, I am still looking.", audio_ms=700, tone_hz=800),
            Reply(text="I have found it.", audio_ms=600, tone_hz=1200),
        ]
    )
    async with desk(script) as running:
        caller, call_id, session = await spoken_to(running)
        called = await running.events.until("tool.called", call_id=call_id)
        said = await running.events.until("transcript.final", call_id=call_id, count=3)
        finished = await running.events.until("tool.finished", call_id=call_id)
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert tones(caller) == [440, 800, 1200]
        assert said.data["text"] == "One moment, please, I am still looking."
        assert called.seq is not None
        assert said.seq is not None
        assert finished.seq is not None
        assert called.seq < said.seq < finished.seq
        began = datetime.fromisoformat(said.data["started_at"]) - datetime.fromisoformat(called.at)
        assert 2.0 <= began.total_seconds() < 3.0
        assert outputs(session) == ["found"]
        assert responses_asked_for(session) == 3  # greeting, bridge, result


async def test_a_tool_that_hangs_is_given_up_in_words_and_does_not_keep_the_call(desk: HouseMaker) -> None:
    script = Script(
        says=[
            GREETING,
            FunctionCall("ask_the_oracle"),
            Reply(text="I could not find out.", audio_ms=500, tone_hz=800),
            FunctionCall("write_to_head_office"),
        ]
    )
    async with desk(script) as running:
        caller, call_id, session = await spoken_to(running)
        gave_up = await running.events.until("tool.finished", call_id=call_id)
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await caller.speak(loud(600))
        await running.events.until("tool.called", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        cut = await running.events.until("tool.finished", call_id=call_id, count=2)
        ended = await running.events.until("call.ended", call_id=call_id, within_s=3)
        await caller.close()

        assert (gave_up.data["error"], gave_up.data["ok"]) == ("timeout", False)
        assert 1000 <= gave_up.data["duration_ms"] < 2000
        assert json.loads(outputs(session)[0])["message"].startswith("It did not answer in time.")
        assert tones(caller) == [440, 800]
        assert (cut.data["name"], cut.data["error"]) == ("write_to_head_office", "call_ended")
        assert ended.data["reason"] == "caller_hangup"


async def test_a_model_that_was_talked_into_prying_gets_no_strangers_row_and_each_try_is_on_record(
    desk: HouseMaker, database_url: str
) -> None:
    await seed_demo(database_url, today=datetime.now(SEATTLE).date(), zone=SEATTLE)
    script = Script(
        says=[
            GREETING,
            Together(
                FunctionCall("get_customer_info", {"phone_number": FOREIGN}),
                FunctionCall("get_customer_info", {"phone_number": OWN, "caller_number": FOREIGN}),
                FunctionCall("get_customer_info", {"phone_number": f"{FOREIGN} OR 1=1"}),
                FunctionCall("read_all_customers", {"limit": 1000}),
                FunctionCall("get_customer_info", {"phone_number": "(206) 555-0123"}),
            ),
            lambda asked: Reply(text=str(asked.last_output), audio_ms=500, tone_hz=800),
        ]
    )
    async with desk(script) as running:
        caller, call_id = await call_from(running, OWN)
        session = await running.simulator.session()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(loud(600))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        told = [json.loads(output) for output in outputs(session)]
        assert [each["name"] for each in told if each.get("found")] == ["John Smith"]
        assert all(each["message"] for each in told if not each.get("found"))
        assert responses_asked_for(session) == 2  # the greeting, and one for all five
        kept = [json.dumps(event.data) for event in running.events.of(call_id)]
        assert not any("Mary" in text or "Johnson" in text for text in [*outputs(session), *kept])
        refused = await rows_of(
            database_url,
            "SELECT subject, data->>'code' AS code FROM audit_log WHERE actor = $1",
            f"call:{call_id}",
            count=3,
        )
        assert {(row["code"], row["subject"]) for row in refused} >= {
            ("not_verified", FOREIGN),
            ("unknown_arguments", "caller_number"),
            ("unknown_tool", "read_all_customers"),
        }


async def call_from(running: House, number: str) -> tuple[Caller, str]:
    """A call with a ticket that vouches for the caller's number."""
    async with running.http.post("/v1/tickets", json={"agent": "desk", "caller_number": number}) as response:
        ticket = (await response.json())["ticket"]
    caller, call_id = Caller(), ""

    async def post(offer: str) -> str:
        nonlocal call_id
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {ticket}"}
        async with running.http.post("/v1/calls?agent=desk", data=offer, headers=headers) as response:
            assert response.status == 201, await response.text()
            call_id = response.headers["Location"].rsplit("/", 1)[1]
            return await response.text()

    await caller.connect(post)
    return caller, call_id


GOODBYE_MS = 1900  # less than the sweep's period: each piece of it is heard at one place only
GOODBYE = Reply(text="Goodbye, and have a very nice day.", audio_ms=GOODBYE_MS)
HANGS_UP = FunctionCall("end_call", {"reason": "the caller said goodbye"})


@pytest.mark.parametrize(
    "says", [[Together(GOODBYE, HANGS_UP)], [HANGS_UP, GOODBYE]], ids=["with the call", "after it"]
)
async def test_the_goodbye_is_heard_to_its_last_syllable(desk: HouseMaker, says: list[Any]) -> None:
    async with desk(Script(says=[GREETING, *says])) as running:
        caller, call_id, _ = await spoken_to(running)
        ended = await running.events.until("call.ended", call_id=call_id)
        async with asyncio.timeout(5):
            await caller.closed.wait()
        final = running.events.of(call_id, "transcript.final")[-1]
        await caller.close()

        places = [tone.position_ms(np.frombuffer(pcm, "<i2")) for _, pcm in caller.received]
        goodbye = [place for place in places if place is not None]
        # A packet tells the place of its middle; the codec blurs the first and the last.
        assert min(goodbye) <= 40
        assert max(goodbye) >= GOODBYE_MS - 40
        assert abs(len(goodbye) * 20 - GOODBYE_MS) <= 60
        assert ended.data["reason"] == "agent_hangup"
        assert (final.data["heard_text"], final.data["interrupted"]) == (GOODBYE.text, False)


async def test_a_person_is_asked_for_and_the_agent_goes_on_helping(desk: HouseMaker) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(text=f"told: {asked.last_output}", audio_ms=400, tone_hz=800)

    wanted = {"reason": "a refund", "summary": "Wants the money back."}
    script = Script(
        says=[
            GREETING,
            FunctionCall("request_operator_handoff", wanted),
            answer,
            Reply(text="Yes?", audio_ms=300),
        ]
    )
    async with desk(script) as running, at_the_desk(running.url, SECRET, "sato") as (sato,):
        await sato.present("wrap_up")  # somebody will come, in a while
        caller, call_id, _ = await spoken_to(running)
        requested = await running.events.until("handoff.requested", call_id=call_id)
        await running.events.until("turn.completed", call_id=call_id, count=2)
        await caller.speak(loud(600))
        await running.events.until("turn.completed", call_id=call_id, count=3)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert (requested.data["method"], requested.data["reason"]) == ("ai", "a refund")
        texts = [each.data["text"] for each in running.events.of(call_id, "transcript.final")]
        assert any("go on helping until one joins" in text for text in texts)
        assert texts[-1] == "Yes?"
