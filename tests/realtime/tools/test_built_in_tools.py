"""What each built-in tool does, and what it tells the model when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from realtime.agent import Agent, CustomerField, Lookup
from realtime.tool_spec import ToolOutcome
from realtime.tools import CallContext
from realtime.tools.context import Booking, CustomerCard, TimeTaken
from realtime.tools.customer_info import get_customer_info
from realtime.tools.end_call import end_call
from realtime.tools.operator_handoff import request_operator_handoff
from realtime.tools.registry import Tool
from realtime.tools.runner import run_tool
from realtime.tools.schedule_appointment import schedule_appointment
from storage.events import HandoffRequested

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=BERLIN)
MARY = CustomerCard(
    id="7", name="Mary Johnson", phone="+12065550142", email="mary@example.com", next_appointment=MONDAY
)


class CustomersInMemory:
    """Implements Customers; keeps what it was asked."""

    def __init__(self, *cards: CustomerCard) -> None:
        self.cards = {card.phone: card for card in cards}
        self.asked: list[str] = []

    async def find_by_phone(self, phone: str) -> CustomerCard | None:
        self.asked.append(phone)
        return self.cards.get(phone)


class DiaryInMemory:
    """Implements Appointments."""

    length = timedelta(minutes=30)

    def __init__(self, *taken: datetime) -> None:
        self.taken = list(taken)
        self.by_item: dict[tuple[str, str], Booking] = {}

    async def schedule(
        self, *, call_id: str, call_item_id: str, name: str, starts_at: datetime, reason: str | None
    ) -> Booking:
        if (call_id, call_item_id) in self.by_item:
            return self.by_item[call_id, call_item_id]
        if starts_at in self.taken:
            raise TimeTaken
        self.taken.append(starts_at)
        booking = Booking(id="1", name=name, starts_at=starts_at, reason=reason)
        self.by_item[call_id, call_item_id] = booking
        return booking

    async def taken_between(self, start: datetime, end: datetime) -> Sequence[datetime]:
        return [at for at in self.taken if start <= at < end]


def context(**changes: Any) -> CallContext:
    values: dict[str, Any] = {
        "call_id": "c",
        "call_item_id": "item_1",
        "agent": Agent(id="a", name="A", timezone="Europe/Berlin"),
        "caller_number": None,
        "caller_verified": False,
        "started_at": MONDAY,
        "customers": CustomersInMemory(MARY),
        "appointments": DiaryInMemory(),
    }
    return CallContext(**(values | changes))


async def run(chosen: Tool, call: CallContext | None = None, **arguments: Any) -> ToolOutcome:
    return await run_tool(chosen, arguments, call or context())


# get_customer_info


def stated(*fields: CustomerField) -> Agent:
    return Agent(
        id="a", name="A", timezone="Europe/Berlin", lookup=Lookup(scope="stated", fields=list(fields))
    )


async def test_the_verified_caller_hears_their_own_record() -> None:
    call = context(caller_number=MARY.phone, caller_verified=True)

    outcome = await run(get_customer_info, call, phone_number="+1 206 555 0142")

    assert outcome.ok
    assert outcome.output == {
        "found": True,
        "name": "Mary Johnson",
        "next_appointment": "Monday 2026-11-23 at 09:00",
    }


@pytest.mark.parametrize(
    ("number", "verified"), [(MARY.phone, False), ("+12065550199", True), (None, False), (None, True)]
)
async def test_nobody_elses_record_is_read_out_whatever_the_model_asks(
    number: str | None, verified: bool
) -> None:
    customers = CustomersInMemory(MARY)
    call = context(caller_number=number, caller_verified=verified, customers=customers)

    outcome = await run(get_customer_info, call, phone_number=MARY.phone)

    assert outcome.error == "not_verified"
    assert "Mary" not in str(outcome.output)
    assert customers.asked == []


async def test_scope_stated_answers_for_any_number_with_the_listed_fields_only() -> None:
    outcome = await run(get_customer_info, context(agent=stated("name")), phone_number="206-555-0142")

    assert outcome.output == {"found": True, "name": "Mary Johnson"}


async def test_an_unknown_number_is_not_an_error() -> None:
    outcome = await run(get_customer_info, context(agent=stated("name")), phone_number="+12065550100")

    assert outcome.ok
    assert outcome.output["found"] is False


async def test_something_that_is_no_number_is_asked_for_again() -> None:
    outcome = await run(get_customer_info, context(agent=stated("name")), phone_number="my usual one")

    assert outcome.error == "not_a_number"


# schedule_appointment


async def test_an_appointment_is_booked_at_the_practices_local_time() -> None:
    diary = DiaryInMemory()

    outcome = await run(
        schedule_appointment, context(appointments=diary), name="Ann Lee", date="2026-11-25", time="15:00"
    )

    assert outcome.ok
    assert outcome.output["weekday"] == "Wednesday"
    assert outcome.output["time"] == "15:00"
    assert diary.taken == [datetime(2026, 11, 25, 14, 0, tzinfo=UTC)]


async def test_the_same_function_call_books_once_however_often_it_is_run() -> None:
    call = context()
    wanted = {"name": "Ann Lee", "date": "2026-11-25", "time": "15:00"}

    first = await run(schedule_appointment, call, **wanted)
    second = await run(schedule_appointment, call, **wanted)

    assert first.output == second.output


async def test_a_time_that_is_taken_comes_back_with_free_ones_near_it() -> None:
    taken = datetime(2026, 11, 25, 15, 0, tzinfo=BERLIN)
    call = context(appointments=DiaryInMemory(taken, taken + timedelta(minutes=30)))

    outcome = await run(schedule_appointment, call, name="Ann Lee", date="2026-11-25", time="15:00")

    assert outcome.error == "time_taken"
    assert "14:00, 14:30, 16:00" in outcome.output["message"]


def open_on(days: str, opens: str, closes: str) -> Agent:
    hours = [{"days": days.split(), "opens": opens, "closes": closes}]
    return Agent.model_validate({"id": "a", "name": "A", "timezone": "Europe/Berlin", "hours": hours})


@pytest.mark.parametrize(
    ("date", "time", "offer"),
    [
        ("2026-11-25", "17:45", "Free on that day: 16:15, 16:45, 17:15."),
        ("2026-11-25", "07:30", "Free on that day: 08:00, 08:30, 09:00."),
        ("2026-11-28", "10:00", "Ask for another day or time."),
        ("2026-11-25", "03:00", "Ask for another day or time."),
    ],
)
async def test_nothing_is_booked_outside_the_opening_hours(date: str, time: str, offer: str) -> None:
    diary = DiaryInMemory()
    call = context(agent=open_on("mon tue wed thu fri", "08:00", "18:00"), appointments=diary)

    outcome = await run(schedule_appointment, call, name="Ann Lee", date=date, time=time)

    assert outcome.error == "closed"
    assert "Monday to Friday 08:00 to 18:00" in outcome.output["message"]
    assert outcome.output["message"].endswith(offer)
    assert diary.taken == []


async def test_the_last_appointment_of_the_day_ends_when_the_door_closes() -> None:
    call = context(agent=open_on("wed", "08:00", "18:00"))

    outcome = await run(schedule_appointment, call, name="Ann Lee", date="2026-11-25", time="17:30")

    assert outcome.ok


async def test_a_time_that_overlaps_another_is_not_offered() -> None:
    taken = datetime(2026, 11, 25, 15, 0, tzinfo=BERLIN)
    call = context(
        agent=open_on("wed", "14:30", "16:30"),
        appointments=DiaryInMemory(taken, taken + timedelta(minutes=10)),
    )

    outcome = await run(schedule_appointment, call, name="Ann Lee", date="2026-11-25", time="15:10")

    assert outcome.error == "time_taken"
    assert "Free on that day: 15:40." in outcome.output["message"]


async def test_the_past_cannot_be_booked() -> None:
    outcome = await run(schedule_appointment, name="Ann Lee", date="2026-11-23", time="08:00")

    assert outcome.error == "in_the_past"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Ann", "date": "tomorrow", "time": "15:00"},
        {"name": "Ann", "date": "2026-11-25"},
        {"name": "", "date": "2026-11-25", "time": "15:00"},
        {"name": "Ann", "date": "2026-11-25", "time": "15:00", "price": 3},
    ],
)
async def test_wrong_arguments_go_back_to_the_model_field_by_field(wrong: dict[str, Any]) -> None:
    outcome = await run(schedule_appointment, **wrong)

    assert outcome.error == "invalid_arguments"
    assert outcome.output["fields"][0]["field"] in {"date", "time", "name", "price"}


# request_operator_handoff, end_call


async def test_asking_for_an_operator_puts_the_request_on_record() -> None:
    outcome = await run(request_operator_handoff, reason="a refund", summary="Mary wants her money back.")

    (event,) = outcome.events
    assert isinstance(event, HandoffRequested)
    assert event.method == "ai"
    assert event.reason == "a refund"
    assert outcome.output["handoff_id"] == event.handoff_id


async def test_ending_the_call_is_left_to_the_conversation() -> None:
    outcome = await run(end_call, reason="the caller said goodbye")

    assert outcome.hang_up == "agent_hangup"
