"""A caller talks to the scripted agent: what is said, what is done, what is on record."""

from __future__ import annotations

import asyncio

import asyncpg

from realtime.simulator.script import FunctionCall, Reply, Script
from tests.scenarios.voices import loud

GREETING = Reply(text="Hello, this is Harbour Dental.", audio_ms=800)


async def rows_of(database_url: str, query: str, *values: object, count: int) -> list[asyncpg.Record]:
    """`count` rows, as soon as the worker has written them."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(10):
            while len(rows := await connection.fetch(query, *values)) < count:  # noqa: ASYNC110
                # Another process writes and tells nobody but Redis: asking again is all there is.
                await asyncio.sleep(0.02)
        return list(rows)
    finally:
        await connection.close()


async def test_a_call_is_answered_heard_and_on_record(house) -> None:  # type: ignore[no-untyped-def]
    script = Script(
        hears=["I need an appointment, my name is Ann Lee"],
        says=[
            GREETING,
            FunctionCall("schedule_appointment", {"name": "Ann Lee", "date": "2031-11-26", "time": "15:00"}),
            Reply(text="You are booked for Wednesday at three.", audio_ms=900),
        ],
    )
    async with house(mind=script) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(loud(800))
        await running.events.until("turn.completed", call_id=call_id, count=2)
        async with running.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()

        events = running.events.of(call_id)
        assert [each.seq for each in events] == list(range(len(events)))
        assert events[0].type == "call.started"
        assert events[-1].data["last_seq"] == events[-1].seq
        assert ended.data["reason"] == "caller_hangup"

        stored = await rows_of(
            running.database_url,
            "SELECT seq, type FROM events WHERE call_id = $1 ORDER BY seq",
            call_id,
            count=len(events),
        )
        assert [(row["seq"], row["type"]) for row in stored] == [(each.seq, each.type) for each in events]
        transcript = await rows_of(
            running.database_url,
            "SELECT speaker, text, heard_text FROM transcripts WHERE call_id = $1 ORDER BY position",
            call_id,
            count=3,
        )
        assert [row["speaker"] for row in transcript] == ["agent", "caller", "agent"]
        assert transcript[1]["text"] == "I need an appointment, my name is Ann Lee"
        assert all(row["text"] == row["heard_text"] for row in transcript)
        (booked,) = await rows_of(
            running.database_url, "SELECT name FROM appointments WHERE call_id = $1", call_id, count=1
        )
        assert booked["name"] == "Ann Lee"
        (called,) = await rows_of(
            running.database_url,
            "SELECT name, ok FROM tool_calls WHERE call_id = $1 AND finished_at IS NOT NULL",
            call_id,
            count=1,
        )
        assert (called["name"], called["ok"]) == ("schedule_appointment", True)
        (session,) = await rows_of(
            running.database_url,
            "SELECT state, agent, end_reason FROM call_sessions WHERE call_id = $1 AND state = 'ended'",
            call_id,
            count=1,
        )
        assert (session["agent"], session["end_reason"]) == ("dental-reception", "caller_hangup")
