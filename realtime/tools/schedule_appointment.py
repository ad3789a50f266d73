"""`schedule_appointment`: put an appointment into the book."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import date as Date  # noqa: N812 - the parameter is called what the caller says: date
from datetime import time as Time  # noqa: N812
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from realtime.opening_hours import in_words, is_open
from realtime.tools.context import CallContext, TimeTaken, ToolError
from realtime.tools.registry import tool

# How far around the wanted time free ones are offered, and in what steps appointments begin.
STEP = timedelta(minutes=30)
OFFER_WITHIN = timedelta(hours=3)


@tool(timeout_s=8)
async def schedule_appointment(
    name: Annotated[str, Field(description="The caller's full name", min_length=1, max_length=200)],
    date: Annotated[Date, Field(description="The day wanted, as YYYY-MM-DD")],
    time: Annotated[Time, Field(description="The time of day wanted, as HH:MM in 24 hours")],
    call: CallContext,
    reason: Annotated[
        str | None, Field(description="What it is for, if the caller said", max_length=500)
    ] = None,
) -> dict[str, Any]:
    """Book an appointment. Call it once name, date and time are known and the caller has agreed to them."""
    if call.appointments is None:
        raise ToolError("no_book", "Appointments cannot be made here. Offer to have somebody call back.")
    zone = ZoneInfo(call.agent.timezone)
    starts_at = datetime.combine(date, time.replace(tzinfo=None), tzinfo=zone)
    if starts_at <= call.started_at:
        raise ToolError("in_the_past", "That time has passed. Ask for a later one.")
    if not _open_at(starts_at, call):
        hours = in_words(call.agent.hours)
        raise ToolError(
            "closed", f"That is outside the opening hours: {hours} {await _offer(starts_at, call)}"
        )
    try:
        booking = await call.appointments.schedule(
            call_id=call.call_id,
            call_item_id=call.call_item_id,
            name=name,
            starts_at=starts_at,
            reason=reason,
        )
    except TimeTaken:
        offer = await _offer(starts_at, call)
        raise ToolError("time_taken", f"Somebody else has that time. {offer}") from None
    local = booking.starts_at.astimezone(zone)
    return {
        "booked": True,
        "appointment_id": booking.id,
        "name": booking.name,
        "date": f"{local:%Y-%m-%d}",
        "weekday": f"{local:%A}",
        "time": f"{local:%H:%M}",
    }


def _open_at(starts_at: datetime, call: CallContext) -> bool:
    """The whole appointment, in the wall-clock time that opening hours are written in."""
    assert call.appointments is not None
    zone = ZoneInfo(call.agent.timezone)
    ends_at = (starts_at.astimezone(UTC) + call.appointments.length).astimezone(zone)
    return is_open(call.agent.hours, starts_at.replace(tzinfo=None), ends_at.replace(tzinfo=None))


async def _offer(wanted: datetime, call: CallContext) -> str:
    """Up to three free times near the one that was wanted, in words."""
    assert call.appointments is not None
    length = call.appointments.length
    start, end = wanted - OFFER_WITHIN, wanted + OFFER_WITHIN
    taken = await call.appointments.taken_between(start - length, end)
    times = [start + STEP * step for step in range(int((end - start) / STEP))]
    free = [
        at
        for at in times
        if at > call.started_at
        and at.date() == wanted.date()
        and _open_at(at, call)
        and all(abs(at - other) >= length for other in taken)
    ]
    nearest = sorted(sorted(free, key=lambda at: abs(at - wanted))[:3])
    if not nearest:
        return "Ask for another day or time."
    return f"Free on that day: {', '.join(f'{at:%H:%M}' for at in nearest)}."
