"""What the switchboard remembers of calls that are over: until they are on record, and not without bound."""

from __future__ import annotations

import asyncio

import pytest

from realtime.tools.registry import ToolRegistry
from signaling.admission import Admission
from signaling.server import switchboard as module
from signaling.server.switchboard import EndedCall, Switchboard
from storage.bus.cancellation import cancel_for_sure
from storage.projection import CallProjection
from tests.fakes.call_story import numbered, stamped, whole_call
from tests.fakes.eventually import eventually


class Waiting:
    """Implements Unstored: calls of which something is not on record yet."""

    def __init__(self, *call_ids: str) -> None:
        self.call_ids = set(call_ids)

    async def events_after(self, call_id, after, limit):
        return numbered(stamped(whole_call(), call_id))[:limit] if call_id in self.call_ids else []


def board() -> Switchboard:
    return Switchboard(agents={}, tools=ToolRegistry(), services=None, admission=Admission(1))


class Over:
    """As much of a session as is looked at once it is over."""

    def __init__(self) -> None:
        self.journal = numbered(stamped(whole_call()))
        self.call_id = self.journal[0].call_id
        self.projection = CallProjection(self.call_id)
        for event in self.journal:
            self.projection.fold(event)
        self.log = self  # what is kept of it


async def test_an_ended_call_stays_readable_in_full_until_it_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RECENT_S", 0.0)
    monkeypatch.setattr(module, "FORGET_EVERY_S", 0.001)
    stored, waiting = Over(), Over()
    switchboard, outbox = board(), Waiting(waiting.call_id)
    switchboard._remember(stored)
    switchboard._remember(waiting)
    forgetting = asyncio.create_task(switchboard.forget(outbox))

    await eventually(lambda: switchboard.live_call(stored.call_id) is None)
    assert switchboard.live_events(waiting.call_id, -1) == waiting.journal

    outbox.call_ids.clear()
    await eventually(lambda: switchboard.live_call(waiting.call_id) is None)
    await cancel_for_sure(forgetting)


async def test_within_its_first_minute_an_ended_call_is_there_wherever_its_events_are() -> None:
    switchboard, over = board(), Over()
    switchboard._remember(over)

    assert switchboard.live_transcript(over.call_id) == over.projection.transcript
    assert switchboard.live_calls() == []
    assert isinstance(switchboard._find(over.call_id), EndedCall)


async def test_a_long_outage_of_the_record_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [Over() for _ in range(5)]
    monkeypatch.setattr(module, "MOST_EVENTS_KEPT", 2 * len(calls[0].journal))
    switchboard = board()
    for call in calls:
        switchboard._remember(call)

    assert [switchboard.live_call(call.call_id) is not None for call in calls] == [False] * 3 + [True] * 2


async def test_own_calls_are_known_as_own_long_after_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLS_KNOWN", 3)
    switchboard = board()
    calls = [switchboard._new_call() for _ in range(5)]

    assert [switchboard.owns(call_id) for call_id in calls] == [False, False, True, True, True]


async def test_an_erased_call_is_forgotten_at_once_and_others_are_not() -> None:
    switchboard, erased, kept = board(), Over(), Over()
    for call in (erased, kept):
        switchboard._remember(call)

    assert switchboard.erase([erased.call_id, "unknown"]) == set()

    assert switchboard.live_events(erased.call_id, -1) is None
    assert switchboard.live_events(kept.call_id, -1) == kept.journal
