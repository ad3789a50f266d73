"""Events folded into what people look at: the call, its transcript, its slots.

Pure, and the only place that says what an event does to a call. The live API folds events as they happen,
the worker keeps the same columns in Postgres; a test holds the two against each other.
Fold each event once, in any order: every field belongs to the event with the highest seq that set it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from storage.envelope import Envelope
from storage.events import Speaker

CallState = Literal[
    "ringing",  # the offer is being answered
    "ai",  # caller and agent talk
    "waiting",  # an operator has been asked for
    "human",  # caller and operator talk
    "ended",
]
Owner = Literal["agent", "operator"]  # who has the caller's ear


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of information the agent was to find out."""

    goal: str
    slot: str
    value: Any
    confirmed: bool


class HandoffView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest hand-over of the call to a person."""

    handoff_id: str
    state: str  # the second half of the event's name: requested, queued, accepted, …
    reason: str | None = None
    summary: str | None = None
    method: str | None = None
    requested_at: str | None = None  # RFC 3339
    queue: str | None = None
    attempt: int = 0  # offers made so far
    offer_id: str | None = None  # of the offer that is out
    operator: str | None = None  # whom it is offered to, or who has it
    until: str | None = None  # RFC 3339: when the present state ends by itself


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the API shows it. Times are RFC 3339 text; None is "not yet" or "not known"."""

    id: str
    state: CallState = "ringing"
    direction: str | None = None
    agent: str | None = None
    agent_version: str | None = None
    caller: str | None = None
    started_at: str | None = None
    answered_at: str | None = None
    ended_at: str | None = None
    end_reason: str | None = None
    outcome: str | None = None
    owner: Owner | None = "agent"  # None once the call is over
    slots: list[SlotView] = []
    handoff: HandoffView | None = None


class TranscriptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance: the data of `transcript.final`."""

    item_id: str
    position: int  # order of speaking within the call, from 0
    speaker: Speaker
    text: str
    heard_text: str
    heard_ms: int | None
    started_at: str
    interrupted: bool


# What each event makes of the call's state and owner; events that are not named change neither.
STATES: dict[str, tuple[CallState, Owner | None]] = {
    "call.started": ("ringing", "agent"),
    "call.answered": ("ai", "agent"),
    "handoff.requested": ("waiting", "agent"),
    "handoff.connected": ("human", "operator"),
    "handoff.returned": ("ai", "agent"),
    "handoff.timed_out": ("ai", "agent"),
    "handoff.withdrawn": ("ai", "agent"),
    "handoff.unavailable": ("ai", "agent"),
    "handoff.callback_booked": ("ai", "agent"),
    "operator.joined": ("human", "operator"),
    "operator.left": ("ai", "agent"),
    "call.ended": ("ended", None),
}

# Who has the call stays who has it.
HOLDING = frozenset({"handoff.held", "handoff.resumed", "handoff.recovering", "handoff.returned"})

SLOT_EVENTS = frozenset({"slot.filled", "slot.confirmed", "slot.corrected"})


class CallProjection:
    """Folds one call's events. `view` and `transcript` are snapshots: later events do not change them."""

    def __init__(self, call_id: str) -> None:
        self._fields: dict[str, Any] = {"id": call_id}
        self._set_by: dict[str, int] = {}
        self._slots: dict[tuple[str, str], SlotView] = {}
        self._handoffs: dict[str, dict[str, Any]] = {}
        self._handoff_order: dict[str, int] = {}
        self._entries: dict[str, TranscriptEntry] = {}
        self.last_seq = -1  # highest folded

    def fold(self, envelope: Envelope) -> None:
        """Take in one event. Live-only events and events of unknown type change nothing."""
        if envelope.seq is None:
            return
        self.last_seq = max(self.last_seq, envelope.seq)
        if envelope.type in STATES and envelope.data.get("mode") != "barge":  # beside the agent, not instead
            state, owner = STATES[envelope.type]
            self._set(envelope.seq, state=state, owner=owner)
        self._set(envelope.seq, **call_facts(envelope))
        if envelope.type == "transcript.final":
            self._fold_transcript(envelope, envelope.seq)
        elif envelope.type in SLOT_EVENTS:
            self._fold_slot(envelope, envelope.seq)
        elif envelope.type.startswith("handoff."):
            self._fold_handoff(envelope, envelope.seq)

    @property
    def view(self) -> CallView:
        """The call now. Slots stand in the order of goal and name."""
        slots = [self._slots[key] for key in sorted(self._slots)]
        handoff: HandoffView | None = None
        if self._handoff_order:
            latest = max(self._handoff_order, key=lambda handoff_id: self._handoff_order[handoff_id])
            handoff = HandoffView(handoff_id=latest, **self._handoffs[latest])
        return CallView(**self._fields, slots=slots, handoff=handoff)

    @property
    def transcript(self) -> list[TranscriptEntry]:
        """What was said, in the order it was spoken."""
        return sorted(self._entries.values(), key=lambda entry: (entry.position, entry.item_id))

    def _newer(self, key: str, seq: int) -> bool:
        if seq < self._set_by.get(key, -1):
            return False
        self._set_by[key] = seq
        return True

    def _set(self, seq: int, **fields: Any) -> None:
        for name, value in fields.items():
            if self._newer(name, seq):
                self._fields[name] = value

    def _fold_transcript(self, envelope: Envelope, seq: int) -> None:
        entry = msgspec.convert(envelope.data, TranscriptEntry)
        if self._newer(f"item:{entry.item_id}", seq):
            self._entries[entry.item_id] = entry

    def _fold_slot(self, envelope: Envelope, seq: int) -> None:
        slot = slot_view(envelope)
        if self._newer(f"slot:{slot.goal}:{slot.slot}", seq):
            self._slots[slot.goal, slot.slot] = slot

    def _fold_handoff(self, envelope: Envelope, seq: int) -> None:
        handoff_id = envelope.data.get("handoff_id")
        if handoff_id is None:
            return
        fields = self._handoffs.setdefault(handoff_id, {"state": ""})
        self._handoff_order[handoff_id] = max(seq, self._handoff_order.get(handoff_id, -1))
        if self._newer(f"handoff:{handoff_id}", seq):
            fields["state"] = envelope.type.removeprefix("handoff.")
        for name, value in handoff_facts(envelope).items():
            if self._newer(f"handoff:{handoff_id}:{name}", seq):
                fields[name] = value
        if envelope.type == "handoff.requested":
            fields |= {name: envelope.data.get(name) for name in ("reason", "summary", "method")}
            fields["requested_at"] = min(envelope.at, fields.get("requested_at", envelope.at))


def slot_view(envelope: Envelope) -> SlotView:
    """The slot as one of the SLOT_EVENTS leaves it."""
    data = envelope.data
    confirmed = envelope.type == "slot.confirmed" or bool(data.get("confirmed", False))
    return SlotView(goal=data["goal"], slot=data["slot"], value=data.get("value"), confirmed=confirmed)


def handoff_facts(envelope: Envelope) -> dict[str, Any]:
    """What one handoff event says of who is asked and until when: HandoffView's field names and values."""
    names = ("offer_id", "operator", "until")
    if envelope.type in HOLDING:
        facts = {name: envelope.data[name] for name in names if name in envelope.data}
        facts["until"] = envelope.data.get("until")
    else:
        facts = {name: envelope.data.get(name) for name in names}
    return facts | {name: envelope.data[name] for name in ("queue", "attempt") if name in envelope.data}


def call_facts(envelope: Envelope) -> dict[str, Any]:
    """What one event says about the call itself, besides its state: CallView's field names and values."""
    data = envelope.data
    match envelope.type:
        case "call.started":
            names = ("direction", "agent", "agent_version", "caller")
            return {"started_at": envelope.at} | {name: data.get(name) for name in names}
        case "call.answered":
            return {"answered_at": envelope.at}
        case "call.ended":
            facts = {"ended_at": envelope.at, "end_reason": data.get("reason")}
            return facts | ({"outcome": data["outcome"]} if data.get("outcome") else {})
        case "call.annotated" if data.get("kind") == "outcome":
            return {"outcome": data.get("value")}
        case _:
            return {}


def fold_call(call_id: str, envelopes: Iterable[Envelope]) -> CallView:
    """The call that these events make."""
    projection = CallProjection(call_id)
    for envelope in envelopes:
        projection.fold(envelope)
    return projection.view


def fold_transcript(envelopes: Iterable[Envelope]) -> list[TranscriptEntry]:
    """The transcript that these events make, in the order of speaking."""
    projection = CallProjection("")
    for envelope in envelopes:
        projection.fold(envelope)
    return projection.transcript
