"""What a tool is told of the call it runs in, and what it may ask for. Nothing of it comes from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from realtime.agent import Agent
from realtime.slots import Problem, Value
from storage.events import EndReason, Event


class ToolError(Exception):
    """Raised by a tool: the model is told `message` (write it for the model: what to say or do next)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Refused(ToolError):
    """The caller may not have this: the model is told `message`, and the audit log who asked for what.

    `asked` is what was asked for (a telephone number, an id), for whoever reads the log.
    """

    def __init__(self, code: str, message: str, *, asked: str | None = None) -> None:
        super().__init__(code, message)
        self.asked = asked


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

    @property
    def length(self) -> timedelta:
        """How long an appointment takes."""

    async def schedule(
        self, *, call_id: str, call_item_id: str, name: str, starts_at: datetime, reason: str | None
    ) -> Booking:
        """Books; the same call item again returns what it booked before. Raises TimeTaken."""

    async def taken_between(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Start times already booked in [start, end), in order."""


class SlotRecord(Protocol):
    """What is known for the call's goals (see `realtime.goals`)."""

    @property
    def known(self) -> Mapping[str, Value]:
        """Canonical values by slot."""

    @property
    def missing(self) -> Sequence[str]:
        """Required slots without a value."""

    @property
    def unconfirmed(self) -> Sequence[str]:
        """Filled slots that the caller is to agree to and has not yet."""

    def record(self, name: str, given: Any, *, at: datetime) -> Problem | None:
        """Fill or correct a slot; the problem is worded for the model."""

    def confirm(self, names: Sequence[str]) -> Sequence[str]:
        """Confirm slots as they stand; returns those that have no value."""


class RecordingControl(Protocol):
    """The recording of the call."""

    async def refuse(self) -> None:
        """The caller does not want it: it ends, and what there is of it is deleted. Idempotent."""


class DeskControl(Protocol):
    """The desk of operators, as far as this call concerns it."""

    @property
    def handoff_state(self) -> str | None:
        """Of the handoff that is open; None: nobody has been asked for."""

    def withdraw_handoff(self, why: str) -> bool:
        """Nobody is needed any more. False: there was nothing to withdraw."""

    def book_callback(self, number: str | None, when: str | None) -> bool:
        """Somebody will call back. False: nobody has been asked for, so there is nothing to book."""


class AuditTrail(Protocol):
    """Where it is written down that somebody asked for what they may not have."""

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        """May raise when the record is away."""


@dataclass(slots=True, kw_only=True)
class CallContext:
    """One tool call's surroundings."""

    call_id: str
    call_item_id: str  # see `idempotency_key`: a function call acts once, however often it is run
    agent: Agent
    caller_number: str | None
    caller_verified: bool
    started_at: datetime  # of the call, aware, in the agent's time zone
    customers: Customers | None
    appointments: Appointments | None
    audit: AuditTrail | None = None
    slots: SlotRecord | None = None
    recording: RecordingControl | None = None  # None: this agent's calls are not recorded
    desk: DeskControl | None = None  # None: there are no operators
    metadata: Mapping[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    hang_up: EndReason | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for every run of the same function call, and for no other."""
        return f"{self.call_id}:{self.call_item_id}"

    def record(self, event: Event) -> None:
        """Put a fact on record; published when the tool has finished."""
        self.events.append(event)

    def end_call(self, reason: EndReason = "agent_hangup") -> None:
        """End the call once the agent has said goodbye."""
        self.hang_up = reason
