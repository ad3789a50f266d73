"""Two media servers, one console: it shows the calls of both, whichever server it is connected to."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from realtime.simulator.script import Reply, Script
from tests.fakes.eventually import eventually
from tests.fakes.servers import free_port
from tests.scenarios.house import House, bearer, open_house
from tests.scenarios.voices import loud

SCRIPT = Script(
    hears=["I need an appointment"],
    says=[Reply(text="Hello, this is Harbour Dental.", audio_ms=400), Reply(text="Of course.", audio_ms=400)],
)


@asynccontextmanager
async def second_server(running: House, folder):
    """A further `serve` on the same Redis and Postgres; gives a client of its doors."""
    port = free_port()
    environment = running.environment | {
        "CORDBOARD_HTTP_PORT": str(port),
        "CORDBOARD_SERVER__NODE": "second",
        "CORDBOARD_OUTBOX__PATH": str(folder / "second.outbox"),
    }
    running.logs["second"] = folder / "second.log"
    with running.logs["second"].open("ab") as log:
        running.processes["second"] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling", "serve", cwd=folder, env=environment, stdout=log, stderr=log
        )
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", headers={"Authorization": bearer("operator")}
    ) as http:
        async with asyncio.timeout(30):
            while True:
                try:
                    async with http.get("/readyz") as response:
                        if response.status == 200:
                            break
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.05)  # a process that is starting cannot tell anybody
        yield http


async def until(console: aiohttp.ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    """All messages up to the first of this type."""
    seen = []
    async with asyncio.timeout(15):
        while not seen or seen[-1]["type"] != kind:
            seen.append(await console.receive_json())
    return seen


async def test_a_console_sees_the_calls_of_the_other_server_through_an_outage_of_redis(
    redis_server, database_url, tmp_path
) -> None:
    async with (
        open_house(
            redis_url=redis_server.url, database_url=database_url, folder=tmp_path, mind=SCRIPT
        ) as running,
        second_server(running, tmp_path) as second,
        second.ws_connect("/v1/events") as console,
    ):
        (empty,) = await until(console, "snapshot")
        caller, call_id = await running.call()
        told = await until(console, "turn.completed")
        assert empty["data"]["calls"] == []
        numbered = [each["seq"] for each in told if "seq" in each]
        assert numbered == list(range(len(numbered)))
        assert {each["call_id"] for each in told} == {call_id}

        async with second.ws_connect("/v1/events") as late:
            (snapshot,) = await until(late, "snapshot")
        (view,) = snapshot["data"]["calls"]
        assert (view["id"], view["state"], view["agent"]) == (call_id, "ai", "dental-reception")
        assert snapshot["data"]["last_seq"][call_id] >= numbered[-1]

        redis_server.kill()
        await caller.speak(loud(600))
        async with running.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        await caller.close()
        redis_server.start()
        back_at = asyncio.get_running_loop().time()
        again = await until(console, "snapshot")
        print(f"snapshot {asyncio.get_running_loop().time() - back_at:.2f} s after Redis' return")

        # What was said meanwhile comes over Redis or by the gap fetch; together it is the whole call.
        async def whole() -> list[dict[str, Any]]:
            async with second.get(f"/v1/calls/{call_id}/events") as response:
                items = list((await response.json()).get("items", []))
                return items if items and items[-1]["type"] == "call.ended" else []

        events = await eventually(whole, within=20)  # asking is how a client fills a gap
        assert [each["seq"] for each in events] == list(range(len(events)))
        assert events[-1]["data"]["last_seq"] == events[-1]["seq"]
        assert again[-1]["type"] == "snapshot"
