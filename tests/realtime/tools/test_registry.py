"""From a function to what the model sees of it."""

from __future__ import annotations

import sys
from datetime import date
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from realtime.tools import CallContext, ToolRegistry, tool
from realtime.tools.registry import InvalidTool, discover


@tool(timeout_s=3)
async def find_table(
    day: Annotated[date, Field(description="The day wanted")],
    party: Annotated[int, Field(ge=1, le=20)],
    call: CallContext,
    seat: Literal["counter", "table"] = "table",
) -> str:
    """Find free tables on a day."""
    return "18:00"


def test_the_schema_comes_from_the_signature() -> None:
    schema = find_table.spec.parameters

    assert schema["properties"]["day"] == {
        "description": "The day wanted",
        "format": "date",
        "type": "string",
    }
    assert schema["properties"]["party"]["maximum"] == 20
    assert schema["properties"]["seat"]["enum"] == ["counter", "table"]
    assert schema["required"] == ["day", "party"]
    assert schema["additionalProperties"] is False


def test_the_call_context_is_never_the_models_to_give() -> None:
    assert "call" not in find_table.spec.parameters["properties"]
    assert find_table.context_parameter == "call"


def test_the_docstring_is_what_the_model_reads() -> None:
    assert find_table.spec.description == "Find free tables on a day."
    assert find_table.spec.as_session_tool()["type"] == "function"


async def no_docstring(day: str) -> str:
    return day


async def no_type(day) -> str:  # type: ignore[no-untyped-def]
    """Say a day."""
    return str(day)


async def star(*days: str) -> str:
    """Say days."""
    return str(days)


def not_async(day: str) -> str:
    """Say a day."""
    return day


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (no_docstring, "docstring"),
        (no_type, "no type"),
        (star, "name each parameter"),
        (not_async, "async def"),
    ],
)
def test_a_function_that_no_model_could_use_is_refused_at_import(function: Any, says: str) -> None:
    with pytest.raises(InvalidTool, match=says):
        tool()(function)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidTool, match="find_table"):
        ToolRegistry([find_table, find_table])


def test_a_broken_plug_in_is_left_out_and_named() -> None:
    registry = discover(["no_such_module_at_all"])

    assert "schedule_appointment" in registry
    assert len(registry.problems) == 1
    assert "no_such_module_at_all" in registry.problems[0]


def test_a_users_module_brings_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_restaurant")
    module.find_table = find_table  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_restaurant", module)

    registry = discover(["my_restaurant"])

    assert registry.get("find_table") is find_table
    assert registry.problems == []


def test_every_built_in_tool_is_the_models_to_understand() -> None:
    for each in discover():
        assert each.source == "built-in"
        assert len(each.spec.description) > 20
        for name, described in each.spec.parameters["properties"].items():
            assert described.get("description"), f"{each.name}.{name} has no description"


def test_what_is_said_while_a_tool_runs_is_ours_and_not_shown_to_the_model() -> None:
    @tool(speak_while="I am asking the kitchen.")
    async def ask_kitchen() -> str:
        """Ask the kitchen."""
        return "yes"

    assert ask_kitchen.spec.speak_while == "I am asking the kitchen."
    assert "kitchen." not in str(ask_kitchen.spec.as_session_tool()).replace("Ask the kitchen.", "")


def test_a_function_that_would_block_is_refused_with_the_way_out() -> None:
    def blocks() -> str:
        """Block."""
        return ""

    with pytest.raises(InvalidTool, match=r"asyncio\.to_thread"):
        tool()(blocks)  # type: ignore[arg-type]  # the mistake that is refused
