"""kill -9 of the server in the middle of a call: the next one finishes the story; and a server that cannot keep
what is said takes nobody new."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg

from realtime.simulator.script import Reply, Script
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer
from tests.scenarios.house import House, open_house

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

SCRIPT = Script(says=[Reply(text="Hello.", audio_ms=400)], loop=True)


async def test_the_next_server_ends_the_call_before_anything_else_without_redis_and_the_record_has_no_gap(
    redis_server: RedisServer, database_url: str, tmp_path: Path
) -> None:
    async with open_house(
        redis_url=redis_server.url, database_url=database_url, folder=tmp_path, mind=SCRIPT
    ) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        seen = running.events.of(call_id)[-1].seq
        running.processes["serve"].kill()
        await running.processes["serve"].wait()
        redis_server.stop()

        await running.start("serve", folder=tmp_path)
        await eventually(lambda: running.logs["serve"].read_text().count("doors.open") == 2, within=40)
        # The story is finished before anybody can call; how many seconds that takes depends on the machine.
        between_the_doors = running.logs["serve"].read_text().split("doors.open")[1]
        redis_server.start()
        await caller.close()

        connection = await asyncpg.connect(database_url)
        row = await eventually(
            lambda: connection.fetchrow(
                "SELECT state, end_reason, last_seq FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
                call_id,
            ),
            within=20,
        )
        seqs = await connection.fetch("SELECT seq FROM events WHERE call_id = $1 ORDER BY seq", call_id)
        await connection.close()
        await running.ready()

    assert f"call.ended call_id={call_id} reason=node_lost" in between_the_doors
    assert row["end_reason"] == "node_lost"
    assert [each["seq"] for each in seqs] == list(range(row["last_seq"] + 1))
    assert seen is not None
    assert row["last_seq"] > seen


async def test_a_server_whose_outbox_is_full_says_so_and_takes_nobody_new_until_there_is_room(
    house: HouseMaker, tmp_path: Path
) -> None:
    async with house(mind=SCRIPT, worker=False, settings={"CORDBOARD_OUTBOX__MAX_AGE_S": "1"}) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)

        async def readyz() -> tuple[int, str]:
            async with running.http.get("/readyz") as response:
                return response.status, await response.text()

        async def full() -> bool:
            return (await readyz())[0] == 503

        await eventually(full)
        _, said = await readyz()
        async with running.http.post(
            "/v1/calls?agent=dental-reception", data="v=0", headers={"Content-Type": "application/sdp"}
        ) as response:
            problem = await response.json()
            refusal = (response.status, problem["code"], int(response.headers["Retry-After"]) > 0)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()
        await running.start("worker", folder=tmp_path)

        async def ready() -> bool:
            return (await readyz())[0] == 200

        await eventually(ready, within=30)

    assert "outbox" in said
    assert "storage worker" in said
    assert refusal == (503, "record_full", True)
