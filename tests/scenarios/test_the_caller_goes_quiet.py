"""Nothing comes from the caller's side any more: a dead network, not a silent person."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from realtime.simulator.script import Reply, Script
from tests.scenarios.house import House
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

# Seconds instead of tens of them; what follows what is the same.
QUICK = {"CORDBOARD_MEDIA__LOST_AFTER_S": "0.6", "CORDBOARD_MEDIA__GONE_AFTER_S": "2.5"}
SCRIPT = Script(
    says=[Reply(text="Hello, this is Harbour Dental.", audio_ms=600), Reply(text="Yes?", audio_ms=400)]
)


async def test_the_agent_waits_goes_on_when_the_caller_is_back_and_hangs_up_on_nobody(
    house: HouseMaker,
) -> None:
    async with house(mind=SCRIPT, settings=QUICK, worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)

        caller.muted = True
        lost = await running.events.until("call.peer_lost", call_id=call_id)
        caller.muted = False
        resumed = await running.events.until("call.peer_resumed", call_id=call_id)
        await caller.speak(loud(600))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        caller.muted = True
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        assert lost.data["silent_ms"] >= 600
        assert resumed.data["gap_ms"] >= lost.data["silent_ms"]
        assert ended.data["reason"] == "peer_lost"
