"""The end of calls whose server died."""

from __future__ import annotations

from datetime import timedelta

import pytest

from signaling.server.recovery import STAGES, finish_stories
from storage.bus.outbox import OpenCall
from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.events import EVENT_TYPES
from tests.fakes.call_story import NOON


def test_a_call_that_was_left_open_is_ended_with_the_next_number_and_what_is_known() -> None:
    call = OpenCall(
        call_id=new_call_id(),
        tenant="other",
        started_at=NOON,
        last_at=NOON + timedelta(seconds=61.5),
        last_seq=16,
    )
    emitted: list[Envelope] = []

    assert finish_stories([call], emitted.append, NOON + timedelta(hours=1)) == 1

    (end,) = emitted
    assert (end.type, end.call_id, end.tenant, end.seq) == ("call.ended", call.call_id, "other", 17)
    assert end.at == "2026-11-22T13:00:00.000Z"
    assert (end.data["reason"], end.data["last_seq"], end.data["duration_ms"]) == ("node_lost", 17, 61_500)
    assert (end.data["outcome"], end.data["metrics"]) == (None, {})


def test_a_clock_that_was_set_back_meanwhile_makes_no_negative_duration() -> None:
    call = OpenCall(
        call_id=new_call_id(),
        tenant="default",
        started_at=NOON,
        last_at=NOON - timedelta(seconds=5),
        last_seq=0,
    )
    emitted: list[Envelope] = []

    finish_stories([call], emitted.append, NOON)

    assert emitted[0].data["duration_ms"] == 0


def test_without_open_calls_nothing_is_said() -> None:
    assert finish_stories([], lambda envelope: None, NOON) == 0


@pytest.mark.parametrize("kind", sorted(STAGES))
def test_a_handoff_that_was_open_is_ended_first_with_the_stage_it_was_in(kind: str) -> None:
    call = OpenCall(
        call_id=new_call_id(),
        tenant="default",
        started_at=NOON,
        last_at=NOON,
        last_seq=4,
        handoff_id="h1",
        handoff=kind,
    )
    emitted: list[Envelope] = []

    finish_stories([call], emitted.append, NOON)

    assert [(each.type, each.seq) for each in emitted] == [("handoff.abandoned", 5), ("call.ended", 6)]
    assert emitted[0].data["stage"] == STAGES[kind].value
    assert emitted[0].data["why"] == "node_lost"
    assert emitted[1].data["last_seq"] == 6


@pytest.mark.parametrize("kind", ["handoff.returned", "handoff.timed_out", "handoff.callback_booked"])
def test_a_handoff_that_was_over_stays_as_it_is(kind: str) -> None:
    call = OpenCall(
        call_id=new_call_id(),
        tenant="default",
        started_at=NOON,
        last_at=NOON,
        last_seq=4,
        handoff_id="h1",
        handoff=kind,
    )
    emitted: list[Envelope] = []

    finish_stories([call], emitted.append, NOON)

    assert [each.type for each in emitted] == ["call.ended"]


def test_every_handoff_event_is_open_or_over() -> None:
    over = {"returned", "timed_out", "withdrawn", "unavailable", "abandoned", "callback_booked"}
    kinds = {kind for kind in EVENT_TYPES if kind.startswith("handoff.")}
    assert kinds == set(STAGES) | {f"handoff.{each}" for each in over}
