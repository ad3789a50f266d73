"""Search in a real Postgres: what is stored is found, by whoever may find it, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from storage.batch import Batch
from storage.call_ids import new_call_id
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.record import save_batch
from storage.postgres.search import find, make_searchable
from storage.records import CallRow, TranscriptRow
from storage.search import Hit, QueryTooShort, normalise, parse_query
from tests.storage.test_search import SPOKEN

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _now() -> None:
    """Of each test: a long run of tests is minutes behind the moment in which this file was read."""
    global NOW
    NOW = datetime.now(UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


def line(call_id: str, position: int, text: str, **more: Any) -> TranscriptRow:
    row = TranscriptRow(
        call_id=call_id,
        item_id=f"item_{position}",
        position=position,
        speaker="caller",
        text=text,
        heard_text=text,
        heard_ms=None,
        started_at=NOW,
        interrupted=False,
        seq=position,
    )
    return replace(row, **more)


async def save(pool: Pool, *rows: TranscriptRow, tenant: str = "default", **call: Any) -> None:
    batch = Batch()
    for row in rows:
        batch.transcripts[row.call_id, row.item_id] = row
        batch.calls[row.call_id] = CallRow(call_id=row.call_id, tenant=tenant, last_seq=1, **call)
    async with pool.acquire() as connection, connection.transaction():
        await save_batch(connection, batch)


async def hits(pool: Pool, text: str, **more: Any) -> list[Hit]:
    asked = {"since": NOW - timedelta(days=90), "until": NOW + timedelta(minutes=1), "limit": 50} | more
    tenant = asked.pop("tenant", "default")
    async with pool.acquire() as connection:
        return await find(connection, tenant, parse_query(text), **asked)


@settings(
    max_examples=60,
    deadline=None,
    # A piece of a short text is often too short to be asked for.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(text=SPOKEN, data=st.data())
async def test_whatever_is_stored_is_found_by_any_piece_of_it(pool: Pool, text: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    piece = text[start:end]
    assume(normalise(text[:start]) + normalise(piece) + normalise(text[end:]) == normalise(text))
    try:
        parse_query(piece)
    except QueryTooShort:
        assume(False)
    call_id = new_call_id()
    await save(pool, line(call_id, 0, text))

    found = await hits(pool, piece, limit=1)

    assert [(hit.call_id, hit.heard_text) for hit in found] == [(call_id, text)]


@pytest.mark.parametrize(
    "query",
    ["%%", "__", "' OR '1'='1", "'); DROP TABLE transcripts; --", "\\x", ":*", "a:* | b", "!!", "<->"],
)
async def test_no_character_means_more_than_itself(pool: Pool, query: str) -> None:
    await save(pool, line(new_call_id(), 0, "Nothing of the kind was said here, 会議"))
    assert await hits(pool, query) == []

    await save(pool, line(new_call_id(), 0, f"he said {query} and left"))
    assert [query in hit.heard_text for hit in await hits(pool, query)] == [True]


async def test_every_filter_narrows(pool: Pool) -> None:
    call = new_call_id()
    await save(pool, line(call, 0, "会議です"), agent="dental", outcome="booked")
    await save(pool, line(new_call_id(), 0, "会議です"), tenant="other", agent="dental", outcome="booked")

    for match in ({}, {"agent": "dental"}, {"speaker": "caller"}, {"outcome": "booked"}):
        assert [hit.call_id for hit in await hits(pool, "会議", **match)] == [call], match
    for miss in (
        {"agent": "sales"},
        {"speaker": "agent"},
        {"outcome": "declined"},
        {"until": NOW},
        {"since": NOW + timedelta(seconds=1)},
    ):
        assert await hits(pool, "会議", **miss) == [], miss


async def test_pages_follow_one_another_without_holes_or_doubles(pool: Pool) -> None:
    calls = [new_call_id() for _ in range(4)]
    for call in calls:
        await save(pool, *[line(call, position, "会議です") for position in range(5)])
    wanted = [(call, position) for call in sorted(calls, reverse=True) for position in range(4, -1, -1)]

    seen: list[Hit] = []
    while page := await hits(pool, "会議", limit=3, after=seen[-1].place if seen else None):
        seen += page

    assert [(hit.call_id, hit.position) for hit in seen] == wanted


async def test_what_was_cut_off_before_anybody_heard_it_is_not_found(pool: Pool) -> None:
    call = new_call_id()
    await save(pool, line(call, 0, "Your appointment is on Tuesday", heard_text="Your appointment"))

    assert await hits(pool, "Tuesday") == []
    assert len(await hits(pool, "appointment")) == 1


async def test_a_corrected_utterance_is_found_by_its_new_words_only(pool: Pool) -> None:
    call = new_call_id()
    await save(pool, line(call, 0, "会議"))
    await save(pool, line(call, 0, "歯医者", seq=9))

    assert await hits(pool, "会議") == []
    assert len(await hits(pool, "歯医者")) == 1


async def test_utterances_from_before_search_are_found_once_the_worker_has_been_through_them(
    pool: Pool,
) -> None:
    calls = [new_call_id() for _ in range(5)]
    await save(pool, *[line(call, 0, "会議です") for call in calls])
    async with pool.acquire() as connection:
        await connection.execute("UPDATE transcripts SET search_text = NULL, search_grams = NULL")
        assert await hits(pool, "会議") == []

        filled = [await make_searchable(connection, 2) for _ in range(4)]

    assert filled == [2, 2, 1, 0]
    assert len(await hits(pool, "会議")) == 5


async def test_a_word_that_very_many_said_is_found_in_the_same_order(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number of hits the search goes another way about it."""
    calls = [new_call_id() for _ in range(8)]
    for call in calls:
        await save(pool, *[line(call, position, "about my insurance") for position in range(5)])
    usual = await hits(pool, "insurance", limit=7)

    monkeypatch.setattr("storage.postgres.search.FREQUENT", 30)
    frequent = await hits(pool, "insurance", limit=7)
    following = await hits(pool, "insurance", limit=100, after=frequent[-1].place)

    assert frequent == usual
    assert len({hit.place for hit in [*frequent, *following]}) == 40
