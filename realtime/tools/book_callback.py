"""`book_callback` and `withdraw_handoff`: what else can become of a wish for a person.

Offered to every agent that may ask for an operator.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from realtime.agent import Agent
from realtime.phone_numbers import dialled
from realtime.tools.context import CallContext, ToolError
from realtime.tools.operator_handoff import request_operator_handoff
from realtime.tools.registry import Tool, tool


@tool(timeout_s=5, speak_while="")
async def book_callback(
    call: CallContext,
    number: Annotated[
        str | None,
        Field(description="Where to call back; leave it out for the number of this call", max_length=40),
    ] = None,
    when: Annotated[
        str | None, Field(description="When it suits the caller, in the caller's words", max_length=200)
    ] = None,
) -> dict[str, Any]:
    """Note that a person calls back. Only after a person was asked for, and only when the caller has agreed to it."""
    given = dialled(number, call.agent.region) if number else call.caller_number
    if number and given is None:
        raise ToolError("not_a_number", "That is no telephone number. Ask the caller to repeat it.")
    if given is None:
        raise ToolError("number_needed", "The number of this call is not known. Ask the caller for one.")
    if call.desk is None or not call.desk.book_callback(given, when):
        raise ToolError(
            "nobody_asked_for",
            "No person has been asked for on this call. Call request_operator_handoff first.",
        )
    return {"callback": "noted", "number": given, "message": "Read the number back and say that it is noted."}


@tool(timeout_s=5, speak_while="")
async def withdraw_handoff(
    reason: Annotated[str, Field(description="Why nobody is needed any more", max_length=300)],
    call: CallContext,
) -> dict[str, Any]:
    """Take the request for a person back: the caller does not want to wait any more, or you could help after all."""
    if call.desk is None or not call.desk.withdraw_handoff(reason):
        raise ToolError("nothing_to_withdraw", "Nobody is being waited for. Go on helping.")
    return {"withdrawn": True, "message": "Go on helping the caller yourself."}


def desk_tools(agent: Agent) -> dict[str, Tool]:
    """Both, for an agent that may ask for a person; none otherwise."""
    if request_operator_handoff.name not in agent.tools:
        return {}
    return {each.name: each for each in (book_callback, withdraw_handoff)}
