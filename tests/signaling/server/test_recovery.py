"""The end of calls whose server died."""

from __future__ import annotations

from datetime import timedelta

from signaling.server.recovery import finish_stories
from storage.bus.outbox import OpenCall
from storage.call_ids import new_call_id
from storage.envelope import Envelope
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
