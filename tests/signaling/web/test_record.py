"""One call out of memory, outbox and record together: whole, in order, and honest about what is missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import RecordUnavailable, UnknownCall
from signaling.other_calls import OtherCalls
from signaling.web import record as record_module
from signaling.web.feed import Feed
from signaling.web.record import Record
from storage.call_ids import new_call_id
from storage.envelope import Envelope, Sequencer
from storage.projection import fold_call, fold_transcript
from tests.fakes.call_desk import FakeArchive, FakeDesk
from tests.fakes.call_story import ended, said, started

DOWN = OSError("Postgres is away")


def a_call(lines: int = 8) -> list[Envelope]:
    """Now, because what is old is no longer waited for."""
    # Ahead of the clock: a hole that is ten minutes old is none any more, and a long run of tests takes longer.
    sequencer, now = Sequencer(new_call_id()), datetime.now(UTC) + timedelta(days=1)
    told = [started(), *[said(n, f"line {n}") for n in range(lines)], ended()]
    return [sequencer.stamp(event, now + timedelta(milliseconds=n)) for n, event in enumerate(told)]


@dataclass
class Outbox:
    """Implements Unstored."""

    events: list[Envelope] = field(default_factory=list)

    async def events_after(self, call_id: str, after: int, limit: int) -> list[Envelope]:
        return [each for each in self.events if each.call_id == call_id and each.seq > after][:limit]


class Shelf(FakeArchive):
    """An archive that holds just these events."""

    def __init__(self, events: list[Envelope], down: Exception | None = None) -> None:
        super().__init__()
        self.events = events
        self.down = down

    async def events_after(self, call_id, after, limit):
        self._call(call_id)
        held = [each for each in self.events if each.seq > after][:limit]
        return held if self.events else None


class Heard:
    """Implements OtherNodes with the real fold."""

    def __init__(self, events: list[Envelope]) -> None:
        self.calls = OtherCalls()
        for event in events:
            self.calls.hear(event, datetime.now(UTC))
        self.live_calls = self.calls.running
        self.live_call = self.calls.view
        self.last_seq = self.calls.last_seq
        self.events_after = self.calls.events_after


def record_of(stored, waiting=(), heard=(), down=None) -> Record:
    return Record(
        desk=FakeDesk(Feed()),
        archive=Shelf(list(stored), down),
        others=Heard(list(heard)),
        unstored=Outbox(list(waiting)),
    )


CALL = a_call()
ID = CALL[0].call_id
SOME = st.sets(st.integers(0, len(CALL) - 1)).map(lambda seqs: [CALL[seq] for seq in sorted(seqs)])


@given(
    stored=SOME,
    waiting=SOME,
    heard=SOME,
    after=st.integers(-1, len(CALL)),
    limit=st.integers(1, 12),
    down=st.booleans(),
)
def test_wherever_the_events_lie_they_come_without_holes_and_doubles(
    stored, waiting, heard, after, limit, down
):
    known = {event.seq for event in [*([] if down else stored), *waiting, *heard]}
    expected = []
    while len(expected) < limit and after + 1 + len(expected) in known:
        expected.append(CALL[after + 1 + len(expected)])

    async def ask():
        record = record_of(stored, waiting, heard, DOWN if down else None)
        return await record.events(ID, after=after, limit=limit)

    patience, record_module.MISSING_WITHIN_S = record_module.MISSING_WITHIN_S, 0.0
    try:
        got = asyncio.run(ask())
    except RecordUnavailable:
        assert not expected
        assert down or any(seq > after for seq in known)
    except UnknownCall:
        assert not known
    else:
        assert list(got) == expected
        assert got or not any(seq > after for seq in known)
    finally:
        record_module.MISSING_WITHIN_S = patience


async def test_an_event_that_moves_from_the_outbox_to_the_record_meanwhile_is_not_missed():
    """The worst moment: between the two questions."""

    class Moving(Outbox):
        async def events_after(self, call_id, after, limit):
            found = await super().events_after(call_id, after, limit)
            shelf.events += [event for event in self.events if event not in shelf.events]
            self.events = []
            return found

    shelf = Shelf(CALL[:4])
    record = Record(desk=FakeDesk(Feed()), archive=shelf, unstored=Moving(CALL[4:]))

    assert await record.events(ID, after=-1, limit=100) == CALL


async def test_a_question_waits_for_the_event_that_is_on_its_way():
    record = record_of(CALL[:3], heard=CALL[5:])
    asked = asyncio.create_task(record.events(ID, after=2, limit=100))
    await asyncio.sleep(0)

    record.archive.events += CALL[3:5]

    assert await asked == CALL[3:]


async def test_a_call_whose_record_is_down_is_read_whole_while_all_of_it_waits_to_be_stored():
    record = record_of([], waiting=CALL, down=DOWN)

    assert await record.call(ID) == fold_call(ID, CALL)
    assert await record.transcript(ID) == fold_transcript(CALL)
    assert (await record.metrics(ID)).items() >= CALL[-1].data["metrics"].items()
    assert await record.events(ID, after=-1, limit=100) == CALL


async def test_a_call_whose_beginning_lies_in_a_record_that_is_down_is_unavailable_not_cut():
    record = record_of([], waiting=CALL[2:], down=DOWN)

    for question in (record.call(ID), record.transcript(ID), record.metrics(ID)):
        with pytest.raises(RecordUnavailable):
            await question
    with pytest.raises(RecordUnavailable):
        await record.events(ID, after=-1, limit=100)
    assert await record.events(ID, after=1, limit=100) == CALL[2:]


async def test_a_call_that_is_not_on_record_yet_is_read_from_what_waits():
    assert await record_of([], waiting=CALL).call(ID) == fold_call(ID, CALL)


async def test_what_nobody_knows_is_unknown():
    record = record_of([])

    for question in (record.call(ID), record.transcript(ID), record.metrics(ID)):
        with pytest.raises(UnknownCall):
            await question
    with pytest.raises(UnknownCall):
        await record.events(ID, after=-1, limit=100)


async def test_a_client_that_has_everything_is_given_nothing():
    assert await record_of(CALL).events(ID, after=len(CALL) - 1, limit=100) == []
