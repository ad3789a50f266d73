"""Running one function call: arguments checked, time limited, every failure worded for the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from realtime.tool_spec import ToolOutcome
from realtime.tools.context import CallContext, ToolError
from realtime.tools.registry import Tool

log = logging.getLogger(__name__)

_any = TypeAdapter[Any](Any)


async def run_tool(chosen: Tool, arguments: Mapping[str, Any], context: CallContext) -> ToolOutcome:
    """Never raises but CancelledError (the call ended; whatever the tool had begun is left to it)."""
    started = time.monotonic()
    try:
        checked = chosen.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        fields = [
            {"field": ".".join(map(str, detail["loc"])), "problem": detail["msg"]}
            for detail in error.errors()
        ]
        return _failed("invalid_arguments", "Correct these fields and call again.", started, fields=fields)
    try:
        async with asyncio.timeout(chosen.timeout_s):
            value = await chosen.function(**_call_arguments(chosen, checked, context))
        output = _any.dump_python(value, mode="json")
    except ToolError as error:
        return _failed(error.code, error.message, started, context)
    except TimeoutError:
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
