"""Running one function call: arguments checked, time limited, every failure worded for the model.

The function runs in a task of its own, so that one that does not let go when its time is up, or that ends
long after its call, costs a place (see `places`) and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from realtime.tool_spec import ToolOutcome
from realtime.tools.context import CallContext, Refused, ToolError
from realtime.tools.places import Full, Places
from realtime.tools.refusals import record_refusal
from realtime.tools.registry import Tool
from storage.clean_text import clean

log = logging.getLogger(__name__)

# Longer than this a caller should not wait for other tools to finish before being told so.
PLACE_WITHIN_S = 10.0
FIELDS_TOLD = 8  # wrong fields that the model is told of; there is no end to what it may invent

_any = TypeAdapter[Any](Any)


async def run_tool(
    chosen: Tool, arguments: Mapping[str, Any], context: CallContext, places: Places | None = None
) -> ToolOutcome:
    """Never raises but CancelledError (the call ended: the function is cancelled, its result dropped).

    With `places` it waits for one first, PLACE_WITHIN_S at the most; the tool's own time begins after that.
    """
    started = time.monotonic()
    try:
        checked = chosen.arguments.model_validate(clean(dict(arguments)))
    except ValidationError as error:
        return await _wrong_arguments(chosen, error, context, started)
    try:
        if places is not None:
            async with asyncio.timeout(PLACE_WITHIN_S):
                await places.enter()
    except (Full, TimeoutError):
        log.warning("tool.busy name=%s call_id=%s", chosen.name, context.call_id)
        message = "Too much is being looked up at the moment. Tell the caller, and try again a little later."
        return _failed("busy", message, started, context)
    running = asyncio.create_task(
        _ended_by_nothing(chosen, _call_arguments(chosen, checked, context)),
        name=f"function {chosen.name}",
    )
    if places is not None:
        places.leave_after(running)
    try:
        await asyncio.wait({running}, timeout=chosen.timeout_s)
        if not running.done():
            raise TimeoutError
        if running.cancelled():
            raise RuntimeError("the function was cancelled by something of its own")
        output = _any.dump_python(running.result(), mode="json")
    except asyncio.CancelledError:
        _let_go(running, chosen, context)
        raise
    except Refused as error:
        await record_refusal(
            context.audit,
            call_id=context.call_id,
            call_item_id=context.call_item_id,
            tool=chosen.name,
            code=error.code,
            asked=error.asked,
        )
        return _failed(error.code, error.message, started, context)
    except ToolError as error:
        return _failed(error.code, error.message, started, context)
    except TimeoutError:
        _let_go(running, chosen, context)
        log.warning("tool.timeout name=%s call_id=%s", chosen.name, context.call_id)
        message = "It did not answer in time. Tell the caller, and offer to try again or to call back."
        return _failed("timeout", message, started, context)
    except Exception as error:
        # The text of a foreign error may hold a caller's data: its type is enough for the log.
        log.error(
            "tool.failed name=%s call_id=%s error=%s", chosen.name, context.call_id, type(error).__name__
        )
        message = "It failed for a technical reason. Apologise, and offer another way."
        return _failed("tool_failed", message, started, context)
    return ToolOutcome(
        ok=True,
        output=output,
        duration_ms=_since(started),
        events=tuple(context.events),
        hang_up=context.hang_up,
    )


async def _ended_by_nothing(chosen: Tool, arguments: Mapping[str, Any]) -> Any:
    """A tool that calls sys.exit() must not end the switchboard with it: asyncio would let that through."""
    try:
        return await chosen.function(**arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError("the tool tried to end the process") from error


def _let_go(running: asyncio.Task[Any], chosen: Tool, context: CallContext) -> None:
    """Cancel it, and do not wait: what it still comes to is nobody's answer any more."""

    def late(task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            how = "failed" if task.exception() is not None else "returned"
            log.warning("tool.late name=%s call_id=%s %s: dropped", chosen.name, context.call_id, how)

    running.add_done_callback(late)
    running.cancel()


async def _wrong_arguments(
    chosen: Tool, error: ValidationError, context: CallContext, started: float
) -> ToolOutcome:
    wrong = error.errors(include_url=False, include_input=False)
    fields = [
        {"field": ".".join(map(str, detail["loc"]))[:100], "problem": detail["msg"]}
        for detail in wrong[:FIELDS_TOLD]
    ]
    invented = [".".join(map(str, d["loc"])) for d in wrong if d["type"] == "extra_forbidden"]
    if invented:
        # A parameter that the tool does not have is no slip of the tongue: somebody tries doors.
        await record_refusal(
            context.audit,
            call_id=context.call_id,
            call_item_id=context.call_item_id,
            tool=chosen.name,
            code="unknown_arguments",
            asked=", ".join(invented[:FIELDS_TOLD]),
        )
    return _failed("invalid_arguments", "Correct these fields and call again.", started, fields=fields)


def _call_arguments(chosen: Tool, checked: BaseModel, context: CallContext) -> dict[str, Any]:
    values = {name: getattr(checked, name) for name in type(checked).model_fields}
    if chosen.context_parameter is not None:
        values[chosen.context_parameter] = context
    return values


def _failed(
    code: str, message: str, started: float, context: CallContext | None = None, **more: Any
) -> ToolOutcome:
    return ToolOutcome(
        ok=False,
        output={"error": code, "message": message, **more},
        duration_ms=_since(started),
        error=code,
        events=tuple(context.events) if context is not None else (),
    )


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
