"""What a tool is told of the call it runs in, and what it may ask for. Nothing of it comes from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from realtime.agent import Agent
from storage.events import EndReason, Event
from storage.postgres.appointments import Appointment
from storage.postgres.customers import Customer


class ToolError(Exception):
    """Raised by a tool: the model is told `message` (write it for the model: what to say or do next)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Customers(Protocol):
    """Who is known, by telephone number."""

    async def find_by_phone(self, phone: str) -> Customer | None:
        """`phone` in E.164."""


class Appointments(Protocol):
    """The practice's book."""

    async def schedule(
        self,
        *,
        idempotency_key: str,
        call_id: str,
        name: str,
        starts_at: datetime,
        reason: str | None,
        customer_id: int | None,
    ) -> Appointment:
        """Books, or returns what the same key booked before. Raises SlotTaken."""

    async def taken_on(self, day_start: datetime, day_end: datetime) -> Sequence[datetime]:
        """Start times already booked in [day_start, day_end)."""


@dataclass(slots=True, kw_only=True)
class CallContext:
    """One tool call's surroundings."""

    call_id: str
    call_item_id: str  # with call_id, the idempotency key: a function call acts once, however often it is run
    agent: Agent
    caller_number: str | None
    caller_verified: bool
    started_at: datetime  # of the call, aware, in the agent's time zone
    customers: Customers | None
    appointments: Appointments | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    hang_up: EndReason | None = None

    @property
    def idempotency_key(self) -> str:
        return f"{self.call_id}:{self.call_item_id}"

    def record(self, event: Event) -> None:
        """Put a fact on record; published when the tool has finished."""
        self.events.append(event)

    def end_call(self, reason: EndReason = "agent_hangup") -> None:
        """End the call once the agent has said goodbye."""
        self.hang_up = reason
