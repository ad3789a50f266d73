"""The model records and confirms what the caller says, and is told each time what is still missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from realtime.agent import Agent
from realtime.goals import GoalProgress
from realtime.tool_spec import ToolOutcome
from realtime.tools import CallContext
from realtime.tools.registry import discover
from realtime.tools.runner import run_tool
from realtime.tools.slot_information import slot_tools
from tests.fakes.realtime_story import receptionist

SLOTS = [
    {"name": "name", "type": "name", "description": "who", "confirm": True},
    {"name": "date", "type": "date", "description": "which day"},
    {"name": "small", "type": "boolean", "description": "is it small", "required": False},
]
AGENT = receptionist(goals=[{"id": "booking", "description": "Book.", "slots": SLOTS}])


class Call:
    def __init__(self, agent: Agent = AGENT, *, slots: bool = True) -> None:
        self.tools = slot_tools(agent) or slot_tools(AGENT)
        self.progress = GoalProgress(agent)
        self.slots = self.progress if slots else None
        self.agent = agent

    async def run(self, name: str, **arguments: Any) -> ToolOutcome:
        context = CallContext(
            call_id="c", call_item_id="i", agent=self.agent, caller_number=None, caller_verified=False,
            started_at=datetime.now(UTC), customers=None, appointments=None, slots=self.slots,
        )  # fmt: skip
        return await run_tool(self.tools[name], arguments, context)


async def test_what_is_recorded_comes_back_canonical_with_what_is_still_missing() -> None:
    call = Call()

    outcome = await call.run("record_information", slot="date", value="2999-12-30")

    assert outcome.ok
    assert outcome.output == {
        "recorded": {"date": "2999-12-30"},
        "weekday": "Monday",
        "still_missing": ["name"],
        "still_to_confirm": [],
    }
    assert call.progress.known == {"date": "2999-12-30"}


async def test_a_value_that_cannot_be_is_refused_in_words_for_the_model() -> None:
    call = Call()

    past = await call.run("record_information", slot="date", value="1999-01-01")
    unknown = await call.run("record_information", slot="shoe", value="42")

    assert (past.ok, past.error) == (False, "not_recorded")
    assert "has passed" in past.output["message"]
    assert "name, date, small" in unknown.output["message"]
    assert call.progress.known == {}


async def test_numbers_and_booleans_are_taken_as_they_come() -> None:
    call = Call()

    assert (await call.run("record_information", slot="small", value=False)).output["recorded"] == {
        "small": False
    }


async def test_only_recorded_values_are_confirmed() -> None:
    call = Call()
    await call.run("record_information", slot="name", value="Ann Lee")

    early = await call.run("confirm_information", slots=["name", "date"])
    rest = await call.run("confirm_information", slots=["name"])

    assert early.output["message"] == "Record these first: date."
    assert rest.output == {"confirmed": ["name"], "still_missing": ["date"], "still_to_confirm": []}
    assert call.progress.confirmed == ["name"]


async def test_a_call_without_slots_goes_on_without() -> None:
    outcome = await Call(slots=False).run("record_information", slot="name", value="Ann")

    assert outcome.error == "no_slots"


def test_an_agent_with_slots_is_offered_both_with_its_own_names() -> None:
    tools = slot_tools(AGENT)

    parameters = {name: tool.spec.parameters["properties"] for name, tool in tools.items()}
    assert parameters["record_information"]["slot"]["enum"] == ["name", "date", "small"]
    assert parameters["confirm_information"]["slots"]["items"]["enum"] == ["name", "date", "small"]
    registered = discover().get("record_information")
    assert registered is not None
    assert "enum" not in registered.spec.parameters["properties"]["slot"]


def test_an_agent_without_slots_is_offered_neither() -> None:
    assert slot_tools(receptionist(goals=[{"id": "talk", "description": "Talk."}])) == {}
