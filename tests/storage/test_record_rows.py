"""Batches of events into tables: whatever their order, cut and repetition, the rows are the fold's."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from storage.batch import rows_of
from storage.call_filter import CallFilter
from storage.call_ids import new_call_id
from storage.envelope import Envelope, Sequencer
from storage.events import (
    CallAnnotated,
    Event,
    HandoffConnected,
    HandoffOffered,
    HandoffQueued,
    HandoffRequested,
    SlotConfirmed,
    SlotCorrected,
    SlotFilled,
)
from storage.postgres.archive import Archive
from storage.postgres.pool import Database, Pool, connect_pool
from storage.postgres.record import save_batch
from storage.projection import fold_call, fold_transcript
from tests.fakes.call_story import NOON, ended, numbered, said, stamped, started, whole_call
from tests.fakes.record_dump import dump


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


@pytest.fixture
async def archive(database_url: str) -> AsyncIterator[Archive]:
    database = Database(database_url)
    yield Archive(database)
    await database.close()


async def save(pool: Pool, envelopes: list[Envelope]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, rows_of(envelopes))


async def test_a_whole_call_is_read_back_as_the_live_api_shows_it(pool: Pool, archive: Archive) -> None:
    events = stamped(whole_call())
    call_id = events[0].call_id

    await save(pool, events)

    assert await archive.get_call(call_id) == fold_call(call_id, events)
    assert await archive.transcript(call_id) == fold_transcript(events)
    assert await archive.events_after(call_id) == numbered(events)
    assert await archive.metrics(call_id) == events[-1].data["metrics"]


async def test_both_halves_of_a_tool_call_make_one_row(pool: Pool, database_url: str) -> None:
    await save(pool, stamped(whole_call()))

    (row,) = (await dump(database_url))["tool_calls"]

    assert row[1:4] == ("fc_1", "schedule_appointment", '{"date": "2026-11-25"}')
    assert row[6:] == (True, 35, '{"booked": [1, 2]}', None)


async def test_the_same_batch_twice_changes_nothing(pool: Pool, database_url: str) -> None:
    events = stamped(whole_call())
    await save(pool, events)
    before = await dump(database_url)

    await save(pool, events)
    for envelope in reversed(events):
        await save(pool, [envelope])

    assert await dump(database_url) == before


def a_lively_call(chance: random.Random) -> list[Event]:
    middle: list[Event] = [
        SlotFilled(goal="g", slot="a", value={"x": [1]}, confirmed=False),
        SlotCorrected(goal="g", slot="a", value="two", previous=1),
        SlotConfirmed(goal="g", slot="a", value="two"),
        SlotFilled(goal="G", slot="Ä", value=None, confirmed=True),
        said(0, "draft", item_id="i0"),
        said(0, "final", item_id="i0"),
        said(1, "会議"),
        HandoffRequested(handoff_id="h1", reason="r", summary="s", method="ai"),
        HandoffRequested(handoff_id="h2", reason="r2", summary="s2", method="caller"),
    ]
    events = chance.choices(middle, k=10)
    return [started(), *events, ended(), CallAnnotated(kind="outcome", value=chance.choice(["a", "b"]))]


@pytest.mark.parametrize("seed", range(12))
async def test_disorder_cuts_and_repetition_end_in_the_same_rows(
    pool: Pool, archive: Archive, seed: int
) -> None:
    chance = random.Random(seed)
    calls = {call_id: stamped(a_lively_call(chance), call_id) for call_id in (new_call_id(), new_call_id())}
    arriving = [envelope for events in calls.values() for envelope in events]
    arriving += chance.sample(arriving, 8)
    chance.shuffle(arriving)

    while arriving:
        size = chance.randint(1, 7)
        await save(pool, arriving[:size])
        del arriving[:size]

    for call_id, events in calls.items():
        assert await archive.get_call(call_id) == fold_call(call_id, events)
        assert await archive.transcript(call_id) == fold_transcript(events)
        assert await archive.events_after(call_id) == events


async def test_lists_are_newest_first_filtered_and_paged(pool: Pool, archive: Archive) -> None:
    ids = [new_call_id() for _ in range(5)]
    for number, call_id in enumerate(ids):
        story: list[Event] = [started("dental" if number % 2 == 0 else "other")]
        await save(pool, stamped([*story, ended()] if number < 3 else story, call_id))

    first = await archive.list_calls(limit=2)
    second = await archive.list_calls(limit=2, cursor=first.next)
    third = await archive.list_calls(limit=2, cursor=second.next)

    assert [call.id for page in (first, second, third) for call in page.items] == ids[::-1]
    assert third.next is None
    assert [call.id for call in (await archive.list_calls(CallFilter(state="ended"))).items] == ids[2::-1]
    assert [call.id for call in (await archive.list_calls(CallFilter(agent="other"))).items] == [
        ids[3],
        ids[1],
    ]
    with pytest.raises(ValueError, match="cursor"):
        await archive.list_calls(cursor="rubbish")


async def test_another_tenants_calls_are_not_there(pool: Pool, database_url: str) -> None:
    sequencer = Sequencer(new_call_id(), tenant="acme")
    await save(pool, [sequencer.stamp(event, NOON) for event in (started(), said(0, "secret"), ended())])
    database = Database(database_url)

    theirs, ours = Archive(database, "acme"), Archive(database)

    assert (await theirs.list_calls()).items
    assert (await ours.list_calls()).items == []
    for read in (ours.get_call, ours.transcript, ours.events_after, ours.metrics):
        assert await read(sequencer.call_id) is None
    await database.close()


async def test_what_is_not_a_call_id_is_simply_not_on_record(archive: Archive) -> None:
    for read in (archive.get_call, archive.transcript, archive.events_after, archive.metrics):
        assert await read("'; DROP TABLE events") is None


async def test_events_can_be_asked_for_from_a_number_on(pool: Pool, archive: Archive) -> None:
    events = numbered(stamped(whole_call()))
    await save(pool, events)

    found = await archive.events_after(events[0].call_id, after=2, limit=3)

    assert found == events[3:6]


def test_an_event_that_does_not_fit_its_type_keeps_its_number_and_is_named() -> None:
    events = stamped([started(), said(0, "hello")])
    odd = Envelope(
        v=1,
        id=f"{events[0].call_id}:2",
        tenant="default",
        call_id=events[0].call_id,
        seq=2,
        at=events[0].at,
        type="transcript.final",
        data={"item_id": 5},
    )

    batch = rows_of([*events, odd])

    assert sorted(seq for _, seq in batch.events) == [0, 1, 2]
    assert batch.calls[odd.call_id].last_seq == 2
    assert [reason.split(":")[0] for _, reason in batch.misfits] == ["transcript.final"]


@pytest.mark.parametrize("order", [1, -1])
async def test_who_took_a_handoff_and_how_long_it_took_is_a_row(pool: Pool, order: int) -> None:
    until = "2026-11-22T12:03:00.000Z"
    events = stamped(
        [
            started(),
            HandoffRequested(handoff_id="h1", reason="r", summary="s", method="ai"),
            HandoffQueued(
                handoff_id="h1", queue="billing", why="requested", attempt=0, waited_ms=0, until=until
            ),
            HandoffOffered(handoff_id="h1", operator="sato", offer_id="o1", attempt=1, until=until),
            HandoffConnected(handoff_id="h1", operator="sato", waited_ms=3000),
            HandoffConnected(handoff_id="h1", operator="mori", waited_ms=9000),
        ]
    )
    for envelope in events[::order]:
        await save(pool, [envelope])
    async with pool.acquire() as connection:
        row = await connection.fetchrow("SELECT queue, attempts, operator, waited_ms, state FROM handoffs")
    assert tuple(row) == ("billing", 1, "mori", 3000, "connected")
