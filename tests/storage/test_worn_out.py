"""What was delivered again and again: put aside where it is not on record, finished where it is."""

from __future__ import annotations

import pytest

from storage.channels import stream_of
from storage.codec import encode
from storage.envelope import Envelope
from storage.postgres.pool import connect_pool
from storage.worker.intake import Entry
from storage.worker.store import store
from tests.fakes.call_story import stamped, started
from tests.fakes.record_dump import count_events, rows

LETTERS = "SELECT reason FROM dead_letters"


def entry_of(envelope: Envelope, *, worn_out: bool) -> Entry:
    return Entry(stream_of(envelope.call_id), "1-0", encode(envelope), worn_out)


async def test_an_event_whose_worker_died_after_each_commit_is_finished_without_a_letter(
    database_url: str,
) -> None:
    (envelope,) = stamped([started()])
    async with await connect_pool(database_url) as pool:
        await store(pool, [entry_of(envelope, worn_out=False)])

        assert await store(pool, [entry_of(envelope, worn_out=True)]) == [envelope.id]

    assert await count_events(database_url) == 1
    assert await rows(database_url, LETTERS) == []


async def test_an_event_whose_worker_died_before_each_commit_is_put_aside(database_url: str) -> None:
    (envelope,) = stamped([started()])
    async with await connect_pool(database_url) as pool:
        assert await store(pool, [entry_of(envelope, worn_out=True)]) == [envelope.id]

    assert await count_events(database_url) == 0
    assert len(await rows(database_url, LETTERS)) == 1


@pytest.mark.parametrize("seq", [b"0", b"-1", b"99999999999999999999", b"one", b""])
async def test_a_worn_out_event_may_be_called_anything(database_url: str, seq: bytes) -> None:
    (envelope,) = stamped([started()])
    body = encode(envelope).replace(b':0"', b":" + seq + b'"')
    async with await connect_pool(database_url) as pool:
        await store(pool, [entry_of(envelope, worn_out=True)._replace(body=body)])

    assert len(await rows(database_url, LETTERS)) == 1
