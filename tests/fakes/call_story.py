"""A call's events as they would come from the media server, for tests of everything behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.call_ids import new_call_id
from storage.envelope import Envelope, Sequencer
from storage.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    Event,
    HandoffRequested,
    SlotFilled,
    ToolCalled,
    ToolFinished,
    TranscriptFinal,
    TranscriptPartial,
    TurnCompleted,
    TurnInterrupted,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def started(agent: str = "dental") -> CallStarted:
    return CallStarted(
        direction="inbound",
        agent=agent,
        agent_version="1",
        caller="+12065550123",
        called=None,
        media="webrtc",
        node="test",
    )


def said(position: int, text: str, *, item_id: str | None = None) -> TranscriptFinal:
    return TranscriptFinal(
        item_id=item_id or f"item_{position}",
        position=position,
        speaker="caller" if position % 2 else "agent",
        text=text,
        heard_text=text,
        heard_ms=None if position % 2 else 1200,
        started_at="2026-11-22T12:00:03.000Z",
        interrupted=False,
    )


def ended() -> CallEnded:
    metrics = {"turns": 2, "interruptions": 1, "latency_p50_ms": 420, "latency_p95_ms": 800, "tools": {}}
    return CallEnded(reason="caller_hangup", duration_ms=61_000, outcome="booked", metrics=metrics)


def whole_call() -> list[Event]:
    """Every kind of row comes out of this."""
    return [
        started(),
        CallAnswered(setup_ms=180, codec="opus"),
        said(0, "Good morning, how can I help?"),
        TranscriptPartial(item_id="item_1", speaker="caller", text="I want"),
        said(1, "I want to book a check-up."),
        ToolCalled(name="schedule_appointment", call_item_id="fc_1", arguments={"date": "2026-11-25"}),
        ToolFinished(
            name="schedule_appointment",
            call_item_id="fc_1",
            ok=True,
            duration_ms=35,
            output={"booked": [1, 2]},
            error=None,
        ),
        SlotFilled(goal="booking", slot="date", value="2026-11-25", confirmed=False),
        TurnInterrupted(item_id="item_2", heard_ms=600, heard_text="Your appointment"),
        TurnCompleted(turn=2, response_latency_ms=420, tools=["schedule_appointment"]),
        HandoffRequested(handoff_id="h1", reason="asked", summary="Wants a person", method="caller"),
        ended(),
    ]


def stamped(events: list[Event], call_id: str | None = None) -> list[Envelope]:
    """The events a second apart, from noon on."""
    sequencer = Sequencer(call_id or new_call_id())
    return [sequencer.stamp(event, NOON + timedelta(seconds=n)) for n, event in enumerate(events)]


def numbered(envelopes: list[Envelope]) -> list[Envelope]:
    """Without the live-only ones."""
    return [envelope for envelope in envelopes if not envelope.live_only]
