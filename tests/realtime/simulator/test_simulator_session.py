"""What a session lets a test see and do: its configurations, a mind of its own, a fault of its own."""

from contextlib import AsyncExitStack

from websockets.asyncio.client import connect

from realtime.simulator.script import AT_ONCE, Reply, Script
from realtime.simulator.server import Simulator
from tests.fakes.realtime_caller import Caller, calling


async def test_each_update_is_kept_with_what_is_in_force_after_it(quick: Simulator) -> None:
    async with calling(quick.url) as caller:
        await caller.update(instructions="Be brief.")
        await caller.update(audio={"input": {"turn_detection": None}})
        await caller.update(max_output_tokens=0)  # refused: changes nothing
        await caller.update(instructions="Be kind.")
    first, second, third = quick.sessions[0].configurations

    assert [each.in_force["instructions"] for each in (first, second, third)] == [
        "Be brief.",
        "Be brief.",
        "Be kind.",
    ]
    assert "instructions" not in second.sent
    assert first.in_force["audio"]["input"]["turn_detection"] is not None
    assert second.in_force["audio"]["input"]["turn_detection"] is None


async def test_sessions_of_a_named_model_have_a_mind_of_their_own() -> None:
    default, other = (Script(says=[Reply(text=words)], pace=AT_ONCE) for words in ("default", "other"))
    async with Simulator(mind=default, minds={"special": other}) as simulator, AsyncExitStack() as stack:
        said = {}
        for model in ("gpt-realtime-2.1", "special"):
            url = f"{simulator.url}/realtime?model={model}"
            headers = {"Authorization": "Bearer x"}
            socket = await stack.enter_async_context(connect(url, additional_headers=headers, proxy=None))
            caller = Caller(socket)
            await caller.send("response.create")
            done = await caller.next("response.output_audio_transcript.done")
            said[model] = done["transcript"]

    assert said == {"gpt-realtime-2.1": "default", "special": "other"}


async def test_a_fault_can_strike_one_session_and_spare_the_others(quick: Simulator) -> None:
    async with calling(quick.url) as spared, calling(quick.url) as struck:
        await quick.sessions[1].strike("drop_1011")

        assert await struck.closed() == 1011
        await spared.update(instructions="x")

    assert not quick.faults.waiting
