"""`stop_recording`: the caller does not want to be recorded. Offered only where the agent records its calls."""

from __future__ import annotations

from typing import Any

from realtime.agent import Agent
from realtime.tools.context import CallContext, ToolError
from realtime.tools.registry import Tool, tool


@tool(timeout_s=10, speak_while="")
async def stop_recording(call: CallContext) -> dict[str, Any]:
    """Stop recording this call and delete what was recorded. Call it at once when the caller does not want that."""
    if call.recording is None:
        raise ToolError("not_recorded", "This call is not recorded. Tell the caller so.")
    await call.recording.refuse()
    return {
        "recording": "stopped",
        "deleted": True,
        "message": "Tell the caller so in a few words, then go on.",
    }


def recording_tools(agent: Agent) -> dict[str, Tool]:
    """The one, for an agent that records; none otherwise."""
    return {stop_recording.name: stop_recording} if agent.recording.enabled else {}
