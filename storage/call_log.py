"""One call's log, read for what can be measured of it.

Events are taken in the order of their numbers, each once, however they came; one whose data does not fit its type
is as if it were not there. Times of speech are on the call's clock (ms, that of `call.ended.duration_ms`); events
are put on the same clock by when the call ended, or by its beginning while it has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from storage import events as e
from storage.codec import EnvelopeError, happened_at
from storage.envelope import Envelope
from storage.speech import Span

SlotKey = tuple[str, str]  # goal, slot

# Between these the agent does not have the call, and silence is not its silence.
_AWAY = {
    "call.peer_lost": "line",
    "handoff.connected": "person",
    "handoff.held": "hold",
    "handoff.recovering": "hold",
    "operator.joined": "operator",
}
_BACK = {
    "call.peer_resumed": ("line",),
    "handoff.resumed": ("hold",),
    "handoff.returned": ("person", "hold"),
    "operator.left": ("operator", "person"),
}


@dataclass(slots=True)
class Handoff:
    """One hand-over, so far as the log tells of it."""

    method: str = "ai"
    requested_ms: int | None = None
    connected_ms: int | None = None
    wait_ms: int | None = None
    state: str = "requested"
    offered: int = 0
    declined: int = 0
    returned: bool = False


@dataclass(slots=True)
class CallLog:
    """What the events say, by subject; lists are in the order of seq."""

    complete: bool = False
    started: e.CallStarted | None = None
    started_at: str | None = None
    ended: e.CallEnded | None = None
    answered_ms: int = 0
    turns_started: list[e.TurnStarted] = field(default_factory=list)
    turns_completed: list[e.TurnCompleted] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)  # item ids
    resumed: int = 0
    said: list[e.TranscriptFinal] = field(default_factory=list)
    tools_called: list[e.ToolCalled] = field(default_factory=list)
    tools_finished: list[e.ToolFinished] = field(default_factory=list)
    slots: dict[SlotKey, bool] = field(default_factory=dict)  # confirmed since its last change
    goals: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # status and rung, the last
    handoffs: dict[str, Handoff] = field(default_factory=dict)
    human: bool = False
    elsewhere: list[Span] = field(default_factory=list)  # on hold, with a person, line lost
    quality: list[e.QualitySampled] = field(default_factory=list)
    usage: list[tuple[e.UsageRecorded, str]] = field(default_factory=list)  # with the day, YYYY-MM-DD
    outcome: str | None = None
    rating: float | None = None

    @property
    def duration_ms(self) -> int | None:
        return self.ended.duration_ms if self.ended else None

    @property
    def hung_up_ms(self) -> int | None:
        return self.ended.hung_up_ms if self.ended else None

    @property
    def required_slots(self) -> set[SlotKey] | None:
        if self.started is None or self.started.required_slots is None:
            return None
        return {(goal, slot) for goal, slots in self.started.required_slots.items() for slot in slots}

    @property
    def agent_items(self) -> dict[str, Span]:
        """Which item of the agent's was on the line when."""
        spans = ((said.item_id, _span(said)) for said in self.said if said.speaker == "agent")
        return {item_id: span for item_id, span in spans if span is not None}

    @property
    def agent_speech(self) -> list[Span]:
        return list(self.agent_items.values())

    @property
    def caller_speech(self) -> list[Span]:
        """Speech with words: what nobody could write down is not here."""
        spans = (_span(said) for said in self.said if said.speaker == "caller")
        return [span for span in spans if span is not None]

    def caller_segments(self, segments: Sequence[Span]) -> Iterator[tuple[Span, int]]:
        """Each of these segments of the caller's with the number of its words."""
        lines = [(_span(said), len(said.text.split())) for said in self.said if said.speaker == "caller"]
        for segment in segments:
            within = [count for span, count in lines if span and segment.start <= span.start < segment.end]
            yield segment, sum(within)

    def abandoned(self, handoff: Handoff) -> bool:
        """The caller left before a person had the call."""
        if handoff.connected_ms is not None:
            return False
        left = self.ended is not None and self.ended.reason in ("caller_hangup", "peer_lost")
        waiting = handoff.state in ("requested", "queued", "offered", "accepted", "declined")
        return handoff.state == "abandoned" or (left and waiting)


def read_log(envelopes: Iterable[Envelope]) -> CallLog:
    """Read the numbered events of one call."""
    by_seq = {envelope.seq: envelope for envelope in envelopes if envelope.seq is not None}
    ordered = [by_seq[seq] for seq in sorted(by_seq)]
    log = CallLog()
    reader = _Reader(log, ordered)
    for envelope in ordered:
        reader.read(envelope)
    reader.finish()
    log.complete = bool(ordered) and len(ordered) == max(by_seq) + 1 and log.ended is not None
    return log


class _Reader:
    def __init__(self, log: CallLog, ordered: Sequence[Envelope]) -> None:
        self._log = log
        self._zero = _zero(ordered)
        self._away: dict[str, int] = {}

    def read(self, envelope: Envelope) -> None:
        event = _event(envelope)
        if event is None:
            return
        at_ms = self._at(envelope)
        self._place(envelope.type, at_ms)
        log = self._log
        match event:
            case e.CallStarted():
                log.started, log.started_at = event, envelope.at
            case e.CallAnswered():
                log.answered_ms = at_ms
            case e.CallEnded():
                log.ended = event
                log.outcome = event.outcome
            case e.CallAnnotated():
                self._annotated(event)
            case e.TurnStarted():
                log.turns_started.append(event)
            case e.TurnCompleted():
                log.turns_completed.append(event)
            case e.TurnInterrupted():
                log.interrupted.append(event.item_id)
            case e.TurnResumed():
                log.resumed += 1
            case e.TranscriptFinal():
                log.said.append(event)
            case e.ToolCalled():
                log.tools_called.append(event)
            case e.ToolFinished():
                log.tools_finished.append(event)
            case e.SlotFilled() | e.SlotCorrected() | e.SlotConfirmed():
                confirmed = isinstance(event, e.SlotConfirmed) or getattr(event, "confirmed", False)
                log.slots[event.goal, event.slot] = confirmed
            case e.GoalCompleted():
                log.goals[event.goal] = (event.status, event.rung)
            case e.QualitySampled():
                log.quality.append(event)
            case e.UsageRecorded():
                log.usage.append((event, envelope.at[:10]))
            case e.OperatorJoined():
                log.human = True
            case _ if envelope.type.startswith("handoff."):
                self._handoff(envelope, at_ms)

    def finish(self) -> None:
        """What had not come back when the call ended stayed away to its end."""
        end = self._log.duration_ms
        for since in self._away.values():
            if end is not None:
                self._log.elsewhere.append(Span(since, max(since, end)))

    def _handoff(self, envelope: Envelope, at_ms: int) -> None:
        data = envelope.data
        handoff = self._log.handoffs.setdefault(data["handoff_id"], Handoff())
        handoff.state = envelope.type.removeprefix("handoff.")
        match handoff.state:
            case "requested":
                handoff.method, handoff.requested_ms = data["method"], at_ms
            case "offered":
                handoff.offered += 1
            case "declined":
                handoff.declined += 1
            case "connected":
                self._log.human = True
                if handoff.connected_ms is None:
                    handoff.connected_ms = at_ms
                    handoff.wait_ms = data.get("waited_ms")
                if handoff.wait_ms is None and handoff.requested_ms is not None:
                    handoff.wait_ms = max(0, at_ms - handoff.requested_ms)
            case "returned":
                handoff.returned = True

    def _annotated(self, event: e.CallAnnotated) -> None:
        value = event.value
        match event.kind:
            case "outcome":
                self._log.outcome = None if value is None else str(value)
            case "rating" if isinstance(value, int | float) and not isinstance(value, bool):
                self._log.rating = float(value)
            case "judgement" if isinstance(value, dict) and isinstance(value.get("goal"), str):
                rung = value.get("rung") or ("human_review" if event.by else "model_judge")
                self._log.goals[value["goal"]] = (str(value.get("status")), str(rung))

    def _place(self, kind: str, at_ms: int) -> None:
        """Who has the call."""
        if kind in _AWAY:
            self._away.setdefault(_AWAY[kind], at_ms)
        for place in _BACK.get(kind, ()):
            since = self._away.pop(place, None)
            if since is not None:
                self._log.elsewhere.append(Span(since, max(since, at_ms)))

    def _at(self, envelope: Envelope) -> int:
        at = _time(envelope)
        return 0 if at is None or self._zero is None else max(0, round((at - self._zero) * 1000))


def _event(envelope: Envelope) -> e.Event | None:
    kind = e.EVENT_TYPES.get(envelope.type)
    if kind is None:
        return None
    try:
        return msgspec.convert(envelope.data, kind)
    except msgspec.ValidationError:
        return None


def _span(said: e.TranscriptFinal) -> Span | None:
    if said.start_ms is None or said.end_ms is None or said.end_ms < said.start_ms:
        return None
    return Span(said.start_ms, said.end_ms)


def _zero(ordered: Sequence[Envelope]) -> float | None:
    """When the call's clock stood at nought, as a POSIX time."""
    for envelope in reversed(ordered):
        duration: Any = envelope.data.get("duration_ms")
        at = _time(envelope)
        if envelope.type == "call.ended" and at is not None and isinstance(duration, int):
            return at - duration / 1000
    return _time(ordered[0]) if ordered else None


def _time(envelope: Envelope) -> float | None:
    try:
        at: datetime = happened_at(envelope)
    except EnvelopeError:
        return None
    return at.timestamp()
