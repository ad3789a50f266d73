"""`record_information` and `confirm_information`: what the caller said goes into the goals' slots.

Offered to every agent whose goals have slots, with those slots' names in the schema. They act on the call's
progress and on nothing else; each answer tells the model what is still missing.
"""

from __future__ import annotations

import copy
import dataclasses
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import Field

from realtime.agent import Agent
from realtime.tools.context import CallContext, SlotRecord, ToolError
from realtime.tools.registry import Tool, tool


@tool(timeout_s=2, speak_while="")
async def record_information(
    slot: Annotated[str, Field(description="Which piece of information", max_length=130)],
    value: Annotated[
        str | bool | int,
        Field(description="What the caller said: dates as YYYY-MM-DD, times as HH:MM in 24 hours"),
    ],
    call: CallContext,
) -> dict[str, Any]:
    """Record what the caller has said. Call it at once for each piece, also when the caller corrects one."""
    slots = _slots(call)
    problem = slots.record(slot, value, at=datetime.now(UTC))
    if problem is not None:
        raise ToolError("not_recorded", problem.message)
    recorded = slots.known.get(slot, value)
    return {"recorded": {slot: recorded}, **_weekday(recorded), **_open(slots)}


@tool(timeout_s=2, speak_while="")
async def confirm_information(
    slots: Annotated[
        list[str], Field(description="Names of the pieces that the caller has agreed to", max_length=50)
    ],
    call: CallContext,
) -> dict[str, Any]:
    """Note that the caller agreed when you read these back. Never call it before the caller has agreed."""
    record = _slots(call)
    empty = record.confirm(slots)
    if empty:
        raise ToolError("not_recorded", f"Record these first: {', '.join(each[:64] for each in empty[:8])}.")
    return {"confirmed": slots, **_open(record)}


def slot_tools(agent: Agent) -> dict[str, Tool]:
    """The two for this agent's slots; none where no goal has slots."""
    names = list(dict.fromkeys(slot.name for goal in agent.goals for slot in goal.slots))
    if not names:
        return {}
    one, many = (copy.deepcopy(each.spec.parameters) for each in (record_information, confirm_information))
    one["properties"]["slot"]["enum"] = names
    many["properties"]["slots"]["items"]["enum"] = names
    return {
        each.name: dataclasses.replace(each, spec=dataclasses.replace(each.spec, parameters=parameters))
        for each, parameters in ((record_information, one), (confirm_information, many))
    }


def _slots(call: CallContext) -> SlotRecord:
    if call.slots is None:
        raise ToolError("no_slots", "Nothing needs to be recorded on this call. Go on without it.")
    return call.slots


def _weekday(value: Any) -> dict[str, str]:
    """Models count days badly: the weekday to read back comes with the date."""
    try:
        return {"weekday": f"{date.fromisoformat(str(value)[:10]):%A}"}
    except ValueError:
        return {}


def _open(slots: SlotRecord) -> dict[str, Any]:
    return {"still_missing": slots.missing, "still_to_confirm": slots.unconfirmed}
