"""`request_operator_handoff`: a person is asked for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from realtime.tools.context import CallContext
from realtime.tools.registry import tool
from storage.call_ids import new_call_id
from storage.events import HandoffRequested


@tool(timeout_s=5)
async def request_operator_handoff(
    reason: Annotated[str, Field(description="Why a person is needed, in a few words", max_length=500)],
    summary: Annotated[
        str, Field(description="What the caller wants and what is known so far", max_length=2000)
    ],
    call: CallContext,
) -> dict[str, Any]:
    """Ask for a human operator to take over. Call it when the caller asks for a person, or when you cannot help."""
    if call.desk is not None and call.desk.handoff_state is not None:
        return {
            "requested": False,
            "state": call.desk.handoff_state,
            "message": "A person has been asked for already. Tell the caller so, and go on helping.",
        }
    handoff_id = new_call_id()
    call.record(HandoffRequested(handoff_id=handoff_id, reason=reason, summary=summary, method="ai"))
    return {
        "requested": True,
        "handoff_id": handoff_id,
        "message": "An operator has been asked for. Tell the caller, and go on helping until one joins.",
    }
