"""The rows that events become, before any SQL: one frozen value per table.

Rows of one call may come in any order and more than once, so rows of the same key can be merged: by seq, never
by order of arrival, exactly as the SQL in postgres/ does it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

NEVER = -1  # seq of "no event has set this yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of the immutable log."""

    call_id: str
    seq: int
    tenant: str
    type: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What is known of a call; None is "no news", not "nothing"."""

    call_id: str
    tenant: str
    last_seq: int
    state: str = "ringing"
    owner: str | None = "agent"
    state_seq: int = NEVER
    direction: str | None = None
    agent: str | None = None
    agent_version: str | None = None
    caller: str | None = None
    called: str | None = None
    media: str | None = None
    node: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    duration_ms: int | None = None
    outcome: str | None = None
    outcome_seq: int = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRow:
    """One utterance."""

    call_id: str
    item_id: str
    position: int
    speaker: str
    text: str
    heard_text: str
    heard_ms: int | None
    started_at: datetime
    interrupted: bool
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRow:
    """One function call; half of it comes with `tool.called`, half with `tool.finished`."""

    call_id: str
    call_item_id: str
    name: str
    arguments: dict[str, Any] | None = None
    called_at: datetime | None = None
    finished_at: datetime | None = None
    ok: bool | None = None
    duration_ms: int | None = None
    output: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """The latest value of one slot."""

    call_id: str
    goal: str
    slot: str
    value: Any
    confirmed: bool
    set_at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffRow:
    """Where one hand-over stands."""

    call_id: str
    handoff_id: str
    state: str
    changed_at: datetime
    seq: int
    reason: str | None = None
    summary: str | None = None
    method: str | None = None
    requested_at: datetime | None = None
    queue: str | None = None
    attempts: int | None = None
    operator: str | None = None
    operator_seq: int | None = None
    waited_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRow:
    """The figures that `call.ended` carried."""

    call_id: str
    turns: int | None
    interruptions: int | None
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    data: dict[str, Any]


_SET_ONCE = (
    "direction",
    "agent",
    "agent_version",
    "caller",
    "called",
    "media",
    "node",
    "started_at",
    "answered_at",
    "ended_at",
    "end_reason",
    "duration_ms",
)


def merge_calls(a: CallRow, b: CallRow) -> CallRow:
    """One row from two about the same call, whichever came first: later events win, news beats no news."""
    older, newer = (a, b) if a.last_seq <= b.last_seq else (b, a)
    by_state = max(a, b, key=lambda row: row.state_seq)
    by_outcome = max(a, b, key=lambda row: row.outcome_seq)
    news = {name: getattr(newer, name) for name in _SET_ONCE if getattr(newer, name) is not None}
    return replace(
        older,
        **news,
        last_seq=newer.last_seq,
        state=by_state.state,
        owner=by_state.owner,
        state_seq=by_state.state_seq,
        outcome=by_outcome.outcome,
        outcome_seq=by_outcome.outcome_seq,
    )


def later(a: Any, b: Any) -> Any:
    """Of two rows with a seq, the one that a later event made."""
    return a if a.seq > b.seq else b


def merge_handoffs(a: HandoffRow, b: HandoffRow) -> HandoffRow:
    """The later state, with what the request said, who had it last and how long the first took to come."""
    older, newer = (a, b) if a.seq <= b.seq else (b, a)
    names = ("reason", "summary", "method", "queue", "operator", "operator_seq")
    kept = {name: getattr(older, name) for name in names if getattr(newer, name) is None}
    requested = [each.requested_at for each in (older, newer) if each.requested_at is not None]
    waited = [each.waited_ms for each in (older, newer) if each.waited_ms is not None]
    attempts = [each.attempts for each in (older, newer) if each.attempts is not None]
    return replace(
        newer,
        **kept,
        requested_at=min(requested, default=None),
        waited_ms=min(waited, default=None),
        attempts=max(attempts, default=None),
    )


def merge_tool_calls(a: ToolCallRow, b: ToolCallRow) -> ToolCallRow:
    """Both halves of one function call."""
    names = ("arguments", "called_at", "finished_at", "ok", "duration_ms", "output", "error")
    return replace(a, **{name: getattr(b, name) for name in names if getattr(b, name) is not None})
