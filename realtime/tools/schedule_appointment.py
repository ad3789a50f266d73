"""`schedule_appointment`: put an appointment into the book."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - the parameter is called what the caller says: date
from datetime import datetime, timedelta
from datetime import time as Time  # noqa: N812
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

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
    try:
        booking = await call.appointments.schedule(
            call_id=call.call_id,
            call_item_id=call.call_item_id,
            name=name,
            starts_at=starts_at,
            reason=reason,
        )
    except TimeTaken:
        free = await _free_near(starts_at, call)
        offer = f"Free on that day: {', '.join(free)}." if free else "Ask for another day."
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


async def _free_near(wanted: datetime, call: CallContext) -> list[str]:
    """Up to three free times, nearest first."""
    assert call.appointments is not None
    start, end = wanted - OFFER_WITHIN, wanted + OFFER_WITHIN
    taken = set(await call.appointments.taken_between(start, end))
    steps = range(int((end - start) / STEP))
    times = [start + STEP * step for step in steps]
    free = [at for at in times if at > call.started_at and at not in taken and at.date() == wanted.date()]
    free.sort(key=lambda at: abs(at - wanted))
    return [f"{at:%H:%M}" for at in sorted(free[:3])]
