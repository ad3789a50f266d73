"""Calls of every kind for the figures: random ones that could have happened, and helpers to write one down."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from storage.call_ids import new_call_id
from storage.envelope import Envelope, Sequencer
from storage.events import (
    CallAnnotated,
    CallAnswered,
    CallEnded,
    CallStarted,
    Event,
    GoalCompleted,
    HandoffConnected,
    HandoffRequested,
    LatencyBreakdown,
    QualitySampled,
    SlotConfirmed,
    SlotFilled,
    ToolCalled,
    ToolFinished,
    TranscriptFinal,
    TurnCompleted,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
    UsageRecorded,
)
from tests.fakes.call_story import NOON

AGENTS = (("dental", "v1"), ("dental", "v2"), ("sales", "v1"))


def line(
    speaker: Any, start_ms: int, end_ms: int, text: str = "words", *, item: str = "", heard: str | None = None
) -> TranscriptFinal:
    """Somebody said something, from then to then on the call's clock."""
    return TranscriptFinal(
        item_id=item or f"{speaker}_{start_ms}",
        position=start_ms,
        speaker=speaker,
        text=text,
        heard_text=text if heard is None else heard,
        heard_ms=end_ms - start_ms if speaker == "agent" else None,
        started_at="2026-11-22T12:00:00.000Z",
        interrupted=heard is not None,
        start_ms=start_ms,
        end_ms=end_ms,
    )


def begun(
    agent: str = "dental", version: str = "v1", slots: dict[str, list[str]] | None = None
) -> CallStarted:
    return CallStarted(
        direction="inbound",
        agent=agent,
        agent_version=version,
        caller=None,
        called=None,
        media="webrtc",
        node="test",
        required_slots=slots,
    )


def over(duration_ms: int, *, hung_up_ms: int | None = None, reason: Any = "caller_hangup") -> CallEnded:
    return CallEnded(
        reason=reason,
        duration_ms=duration_ms,
        hung_up_ms=duration_ms if hung_up_ms is None else hung_up_ms,
        outcome=None,
        metrics={"turns": 0, "interruptions": 0, "latency_p50_ms": None, "latency_p95_ms": None},
    )


def used(model: str = "gpt-realtime-2.1", response: str = "r1") -> UsageRecorded:
    return UsageRecorded(
        response_id=response,
        model=model,
        input_tokens=1500,
        output_tokens=300,
        input_audio_tokens=500,
        input_text_tokens=1000,
        cached_tokens=800,
        output_audio_tokens=200,
        output_text_tokens=100,
        cached_audio_tokens=0,
        cached_text_tokens=800,
    )


def recorded(
    story: list[tuple[int, Event]], *, call_id: str | None = None, at: datetime = NOON
) -> list[Envelope]:
    """Events with the milliseconds at which each was put on record, counted from the call's nought."""
    sequencer = Sequencer(call_id or new_call_id())
    return [sequencer.stamp(event, at + timedelta(milliseconds=ms)) for ms, event in story]


_ms = st.integers(0, 20_000)


@st.composite
def _something(draw: st.DrawFn) -> Event:
    n = draw(st.integers(0, 3))
    start = draw(_ms)
    latency = draw(st.none() | st.integers(0, 9_000))
    known: list[Event] = [
        TurnStarted(turn=n, speaker=draw(st.sampled_from(("caller", "agent"))), item_id=f"i{n}"),
        TurnCompleted(
            turn=n,
            response_latency_ms=latency,
            tools=draw(st.sampled_from(([], ["look_up"]))),
            latency_breakdown=draw(
                st.none()
                | st.just(
                    LatencyBreakdown(
                        endpointing_ms=200,
                        transport_in_ms=30,
                        model_ms=300,
                        playout_ms=20,
                        transport_out_ms=60,
                    )
                )
            ),
        ),
        TurnInterrupted(item_id=f"i{n}", heard_ms=10, heard_text=""),
        TurnResumed(paused_ms=300),
        line(
            draw(st.sampled_from(("caller", "agent"))),
            start,
            start + draw(st.integers(0, 5_000)),
            draw(st.sampled_from(("What?", "yes", "I want an appointment on Tuesday"))),
            item=f"i{n}",
        ),
        ToolCalled(name="look_up", call_item_id=f"t{n}", arguments={}),
        ToolFinished(
            name="record_information",
            call_item_id=f"t{n}",
            ok=False,
            duration_ms=1,
            output=None,
            error="not_recorded",
        ),
        SlotFilled(goal="g", slot=f"s{n}", value=n, confirmed=False),
        SlotConfirmed(goal="g", slot=f"s{n}", value=n),
        GoalCompleted(
            goal=f"g{n}",
            status=draw(st.sampled_from(("achieved", "partial", "not_achieved", "unknown"))),
            rung="facts_heard",
        ),
        HandoffRequested(handoff_id=f"h{n}", reason="", summary="", method="caller"),
        HandoffConnected(handoff_id=f"h{n}", operator="anna", waited_ms=start),
        QualitySampled(
            packets_received=start,
            packets_lost=n,
            concealed_ms=n,
            jitter_ms=n / 10,
            rtt_ms=draw(st.none() | st.just(33.3)),
        ),
        used(draw(st.sampled_from(("gpt-realtime-2.1", "somebody-elses"))), f"r{n}"),
    ]
    return draw(st.sampled_from(known))


@st.composite
def random_calls(draw: st.DrawFn) -> list[Envelope]:
    """A whole call of any content, with up to two later annotations."""
    agent, version = draw(st.sampled_from(AGENTS))
    duration = draw(st.integers(1_000, 60_000))
    middle = draw(st.lists(_something(), max_size=12))
    later: list[Event] = draw(
        st.lists(
            st.sampled_from(
                [
                    CallAnnotated(kind="outcome", value="booked"),
                    CallAnnotated(kind="rating", value=4),
                    CallAnnotated(kind="judgement", value={"goal": "g0", "status": "achieved"}, by="anna"),
                ]
            ),
            max_size=2,
        )
    )
    story: list[tuple[int, Event]] = [
        (0, begun(agent, version, draw(st.none() | st.just({"g": ["s0", "s1"]})))),
        (200, CallAnswered(setup_ms=200, codec="opus")),
        *((300 + n, event) for n, event in enumerate(middle)),
        (duration, over(duration)),
        *((duration + 5_000, event) for event in later),
    ]
    return recorded(story, at=NOON + timedelta(minutes=draw(st.integers(0, 180))))
