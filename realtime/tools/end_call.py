"""`end_call`: the agent hangs up, once its goodbye has been heard."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from realtime.tools.context import CallContext
from realtime.tools.registry import tool


@tool(timeout_s=2)
async def end_call(
    reason: Annotated[str, Field(description="Why the call is over, in a few words", max_length=200)],
    call: CallContext,
) -> dict[str, Any]:
    """End the call. Call it when the caller has said goodbye or wants nothing more; say goodbye first."""
    call.end_call("agent_hangup")
    return {"ending": True}
