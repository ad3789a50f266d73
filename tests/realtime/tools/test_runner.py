"""A function call is run: checked, limited in time, and never a danger to the call it runs in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from realtime.agent import Agent
from realtime.tools import CallContext, ToolError, tool
from realtime.tools.context import Refused
from realtime.tools.places import Places
from realtime.tools.registry import Tool
from realtime.tools.runner import run_tool


class AuditInMemory:
    """Implements AuditTrail. `broken`: every write fails."""

    def __init__(self, *, broken: bool = False) -> None:
        self.rows: list[tuple[str, str, str | None, Mapping[str, Any] | None]] = []
        self.broken = broken

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        if self.broken:
            raise ConnectionError("no database")
        self.rows.append((actor, action, subject, data))


def context(audit: AuditInMemory | None = None) -> CallContext:
    return CallContext(
        call_id="c",
        call_item_id="item_1",
        agent=Agent(id="a", name="A"),
        caller_number=None,
        caller_verified=False,
        started_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
        customers=None,
        appointments=None,
        audit=audit,
    )


@tool(timeout_s=0.01)
async def never_returns() -> str:
    """Wait."""
    await asyncio.Event().wait()
    return ""


LET_GO = asyncio.Event()
HELD_ON = asyncio.Event()


@tool(timeout_s=0.01)
async def holds_on() -> str:
    """Wait, whatever anybody says."""
    while not LET_GO.is_set():
        try:
            await LET_GO.wait()
        except asyncio.CancelledError:
            HELD_ON.set()
    return "late"


@tool()
async def breaks() -> str:
    """Break."""
    raise RuntimeError("secret: 4111 1111 1111 1111")


@tool()
async def exits() -> str:
    """End everything."""
    sys.exit(3)


@tool()
async def dates() -> dict[str, Any]:
    """Give values that JSON does not have."""
    return {"at": datetime(2026, 1, 1, tzinfo=UTC)}


@tool()
async def gives_itself() -> Any:
    """Give what is no JSON at all."""
    return object()


@tool()
async def echo(text: str, call: CallContext) -> str:
    """Say it again."""
    return f"{text} {call.idempotency_key}"


@tool()
async def keeps_a_secret(of: str) -> str:
    """Refuse."""
    raise Refused("not_yours", "That is not theirs to know.", asked=of)


@tool()
async def asks_for_more() -> str:
    """Refuse for want of something."""
    raise ToolError("no_day", "Ask for the day.")


@pytest.fixture(autouse=True)
def fresh_events() -> None:
    """An event belongs to the loop of the test that first waits for it."""
    global LET_GO, HELD_ON
    LET_GO, HELD_ON = asyncio.Event(), asyncio.Event()


async def test_a_tool_that_does_not_answer_in_time_is_an_error_for_the_model() -> None:
    outcome = await run_tool(never_returns, {}, context())

    assert outcome.error == "timeout"
    assert "did not answer in time" in outcome.output["message"]


async def test_a_tool_that_does_not_let_go_is_left_behind_keeps_its_place_and_its_result_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    places = Places(1, 1)

    outcome = await run_tool(holds_on, {}, context(), places)

    assert outcome.error == "timeout"
    await HELD_ON.wait()
    waiting = asyncio.create_task(run_tool(dates, {}, context(), places))
    await asyncio.sleep(0)
    assert not waiting.done()
    LET_GO.set()
    assert (await waiting).ok
    assert "tool.late name=holds_on" in caplog.text


async def test_a_call_that_ends_takes_its_tools_with_it() -> None:
    running = asyncio.create_task(run_tool(never_returns, {}, context(), Places(1, 0)))
    await asyncio.sleep(0)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert [each.get_name() for each in asyncio.all_tasks() if each.get_name().startswith("function")] == []


@pytest.mark.parametrize("broken", [breaks, exits, gives_itself], ids=lambda each: each.name)
async def test_what_a_broken_tool_said_reaches_neither_the_model_nor_the_log(
    broken: Tool, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await run_tool(broken, {}, context())

    assert outcome.error == "tool_failed"
    assert "4111" not in str(outcome.output) + caplog.text
    assert "tool.failed" in caplog.text


async def test_what_a_tool_returns_becomes_json() -> None:
    assert (await run_tool(dates, {}, context())).output == {"at": "2026-01-01T00:00:00Z"}


async def test_a_tool_is_given_a_key_of_its_call_and_text_that_every_table_can_store() -> None:
    outcome = await run_tool(echo, {"text": "a\x00b\ud800c"}, context())

    assert outcome.output == "abc c:item_1"


async def test_when_too_many_run_and_wait_the_model_is_told_to_try_later() -> None:
    places = Places(1, 0)
    holding = asyncio.create_task(run_tool(holds_on, {}, context(), places))
    await HELD_ON.wait()

    outcome = await run_tool(dates, {}, context(), places)

    assert outcome.error == "busy"
    LET_GO.set()
    await holding


async def test_a_refusal_is_worded_for_the_model_and_written_down() -> None:
    audit = AuditInMemory()

    outcome = await run_tool(keeps_a_secret, {"of": "+12065550142"}, context(audit))

    assert outcome.output == {"error": "not_yours", "message": "That is not theirs to know."}
    assert audit.rows == [
        (
            "call:c",
            "tool.refused",
            "+12065550142",
            {"tool": "keeps_a_secret", "code": "not_yours", "call_item_id": "item_1"},
        )
    ]


async def test_a_refusal_that_cannot_be_written_down_stands_and_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = await run_tool(keeps_a_secret, {"of": "+12065550142"}, context(AuditInMemory(broken=True)))

    assert outcome.error == "not_yours"
    assert "audit.not_written" in caplog.text
    assert "2065550142" not in caplog.text


async def test_a_parameter_that_the_model_made_up_is_refused_and_written_down() -> None:
    audit = AuditInMemory()

    outcome = await run_tool(dates, {f"as_{n}": "admin" for n in range(1000)}, context(audit))

    assert outcome.error == "invalid_arguments"
    assert len(outcome.output["fields"]) == 8
    ((_, _, subject, data),) = audit.rows
    assert subject is not None
    assert subject.startswith("as_0, as_1")
    assert len(subject) <= 200
    assert data is not None
    assert data["code"] == "unknown_arguments"


async def test_something_that_is_only_missing_is_no_refusal() -> None:
    audit = AuditInMemory()

    await run_tool(asks_for_more, {}, context(audit))
    await run_tool(echo, {}, context(audit))

    assert audit.rows == []
