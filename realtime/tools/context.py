"""What a tool is told of the call it runs in, and what it may ask for. Nothing of it comes from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from realtime.agent import Agent
from storage.events import EndReason, Event


class ToolError(Exception):
    """Raised by a tool: the model is told `message` (write it for the model: what to say or do next)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCard:
    """What the business knows of a customer. Field names are those that `lookup.fields` may list."""

    id: str
    name: str
    phone: str  # E.164
    email: str | None = None
    notes: str | None = None
    next_appointment: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """An appointment in the book."""

    id: str
    name: str
    starts_at: datetime  # aware
    reason: str | None


class TimeTaken(Exception):
    """Somebody else has that time."""


class Customers(Protocol):
    """Who is known, by telephone number."""

    async def find_by_phone(self, phone: str) -> CustomerCard | None:
        """`phone` in E.164."""


class Appointments(Protocol):
    """The practice's book."""

    async def schedule(
        self, *, call_id: str, call_item_id: str, name: str, starts_at: datetime, reason: str | None
    ) -> Booking:
        """Books; the same call item again returns what it booked before. Raises TimeTaken."""

    async def taken_between(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Start times already booked in [start, end), in order."""


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

    def record(self, event: Event) -> None:
        """Put a fact on record; published when the tool has finished."""
        self.events.append(event)

    def end_call(self, reason: EndReason = "agent_hangup") -> None:
        """End the call once the agent has said goodbye."""
        self.hang_up = reason
