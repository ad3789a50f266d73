"""The media server is killed while a person is asked for, comes, talks, holds, is lost: the record tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from realtime.simulator.script import Script
from tests.fakes.desk_client import OperatorClient, at_the_desk
from tests.fakes.eventually import eventually
from tests.scenarios.house import SECRET, House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.test_a_person_takes_the_call import ASK, GREETING
from tests.scenarios.voices import loud

# A new session for every call; the script begins anew with each.
SCRIPT = Script(hears=["a person please"], says=[GREETING, ASK, *[GREETING] * 8])


async def queued(house: House, sato: OperatorClient, call_id: str) -> None:
    await house.events.until("handoff.queued", call_id=call_id)


async def offered(house: House, sato: OperatorClient, call_id: str) -> None:
    await sato.present("available")
    await house.events.until("handoff.offered", call_id=call_id)


async def connecting(house: House, sato: OperatorClient, call_id: str) -> None:
    await offered(house, sato, call_id)
    (waiting,) = [each for each in await sato.handoffs() if each["call_id"] == call_id]
    await sato.accept(waiting["handoff_id"], mute=True)
    await house.events.until("handoff.accepted", call_id=call_id)


async def talking(house: House, sato: OperatorClient, call_id: str) -> None:
    await offered(house, sato, call_id)
    (waiting,) = [each for each in await sato.handoffs() if each["call_id"] == call_id]
    await sato.accept(waiting["handoff_id"])
    await house.events.until("handoff.connected", call_id=call_id)


async def holding(house: House, sato: OperatorClient, call_id: str) -> None:
    await talking(house, sato, call_id)
    await sato.hold(call_id, True)
    await house.events.until("handoff.held", call_id=call_id)


async def recovering(house: House, sato: OperatorClient, call_id: str) -> None:
    await talking(house, sato, call_id)
    assert sato.leg is not None
    sato.leg.muted = True
    await house.events.until("handoff.recovering", call_id=call_id)


STAGES: dict[str, Callable[[House, OperatorClient, str], Awaitable[None]]] = {
    "queued": queued,
    "offered": offered,
    "connecting": connecting,
    "human_active": talking,
    "on_hold": holding,
    "recovering": recovering,
}


async def test_at_every_stage_the_record_says_where_it_broke_off_and_nobody_stays_reserved(
    house, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    async with (
        house(mind=SCRIPT) as running,
        at_the_desk(running.url, SECRET, "sato", "mori") as (sato, mori),
    ):
        await mori.present("wrap_up")  # somebody is there, and not free
        calls: dict[str, str] = {}
        for stage, reach in STAGES.items():
            await sato.present("busy")
            caller, call_id = await running.call()
            calls[stage] = call_id
            try:
                await running.events.until("turn.completed", call_id=call_id)
                await asyncio.gather(caller.speak(loud(700)), reach(running, sato, call_id))
                await _kill_and_restart(running, tmp_path)
            finally:
                await caller.close()
            gone = await running.events.until("handoff.abandoned", call_id=call_id)
            assert (gone.data["stage"], gone.data["why"]) == (stage, "node_lost")
            ended = await running.events.until("call.ended", call_id=call_id)
            assert ended.data["reason"] == "node_lost"
            assert await sato.handoffs() == []
            await eventually(lambda: _free(sato))
            await mori.present("wrap_up")
        for stage, call_id in calls.items():
            rows = await rows_of(
                running.database_url,
                "SELECT state FROM handoffs WHERE call_id = $1 AND state = 'abandoned'",
                call_id,
                count=1,
            )
            assert len(rows) == 1, stage


async def _free(operator: OperatorClient) -> bool:
    return (await operator.presence())["handoff_id"] is None


async def _kill_and_restart(house: House, folder: Path) -> None:
    server = house.processes["serve"]
    server.kill()
    await server.wait()
    await house.start("serve", folder=folder)
    await house.ready()
