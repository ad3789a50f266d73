"""Redis and Postgres go in the middle of a conversation: it goes on, and the record is whole afterwards.

How little of it a caller hears is measured by tests/benchmarks/audio_in_an_outage.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from realtime.simulator.script import Reply, Script
from tests.conftest import TEMPLATE
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import INCOMPLETE, rows
from tests.fakes.servers import RedisServer
from tests.faults.breakable import BreakablePostgres
from tests.scenarios.house import House, open_house
from tests.scenarios.voices import loud

SCRIPT = Script(
    hears=["is there parking", "and is it free"],
    says=[
        Reply(text="Harbour Dental, good morning.", audio_ms=600),
        Reply(text="There is, behind the house.", audio_ms=600),
        Reply(text="It is free for our patients.", audio_ms=600),
    ],
)


async def transcript(house: House, call_id: str) -> list[str]:
    """What was said, as the server that has the call knows it."""
    async with house.http.get(f"/v1/calls/{call_id}/transcript") as response:
        assert response.status == 200, await response.text()
        items: list[dict[str, Any]] = (await response.json())["items"]
    return [item["text"] for item in items]


async def test_a_conversation_goes_on_while_both_are_away_and_is_on_record_when_they_are_back(
    redis_server: RedisServer, faults_postgres: BreakablePostgres, tmp_path: Path
) -> None:
    faults_postgres.start()
    database_url = faults_postgres.fresh_database(TEMPLATE)
    async with open_house(
        redis_url=redis_server.url, database_url=database_url, folder=tmp_path, mind=SCRIPT
    ) as house:
        caller, call_id = await house.call()
        await house.events.until("turn.completed", call_id=call_id)
        redis_server.kill()
        faults_postgres.kill_all()

        await caller.speak(loud(600))

        async def has_answered(count: int) -> bool:
            return len(await transcript(house, call_id)) >= count

        await eventually(lambda: has_answered(3))
        redis_server.start()
        faults_postgres.start()
        await caller.speak(loud(600))
        await eventually(lambda: has_answered(5))
        said = await transcript(house, call_id)
        async with house.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        await caller.close()

        stored = f"SELECT text FROM transcripts WHERE call_id = '{call_id}' ORDER BY position"
        ended = f"SELECT 1 FROM call_sessions WHERE call_id = '{call_id}' AND state = 'ended'"
        await eventually(lambda: rows(database_url, ended), within=30)
        assert [text for (text,) in await rows(database_url, stored)] == said
        assert await rows(database_url, INCOMPLETE) == []

    assert said == [
        "Harbour Dental, good morning.",
        "is there parking",
        "There is, behind the house.",
        "and is it free",
        "It is free for our patients.",
    ]
