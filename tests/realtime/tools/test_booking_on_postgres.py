"""The booking tool against a real book: two callers, one time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from realtime.agent import Agent
from realtime.tools import CallContext
from realtime.tools.runner import run_tool
from realtime.tools.schedule_appointment import schedule_appointment
from signaling.server.practice import Diary
from storage.call_ids import new_call_id
from storage.postgres.appointments import AppointmentBook
from storage.postgres.pool import Database
from tests.fakes.record_dump import rows


async def test_of_two_calls_that_want_the_same_time_one_gets_it_and_the_other_is_offered_more(
    database_url: str,
) -> None:
    database = Database(database_url)
    diary = Diary(AppointmentBook(database))
    agent = Agent.model_validate(
        {"id": "a", "name": "A", "hours": [{"days": ["wed"], "opens": "08:00", "closes": "18:00"}]}
    )
    day = datetime(2031, 3, 5, tzinfo=UTC)
    for week in range(5):
        wanted = {"date": f"{day + timedelta(weeks=week):%Y-%m-%d}", "time": "15:00"}
        calls = [
            CallContext(
                call_id=new_call_id(),
                call_item_id="item_1",
                agent=agent,
                caller_number=None,
                caller_verified=False,
                started_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
                customers=None,
                appointments=diary,
            )
            for _ in range(2)
        ]

        outcomes = await asyncio.gather(
            *(run_tool(schedule_appointment, {"name": "Ann Lee", **wanted}, call) for call in calls)
        )

        assert sorted(str(each.error) for each in outcomes) == ["None", "time_taken"]
        (refused,) = (each for each in outcomes if not each.ok)
        assert "14:00, 14:30, 15:30" in refused.output["message"]
    await database.close()
    assert await rows(database_url, "SELECT count(*) FROM appointments") == [(5,)]
