"""Ids that sort by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from storage.call_ids import lowest_call_id, new_call_id

NINE = datetime(2026, 11, 22, 9, 30, 1, 120_000, tzinfo=UTC)


def test_a_call_lies_between_the_lowest_ids_before_and_after_it() -> None:
    before = datetime.now(UTC)
    call_id = new_call_id()
    after = datetime.now(UTC) + timedelta(milliseconds=2)

    assert lowest_call_id(before) <= call_id < lowest_call_id(after)


async def test_the_database_says_the_same(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for at in (NINE, NINE.astimezone(timezone(timedelta(hours=9))), datetime(1970, 1, 1, tzinfo=UTC)):
            assert await connection.fetchval("SELECT uuid7_floor($1)::text", at) == lowest_call_id(at)
            assert await connection.fetchval("SELECT uuid7_time(uuid7_floor($1))", at) == at
    finally:
        await connection.close()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        lowest_call_id(NINE.replace(tzinfo=None))
