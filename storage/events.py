"""What can happen on a call: one frozen value per event type, the vocabulary everyone shares.

The class is the schema of the envelope's `data`; `type` is the name on the wire. Times are RFC 3339
UTC strings with milliseconds, durations are integer milliseconds.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

Speaker = Literal["caller", "agent", "operator"]
EndReason = Literal[
    "caller_hangup",
    "agent_hangup",
    "operator_hangup",
    "transferred",
    "timeout",
    "silence",
    "max_duration",
    "peer_lost",
    "node_lost",
    "provider_failed",
    "refused",
    "error",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every event's data."""

    type: ClassVar[str]
    live_only: ClassVar[bool] = False  # True: shown live, never numbered, never stored


class CallStarted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "call.started"
    direction: Literal["inbound", "outbound"]
    agent: str
    agent_version: str
    caller: str | None  # E.164 number or the name the call ticket gave; None where nothing is known
    called: str | None
    media: Literal["webrtc", "sip"]
    node: str
    required_slots: dict[str, list[str]] | None = None  # goal → what it needs; None: not told


class CallAnswered(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "call.answered"
    setup_ms: int  # offer received → media connected
    codec: str


class CallPeerLost(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "call.peer_lost"
    silent_ms: int  # since the last packet from the peer


class CallPeerResumed(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "call.peer_resumed"
    gap_ms: int


class CallEnded(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "call.ended"
    reason: EndReason
    last_seq: int = -1  # its own seq; the Sequencer fills it in, whatever stands here
    duration_ms: int
    hung_up_ms: int | None = None  # when the line was closed, on the clock of duration_ms
    outcome: str | None  # an id of the agent's outcomes
    summary: str | None = None  # what the caller wanted and what came of it, from the words that were heard
    metrics: dict[str, Any]


class CallAnnotated(Event, frozen=True, kw_only=True):
    """A fact learnt after `call.ended`; the only type that may follow it."""

    type: ClassVar[str] = "call.annotated"
    kind: Literal["outcome", "wrap_up", "rating", "judgement"]
    value: Any
    by: str | None = None  # who said so: an operator's id, or None for the machine


class SessionConfigured(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "session.configured"
    session_id: str
    model: str
    connect_ms: int


class SessionReconnected(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "session.reconnected"
    cause: str
    gap_ms: int  # how long the agent was deaf


class SessionFailed(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "session.failed"
    code: str
    message: str


class WatchdogStep(Event, frozen=True, kw_only=True):
    """Something was done about a silence: the agent's, or the caller's."""

    type: ClassVar[str] = "watchdog.step"
    step: Literal["filler", "reask", "new_session", "next_model", "notice", "idle_prompt", "idle_hang_up"]
    waited_ms: int


class TurnStarted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "turn.started"
    turn: int
    speaker: Speaker
    item_id: str


class LatencyBreakdown(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time from the caller's last word to the agent's first one went; the parts add up to it.

    The first four are spent on our side of the line and add up to `response_latency_ms`.
    """

    endpointing_ms: int  # the silence that proves the end of the caller's words
    transport_in_ms: int  # from the end of that silence until we are told of it: the way there and back
    model_ms: int  # until the first audio of the answer comes, tools included
    playout_ms: int  # until its first packet leaves: resampling, encoding, pacing
    transport_out_ms: int  # until the caller hears it: half the round trip and the receiver's buffer


class TurnCompleted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "turn.completed"
    turn: int
    response_latency_ms: int | None  # caller's last speech → agent's first packet sent; None for a greeting
    tools: list[str]
    latency_breakdown: LatencyBreakdown | None = None  # None: not measured


class TurnResumed(Event, frozen=True, kw_only=True):
    """The agent had paused at a sound that was nobody's words, and went on."""

    type: ClassVar[str] = "turn.resumed"
    paused_ms: int


class TurnInterrupted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "turn.interrupted"
    item_id: str
    heard_ms: int
    heard_text: str


class TranscriptPartial(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "transcript.partial"
    live_only: ClassVar[bool] = True
    item_id: str
    speaker: Speaker
    text: str  # the whole text so far, not a delta


class TranscriptFinal(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "transcript.final"
    item_id: str
    position: int  # order of speaking within the call, from 0
    speaker: Speaker
    text: str
    heard_text: str  # what of it reached the caller's ear; equals text for a caller's own words
    heard_ms: int | None  # None where the length is not known (a caller's words)
    started_at: str  # RFC 3339, when the speaker began
    interrupted: bool
    # On the clock of `call.ended.duration_ms`; None where it is not known. The agent's: the first and the last
    # packet sent. The caller's: the first and the last sound, without what voice detection adds to both ends.
    start_ms: int | None = None
    end_ms: int | None = None


class ToolCalled(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "tool.called"
    name: str
    call_item_id: str
    arguments: dict[str, Any]


class ToolFinished(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "tool.finished"
    name: str
    call_item_id: str
    ok: bool
    duration_ms: int
    output: Any  # what the model was told
    error: str | None  # code, where not ok


class SlotFilled(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "slot.filled"
    goal: str
    slot: str
    value: Any  # ISO text for dates and times, a JSON number or boolean where the slot's type is one
    confirmed: bool


class SlotConfirmed(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "slot.confirmed"
    goal: str
    slot: str
    value: Any


class SlotCorrected(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "slot.corrected"
    goal: str
    slot: str
    value: Any
    previous: Any


class GoalCompleted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "goal.completed"
    goal: str
    status: str
    rung: str | None


class HandoffRequested(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.requested"
    handoff_id: str
    reason: str
    summary: str
    method: Literal["ai", "caller", "operator", "policy", "failure"]


class HandoffQueued(Event, frozen=True, kw_only=True):
    """Waits for an operator: for the first time, or again with the age that it has."""

    type: ClassVar[str] = "handoff.queued"
    handoff_id: str
    queue: str
    why: str  # requested, declined, no_answer, lost, no_media, not_for_me, …
    attempt: int  # offers made so far
    waited_ms: int
    until: str  # RFC 3339: when the caller is told that nobody is free


class HandoffOffered(Event, frozen=True, kw_only=True):
    """One operator's console rings."""

    type: ClassVar[str] = "handoff.offered"
    handoff_id: str
    operator: str
    offer_id: str
    attempt: int  # from 1
    until: str  # RFC 3339: then it goes to somebody else


class HandoffAccepted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.accepted"
    handoff_id: str
    operator: str
    offer_id: str | None  # None: taken without having been offered
    waited_ms: int
    until: str  # RFC 3339: by then the operator's audio has to be there


class HandoffDeclined(Event, frozen=True, kw_only=True):
    """An operator did not take it; `handoff.queued` follows."""

    type: ClassVar[str] = "handoff.declined"
    handoff_id: str
    operator: str
    offer_id: str | None  # None: after accepting
    reason: str  # the operator's word, or no_answer, lost, no_media, not_for_me, briefing_over


class HandoffConnected(Event, frozen=True, kw_only=True):
    """Operator and caller hear each other."""

    type: ClassVar[str] = "handoff.connected"
    handoff_id: str
    operator: str
    waited_ms: int


class HandoffHeld(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.held"
    handoff_id: str


class HandoffResumed(Event, frozen=True, kw_only=True):
    """Operator and caller hear each other again, after a hold or a lost leg."""

    type: ClassVar[str] = "handoff.resumed"
    handoff_id: str


class HandoffRecovering(Event, frozen=True, kw_only=True):
    """The operator's leg is lost; the caller hears a tone."""

    type: ClassVar[str] = "handoff.recovering"
    handoff_id: str
    operator: str
    until: str  # RFC 3339: then the agent takes the call


class HandoffReturned(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.returned"
    handoff_id: str
    operator: str | None
    why: Literal["given_back", "operator_lost"]
    note: str | None  # the operator's, for the agent


class HandoffTimedOut(Event, frozen=True, kw_only=True):
    """Nobody came in time."""

    type: ClassVar[str] = "handoff.timed_out"
    handoff_id: str
    waited_ms: int
    attempts: int


class HandoffWithdrawn(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.withdrawn"
    handoff_id: str
    why: str
    waited_ms: int


class HandoffUnavailable(Event, frozen=True, kw_only=True):
    """Nobody can take it: closed, nobody, full, directory_lost."""

    type: ClassVar[str] = "handoff.unavailable"
    handoff_id: str
    why: str
    waited_ms: int


class HandoffAbandoned(Event, frozen=True, kw_only=True):
    """The caller left (or the server was lost) before a person had the call."""

    type: ClassVar[str] = "handoff.abandoned"
    handoff_id: str
    stage: str  # the state it was in: requested, queued, offered, connecting, briefing, recovering
    why: Literal["caller_left", "node_lost"]
    waited_ms: int | None


class HandoffCallbackBooked(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "handoff.callback_booked"
    handoff_id: str
    number: str | None  # E.164, or None: the number the caller calls from
    when: str | None  # in the caller's words
    waited_ms: int


class OperatorJoined(Event, frozen=True, kw_only=True):
    """A person is on the line. `talk`: instead of the agent; `barge`: beside it."""

    type: ClassVar[str] = "operator.joined"
    operator: str
    mode: Literal["talk", "barge"]


class OperatorLeft(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "operator.left"
    operator: str
    mode: Literal["talk", "barge"]


class DtmfReceived(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "dtmf.received"
    digit: str
    duration_ms: int


class RecordingStarted(Event, frozen=True, kw_only=True):
    """The call's audio is being kept from here on."""

    type: ClassVar[str] = "recording.started"
    offset_ms: int  # call.started → the file's first sample: transcripts are placed in the file by it
    notice_heard: bool  # False: the agent has no notice to give


class RecordingFinished(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "recording.finished"
    bytes: int
    duration_ms: int
    lost_ms: int  # silence in the file because the disk did not keep up
    problem: str | None = None  # why it ends before the call did


class RecordingDeleted(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "recording.deleted"
    reason: Literal["refused"]  # by the caller; what is deleted later is in the audit log


class QualitySampled(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "quality.sampled"
    packets_received: int
    packets_lost: int
    concealed_ms: int
    jitter_ms: float
    rtt_ms: float | None


class UsageRecorded(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "usage.recorded"
    response_id: str
    model: str
    input_tokens: int
    output_tokens: int
    input_audio_tokens: int
    input_text_tokens: int
    cached_tokens: int
    output_audio_tokens: int
    output_text_tokens: int
    cached_audio_tokens: int | None = None  # of cached_tokens; None: not told apart
    cached_text_tokens: int | None = None


def _by_type(base: type[Event]) -> dict[str, type[Event]]:
    return {event.type: event for event in base.__subclasses__()}


# Wire name → class, in the order of this file: what the schema documents are generated from.
EVENT_TYPES: dict[str, type[Event]] = _by_type(Event)
