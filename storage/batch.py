"""Events gathered into the rows of one transaction.

Pure. A batch may hold a call's events in any order and more than once; rows of the same key are merged here,
because one INSERT may not touch a row twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from storage.codec import EnvelopeError, happened_at
from storage.envelope import Envelope
from storage.events import CallEnded, CallStarted, ToolCalled, ToolFinished, TranscriptFinal
from storage.projection import SLOT_EVENTS, STATES, call_facts, slot_view
from storage.records import (
    CallRow,
    EventRow,
    HandoffRow,
    MetricsRow,
    SlotRow,
    ToolCallRow,
    TranscriptRow,
    later,
    merge_calls,
    merge_handoffs,
    merge_tool_calls,
)

Row = TypeVar("Row")


@dataclass(slots=True)
class Batch:
    """The rows of some events, one row a key, and the events whose data did not fit their type."""

    events: dict[tuple[str, int], EventRow] = field(default_factory=dict)
    calls: dict[str, CallRow] = field(default_factory=dict)
    transcripts: dict[tuple[str, str], TranscriptRow] = field(default_factory=dict)
    tool_calls: dict[tuple[str, str], ToolCallRow] = field(default_factory=dict)
    slots: dict[tuple[str, str, str], SlotRow] = field(default_factory=dict)
    handoffs: dict[tuple[str, str], HandoffRow] = field(default_factory=dict)
    metrics: dict[str, MetricsRow] = field(default_factory=dict)
    misfits: list[tuple[Envelope, str]] = field(default_factory=list)

    def add(self, envelope: Envelope) -> None:
        """Take in one event. Live-only events leave no rows.

        An event whose data does not fit its type still goes into the log (its number must not be missing),
        and is listed in `misfits` with the reason. Raises EnvelopeError where even `at` is unreadable.
        """
        if envelope.seq is None:
            return
        at = happened_at(envelope)
        self.events[envelope.call_id, envelope.seq] = EventRow(
            call_id=envelope.call_id,
            seq=envelope.seq,
            tenant=envelope.tenant,
            type=envelope.type,
            at=at,
            data=envelope.data,
        )
        try:
            self._project(envelope, envelope.seq, at)
        except (msgspec.ValidationError, EnvelopeError, KeyError, TypeError) as error:
            self.misfits.append((envelope, f"{envelope.type}: {error}"))
            self._put_call(CallRow(call_id=envelope.call_id, tenant=envelope.tenant, last_seq=envelope.seq))

    def _project(self, envelope: Envelope, seq: int, at: datetime) -> None:
        match envelope.type:
            case "transcript.final":
                self._put(self.transcripts, _transcript_row(envelope, seq), ("call_id", "item_id"), later)
            case "tool.called" | "tool.finished":
                row = _tool_call_row(envelope, at)
                self._put(self.tool_calls, row, ("call_id", "call_item_id"), merge_tool_calls)
            case slot_event if slot_event in SLOT_EVENTS:
                self._put(self.slots, _slot_row(envelope, seq, at), ("call_id", "goal", "slot"), later)
            case handoff if handoff.startswith("handoff.") and "handoff_id" in envelope.data:
                row_ = _handoff_row(envelope, seq, at)
                self._put(self.handoffs, row_, ("call_id", "handoff_id"), merge_handoffs)
            case "call.ended":
                metrics = _metrics_row(envelope)
                self.metrics[metrics.call_id] = metrics
            case _:
                pass
        self._put_call(_call_row(envelope, seq, at))

    def _put_call(self, row: CallRow) -> None:
        known = self.calls.get(row.call_id)
        self.calls[row.call_id] = row if known is None else merge_calls(known, row)

    @staticmethod
    def _put(
        table: dict[Any, Row], row: Row, key_names: tuple[str, ...], merge: Callable[[Row, Row], Row]
    ) -> None:
        key = tuple(getattr(row, name) for name in key_names)
        known = table.get(key)
        table[key] = row if known is None else merge(known, row)


def rows_of(envelopes: Iterable[Envelope]) -> Batch:
    """The rows of these events. Raises EnvelopeError for the first with an unreadable time."""
    batch = Batch()
    for envelope in envelopes:
        batch.add(envelope)
    return batch


def _call_row(envelope: Envelope, seq: int, at: datetime) -> CallRow:
    row = CallRow(call_id=envelope.call_id, tenant=envelope.tenant, last_seq=seq)
    if envelope.type in STATES and envelope.data.get("mode") != "barge":
        state, owner = STATES[envelope.type]
        row = replace(row, state=state, owner=owner, state_seq=seq)
    facts = call_facts(envelope)
    if "outcome" in facts:
        outcome = facts["outcome"]
        row = replace(row, outcome=None if outcome is None else str(outcome), outcome_seq=seq)
    match envelope.type:
        case "call.started":
            started = msgspec.convert(envelope.data, CallStarted)
            names = ("direction", "agent", "agent_version", "caller", "called", "media", "node")
            return replace(row, started_at=at, **{name: getattr(started, name) for name in names})
        case "call.answered":
            return replace(row, answered_at=at)
        case "call.ended":
            ended = msgspec.convert(envelope.data, CallEnded)
            return replace(row, ended_at=at, end_reason=ended.reason, duration_ms=ended.duration_ms)
        case _:
            return row


def _transcript_row(envelope: Envelope, seq: int) -> TranscriptRow:
    said = msgspec.convert(envelope.data, TranscriptFinal)
    return TranscriptRow(
        call_id=envelope.call_id,
        item_id=said.item_id,
        position=said.position,
        speaker=said.speaker,
        text=said.text,
        heard_text=said.heard_text,
        heard_ms=said.heard_ms,
        started_at=_time(said.started_at),
        interrupted=said.interrupted,
        seq=seq,
    )


def _tool_call_row(envelope: Envelope, at: datetime) -> ToolCallRow:
    if envelope.type == "tool.called":
        called = msgspec.convert(envelope.data, ToolCalled)
        return ToolCallRow(
            call_id=envelope.call_id,
            call_item_id=called.call_item_id,
            name=called.name,
            arguments=called.arguments,
            called_at=at,
        )
    finished = msgspec.convert(envelope.data, ToolFinished)
    return ToolCallRow(
        call_id=envelope.call_id,
        call_item_id=finished.call_item_id,
        name=finished.name,
        finished_at=at,
        ok=finished.ok,
        duration_ms=finished.duration_ms,
        output=finished.output,
        error=finished.error,
    )


def _slot_row(envelope: Envelope, seq: int, at: datetime) -> SlotRow:
    slot = slot_view(envelope)
    return SlotRow(
        call_id=envelope.call_id,
        goal=slot.goal,
        slot=slot.slot,
        value=slot.value,
        confirmed=slot.confirmed,
        set_at=at,
        seq=seq,
    )


def _handoff_row(envelope: Envelope, seq: int, at: datetime) -> HandoffRow:
    data = envelope.data
    row = HandoffRow(
        call_id=envelope.call_id,
        handoff_id=data["handoff_id"],
        state=envelope.type.removeprefix("handoff."),
        changed_at=at,
        seq=seq,
    )
    if envelope.type in ("handoff.queued", "handoff.offered"):
        return replace(row, queue=data.get("queue"), attempts=_whole(data.get("attempt")))
    if envelope.type == "handoff.connected":
        waited_ms = _whole(data.get("waited_ms"))
        return replace(row, operator=data.get("operator"), operator_seq=seq, waited_ms=waited_ms)
    if envelope.type != "handoff.requested":
        return row
    return replace(
        row,
        reason=data.get("reason"),
        summary=data.get("summary"),
        method=data.get("method"),
        requested_at=at,
    )


def _metrics_row(envelope: Envelope) -> MetricsRow:
    metrics = msgspec.convert(envelope.data, CallEnded).metrics
    figures = {name: _whole(metrics.get(name)) for name in ("turns", "interruptions")}
    latencies = {name: _whole(metrics.get(name)) for name in ("latency_p50_ms", "latency_p95_ms")}
    return MetricsRow(call_id=envelope.call_id, data=metrics, **figures, **latencies)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise EnvelopeError("started_at is not an RFC 3339 time") from error
    if at.tzinfo is None:
        raise EnvelopeError("started_at has no zone")
    return at


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
