"""A person wants to be forgotten: what they said is found in every store before, and in none after."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import asyncpg

from realtime.simulator.script import FunctionCall, Reply, Script
from tests.fakes import every_store
from tests.fakes.call_story import stamped, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import count_events, rows
from tests.fakes.streams import put, waiting
from tests.scenarios.house import AGENT, ROOT, House, bearer
from tests.scenarios.voices import loud

OpenHouse = Callable[..., AbstractAsyncContextManager[House]]

PHRASE = "a purple walrus chewed my crown"
NAME = "Gwendolyn Quillfeather"
NUMBER = "+819012345678"
SPOKEN_NUMBER = "090-1234-5678"
CANARIES = (PHRASE, "Quillfeather", SPOKEN_NUMBER, NUMBER, "9012345678")
EVERYWHERE = {
    "events", "transcripts", "slots", "tool_calls", "dead_letters", "audit_log", "customers", "appointments",
}  # fmt: skip
HEARER = {"Authorization": bearer("operator")}

SCRIPT = Script(
    hears=[f"Hello, {PHRASE}, please call me back on {SPOKEN_NUMBER}."],
    says=[
        Reply(text="Hello, this is Harbour Dental.", audio_ms=400),
        FunctionCall("record_information", {"slot": "name", "value": NAME}),
        Reply(text=f"Thank you, {NAME}.", audio_ms=400),
    ],
)


def recording_agent(folder: Path) -> dict[str, str]:
    agents = folder / "agents"
    agents.mkdir()
    document = (ROOT / "deploy" / "agents" / f"{AGENT}.toml").read_text()
    (agents / f"{AGENT}.toml").write_text(f"{document}\n[recording]\nenabled = true\n")
    return {"CORDBOARD_AGENTS__PATH": str(agents), "CORDBOARD_LOG_LEVEL": "debug"}


async def the_call(running: House) -> str:
    """The person calls, says it all, and hangs up."""
    caller, call_id = await running.call()
    await running.events.until("turn.completed", call_id=call_id)
    await caller.speak(loud(600) + bytes(48_000))
    await running.events.until("slot.filled", call_id=call_id)
    await running.events.until("turn.completed", call_id=call_id, count=2)
    async with running.http.delete(f"/v1/calls/{call_id}") as response:
        assert response.status == 200
    await running.events.until("call.ended", call_id=call_id)
    await caller.close()
    return call_id


async def status_of(running: House, path: str) -> int:
    async with running.http.get(path, headers=HEARER) as response:
        return response.status


async def hits(running: House) -> list[str]:
    async with running.http.get("/v1/search", params={"q": "walrus"}, headers=HEARER) as response:
        assert response.status == 200, await response.text()
        return [hit["call_id"] for hit in (await response.json())["items"]]


async def erase(running: House, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """`cordboard db erase …`: (exit code, what it said, what it said on the side)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", "db", "erase", *arguments,
        cwd=folder, env=running.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, aside = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), aside.decode()


async def what_else_there_is(database_url: str, call_id: str) -> None:
    """The person as a customer with an appointment, an event that could not be stored, a refused look-up."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO customers (phone, name) VALUES ($1, $2), ('+12065550199', 'Ann')", NUMBER, NAME
        )
        await connection.execute(
            "INSERT INTO appointments (starts_at, ends_at, name, customer_id, idempotency_key)"
            " SELECT now(), now() + interval '30 min', name, id, name FROM customers WHERE phone = $1",
            NUMBER,
        )
        await connection.execute(
            "INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ('s', '1-0', 'bad', $1)",
            f'{{"v":99,"call_id":"{call_id}","data":"{PHRASE}"}}'.encode(),
        )
        await connection.execute(
            "INSERT INTO audit_log (tenant, actor, action, subject, data)"
            " VALUES ('default', $1, 'tool.refused', $2, '{\"code\": \"not_verified\"}')",
            f"call:{call_id}",
            NUMBER,
        )
    finally:
        await connection.close()


@contextmanager
def standing_still(process: asyncio.subprocess.Process) -> Iterator[None]:
    """A process that is there and does nothing."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def files_of(folder: Path, call_id: str) -> list[str]:
    """Files that are named for a call."""
    return [path.name for path in folder.rglob(f"{call_id}*") if path.is_file()]


async def test_what_a_person_said_is_found_in_every_store_before_and_in_none_after(
    house: OpenHouse, tmp_path: Path
) -> None:
    async with house(mind=SCRIPT, settings=recording_agent(tmp_path)) as running:
        # One call is on record; another is still on its way, because the worker stands still.
        stored = await the_call(running)
        others = stamped(whole_call())
        await put(running.redis_url, others)
        await eventually(lambda: hits(running))
        await eventually(lambda: status_of_is(running, f"/v1/calls/{stored}/recording", 200))
        assert files_of(tmp_path, stored)
        await what_else_there_is(running.database_url, stored)

        async def nowhere(*call_ids: str) -> None:
            after = await every_store.postgres(running.database_url)
            assert every_store.where(after, *CANARIES) == set()
            assert every_store.where(await every_store.redis_keys(running.redis_url), *CANARIES) == set()
            assert every_store.where(every_store.files(tmp_path, "*.sqlite*"), *CANARIES) == set()
            assert [name for call_id in call_ids for name in files_of(tmp_path, call_id)] == []
            assert await hits(running) == []
            for call_id in call_ids:
                for part in ("", "/transcript", "/events", "/metrics"):
                    assert await status_of(running, f"/v1/calls/{call_id}{part}") == 404
                assert await status_of(running, f"/v1/calls/{call_id}/recording") in (404, 410)

        with standing_still(running.processes["worker"]):
            on_its_way = await the_call(running)

            before = await every_store.postgres(running.database_url)
            assert every_store.where(before, *CANARIES) >= EVERYWHERE
            assert stored.encode() in before["call_sessions"]
            assert every_store.where(await every_store.redis_keys(running.redis_url), PHRASE)
            outbox = every_store.files(tmp_path, "*.sqlite*")
            assert every_store.where(outbox, PHRASE)
            assert await hits(running) == [stored]
            assert await status_of(running, f"/v1/calls/{on_its_way}/transcript") == 200

            # Looking changes nothing.
            code, said, _ = await erase(running, tmp_path, "--number", NUMBER, "--customer", "--json")
            looked = json.loads(said)
            assert (code, looked["erased"]) == (0, False)
            assert looked["calls"] == sorted([stored, on_its_way])
            assert looked["servers"] == {"listening": 1, "answered": [looked["servers"]["answered"][0]]}
            assert looked["counts"]["outboxes"] > 0
            assert looked["counts"]["redis streams"] > 0
            assert await every_store.postgres(running.database_url) == before

            code, said, aside = await erase(
                running, tmp_path, "--number", NUMBER, "--customer", "--yes", "--json"
            )
            assert code == 0, (said, aside)
            done = json.loads(said)
            assert (done["erased"], done["left"]) == (True, [])
            assert done["counts"]["recordings"] >= 1

            await nowhere(stored, on_its_way)

        # The worker had been given some of it before it stood still; and somebody sends it all again.
        sent_again = [each for each in running.events.of(on_its_way) if each.seq is not None]
        await put(running.redis_url, sent_again)
        await eventually(lambda: nothing_waits(running.redis_url))
        await nowhere(stored, on_its_way)

        # Everybody else is as before, and it stands on record that it was done.
        assert await count_events(running.database_url) == sum(each.seq is not None for each in others)
        assert await rows(running.database_url, "SELECT name FROM customers") == [("Ann",)]
        ((action, subject, calls),) = await rows(
            running.database_url,
            "SELECT action, subject, (data->>'calls')::int FROM audit_log WHERE action = 'calls.erased'",
        )
        assert (action, calls) == ("calls.erased", 2)
        assert str(subject).startswith("number:")
        figures = await rows(running.database_url, "SELECT call_id::text, data::text FROM call_metrics")
        assert (stored, "{}") in figures
        logs = {name: path.read_bytes() for name, path in running.logs.items()}
        assert b"call.ended" in logs["serve"]

    # Nobody wrote into a log what was said, at the most talkative level, all along.
    logs = {name: path.read_bytes() for name, path in running.logs.items()} | {
        "erase": (said + aside).encode()
    }
    assert every_store.where(logs, *CANARIES) == set()


async def status_of_is(running: House, path: str, status: int) -> bool:
    return await status_of(running, path) == status


async def nothing_waits(redis_url: str) -> bool:
    return await waiting(redis_url) == 0
