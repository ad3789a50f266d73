"""What a caller and an operator are told when something that a call needs is not there."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from realtime.simulator.script import Reply, Script
from tests.fakes.servers import PostgresServer, RedisServer, free_port
from tests.scenarios.house import House, open_house
from tests.scenarios.test_a_call_end_to_end import rows_of

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]
SCRIPT = Script(says=[Reply(text="Hello.", audio_ms=400)])
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


async def refused(
    house: House, body: str | bytes, *, agent: str = "dental-reception"
) -> tuple[int, dict[str, Any]]:
    async with house.http.post(
        f"/v1/calls?agent={agent}", data=body, headers={"Content-Type": "application/sdp"}
    ) as response:
        assert response.content_type == "application/problem+json", await response.text()
        return response.status, json.loads(await response.read())


async def test_offers_that_cannot_become_a_call_are_told_why_and_the_next_call_works(
    house: HouseMaker,
) -> None:
    video = OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
    async with house(mind=SCRIPT, worker=False) as running:
        answers = {
            "nothing": await refused(running, b""),
            "not SDP": await refused(running, b"hello"),
            "1 MB": await refused(running, b"v=0\r\n" + b"a=x\r\n" * 200_000),
            "video only": await refused(running, video),
            "unknown agent": await refused(running, OFFER, agent="nobody"),
        }
        caller, _ = await running.call()
        await caller.close()

    codes = {what: (status, problem["code"]) for what, (status, problem) in answers.items()}
    assert codes == {
        "nothing": (400, "no_sdp"),
        "not SDP": (400, "not_sdp"),
        "1 MB": (413, "too_large"),
        "video only": (422, "no_audio"),
        "unknown agent": (404, "unknown_agent"),
    }


async def test_a_model_that_cannot_be_reached_is_503_with_the_remedy_and_the_call_is_on_record(
    house: HouseMaker,
) -> None:
    async with house(mind=SCRIPT) as running:
        caller = _caller_offer()
        offer = await caller.__anext__()
        running.simulator.faults.next("refuse_500")

        status, problem = await refused(running, offer)

        assert (status, problem["code"]) == (503, "model_unreachable")
        assert problem["fix"]
        assert problem["retry_after_s"] > 0
        (row,) = await rows_of(
            running.database_url, "SELECT end_reason FROM call_sessions WHERE state = 'ended'", count=1
        )
        assert row["end_reason"] == "provider_failed"
        await caller.aclose()


async def test_a_wrong_key_names_the_setting_and_makes_the_server_not_ready(house: HouseMaker) -> None:
    async with house(mind=SCRIPT, worker=False) as running:
        caller = _caller_offer()
        offer = await caller.__anext__()
        running.simulator.faults.next("refuse_401")

        status, problem = await refused(running, offer)

        assert status == 503
        assert "OPENAI_API_KEY" in problem["fix"]
        async with running.http.get("/readyz") as response:
            assert response.status == 503
        await caller.aclose()


async def _caller_offer():  # type: ignore[no-untyped-def]
    """A real browser-like offer, without a call."""
    from aiortc import RTCConfiguration, RTCPeerConnection

    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio")
    await connection.setLocalDescription(await connection.createOffer())
    try:
        yield connection.localDescription.sdp
    finally:
        await connection.close()


async def test_a_call_is_answered_while_redis_is_away_and_its_events_come_when_it_is_back(
    redis_server: RedisServer, database_url: str, tmp_path: Path
) -> None:
    async with open_house(
        redis_url=redis_server.url, database_url=database_url, folder=tmp_path, mind=SCRIPT
    ) as running:
        redis_server.stop()
        caller, call_id = await running.call()
        async with running.http.get("/readyz") as response:
            assert response.status == 200
        async with running.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        await caller.close()
        redis_server.start()

        (row,) = await rows_of(
            running.database_url,
            "SELECT last_seq FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        stored = await rows_of(
            running.database_url,
            "SELECT seq FROM events WHERE call_id = $1 ORDER BY seq",
            call_id,
            count=row["last_seq"] + 1,
        )
        assert [each["seq"] for each in stored] == list(range(row["last_seq"] + 1))


async def test_a_server_that_starts_without_redis_answers_and_catches_up(
    redis_server: RedisServer, database_url: str, tmp_path: Path
) -> None:
    redis_server.stop()
    async with open_house(
        redis_url=redis_server.url,
        database_url=database_url,
        folder=tmp_path,
        mind=SCRIPT,
        redis_is_up=False,
    ) as running:
        caller, call_id = await running.call()
        async with running.http.get("/readyz") as response:
            assert (await response.json())["degraded"] == ["redis"]
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()
        redis_server.start()

        await rows_of(
            running.database_url,
            "SELECT 1 FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        for log in running.logs.values():
            assert "Traceback" not in log.read_text()


async def test_a_call_is_answered_while_postgres_is_away_and_its_rows_come_when_it_is_back(
    redis_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    from tests.conftest import TEMPLATE

    database_url = postgres_server.fresh_database(TEMPLATE)
    postgres_server.stop()
    async with open_house(
        redis_url=redis_url, database_url=database_url, folder=tmp_path, mind=SCRIPT
    ) as running:
        caller, call_id = await running.call()
        await running.events.until("call.answered", call_id=call_id)
        async with running.http.get("/v1/calls/00000000-0000-7000-8000-000000000000") as response:
            assert response.status == 503
        await running.http.delete(f"/v1/calls/{call_id}")
        await caller.close()
        postgres_server.start()

        await rows_of(
            running.database_url,
            "SELECT 1 FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        for log in running.logs.values():
            assert "Traceback" not in log.read_text()


async def run(*arguments: str, folder: Path, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", *arguments,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CORDBOARD_SERVR__PORT": "1"}, "did you mean"),
        ({"CORDBOARD_AUTH__SECRET": "x" * 32}, "OPENAI_API_KEY"),
        ({"OPENAI_API_KEY": "sk-test"}, "CORDBOARD_AUTH__SECRET"),
        (
            {"OPENAI_API_KEY": "sk-test", "CORDBOARD_AUTH__SECRET": "x" * 32},
            "REDIS_URL",
        ),
    ],
)
async def test_a_server_that_cannot_start_says_so_in_a_line(
    environment: dict[str, str], says: str, tmp_path: Path
) -> None:
    settings = {"CORDBOARD_AGENTS__PATH": str(Path(__file__).parents[2] / "deploy" / "agents")}
    code, output = await run("serve", folder=tmp_path, **settings, **environment)

    assert code != 0
    assert says in output
    assert "Traceback" not in output
    assert "sk-test" not in output


async def test_a_busy_port_is_named_with_the_way_out(house: HouseMaker, tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code, output = await run(
            "serve",
            folder=tmp_path,
            CORDBOARD_HTTP_PORT=str(port),
            CORDBOARD_AUTH__SECRET="x" * 32,
            OPENAI_API_KEY="sk-test",
            REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
            DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/none",
            CORDBOARD_AGENTS__PATH=str(Path(__file__).parents[2] / "deploy" / "agents"),
        )

    assert code != 0
    assert str(port) in output
    assert "CORDBOARD_HTTP_PORT" in output
    assert "Traceback" not in output
