"""`get_customer_info`: what is known of a customer.

Whose record may be read is a fact of the call and the agent's document, never the model's choice: whatever
number the model passes, scope `verified` answers only for the number that the trunk or the call ticket
vouched for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from realtime.phone_numbers import dialled
from realtime.tools.context import CallContext, Refused, ToolError
from realtime.tools.registry import tool


@tool(timeout_s=5)
async def get_customer_info(
    phone_number: Annotated[str, Field(description="The customer's telephone number, as the caller said it")],
    call: CallContext,
) -> dict[str, Any]:
    """Look up a customer by telephone number. Use it when the caller gives a number or asks about their record."""
    if call.customers is None:
        raise ToolError("no_customer_records", "There are no customer records here. Go on without them.")
    number = dialled(phone_number, call.agent.region)
    if number is None:
        raise ToolError(
            "not_a_number", "That is not a complete telephone number. Ask the caller to repeat it."
        )
    if call.agent.lookup.scope == "verified" and not (call.caller_verified and number == call.caller_number):
        raise Refused(
            "not_verified",
            "This record may only be read to its owner. Tell the caller so, go on without it, do not ask again.",
            asked=number,
        )
    customer = await call.customers.find_by_phone(number)
    if customer is None:
        return {"found": False, "message": "No customer has this number. Ask for the name instead."}
    allowed = call.agent.lookup.fields
    facts = {name: getattr(customer, name, None) for name in allowed}
    return {"found": True} | {name: _spoken(value, call) for name, value in facts.items()}


def _spoken(value: Any, call: CallContext) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(ZoneInfo(call.agent.timezone)).strftime("%A %Y-%m-%d at %H:%M")
    return value if value is not None else "none"
