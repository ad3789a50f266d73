"""Whose calls they are: a number is found wherever it can stand, and nobody else's is taken for it."""

from __future__ import annotations

import re
import string
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.call_ids import new_call_id
from storage.channels import stream_of
from storage.codec import EnvelopeError, encode
from storage.envelope import Sequencer
from storage.erasure import (
    EraseAnswer,
    EraseOrder,
    NotANumber,
    e164,
    keyed_hash,
    number_pattern,
    read_answer,
    read_order,
)
from storage.events import (
    CallEnded,
    Event,
    HandoffCallbackBooked,
    HandoffRequested,
    SlotFilled,
    ToolCalled,
    ToolFinished,
)
from storage.postgres.erasure import (
    count_customer,
    find_calls,
    forget_customer,
    forget_letters,
    still_running,
)
from storage.postgres.pool import Pool, connect_pool
from storage.worker.intake import Entry
from storage.worker.store import store
from tests.fakes.call_story import ended, said, started
from tests.fakes.record_dump import rows

NUMBER = "+819012345678"
WIDE = dict(zip(string.digits, "０１２３４５６７８９", strict=True))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "text",
    [
        "+81 90 1234 5678",
        "090-1234-5678",
        "９０１２３４５６７８",
        "0081 90 1234 5678",
        "+81 (0)90-1234-5678",
        "〇九〇の一二三四の五六七八",
    ],
)
def test_a_number_is_found_as_people_write_it(text: str) -> None:
    assert re.search(number_pattern(NUMBER), f'{{"text": "call {text}, please"}}')


@pytest.mark.parametrize(
    "text", ["90123456789", "190 1234 5678", "90 1234 567", "901 2345 6798", "8012345678"]
)
def test_another_number_is_not_taken_for_it(text: str) -> None:
    assert not re.search(number_pattern(NUMBER), f'{{"text": "{text}"}}')


@given(
    st.sampled_from(["+819012345678", "+12065550123", "+4930901820", "+442079460018"]),
    st.sampled_from(["", " ", "-", " - ", ".", "\u00a0", "・"]),
    st.booleans(),
    st.booleans(),
)
def test_any_grouping_of_it_is_found_and_a_digit_more_is_not(
    number: str, gap: str, wide: bool, international: bool
) -> None:
    parsed = phonenumbers.parse(number)
    own = phonenumbers.national_significant_number(parsed)
    written = gap.join((own[:2], own[2:5], own[5:]))
    if international:
        written = f"+{parsed.country_code}{gap}{written}"
    if wide:
        written = "".join(WIDE.get(each, each) for each in written)
    pattern = number_pattern(number)

    assert re.search(pattern, f"x {written} y")
    assert not re.search(pattern, f"x {written}7 y")


@pytest.mark.parametrize("text", ["", "090-1234-5678", "hello", "+1", "+81 1", "+999123456789"])
def test_what_is_no_number_with_its_country_is_refused(text: str) -> None:
    with pytest.raises(NotANumber):
        e164(text)


def test_in_the_audit_log_a_number_is_a_hash_that_needs_the_key() -> None:
    assert keyed_hash(NUMBER, b"one") == keyed_hash(NUMBER, b"one") != keyed_hash(NUMBER, b"other")
    assert "9012345678" not in str(keyed_hash(NUMBER, b"one"))
    assert keyed_hash(NUMBER, None) is None


def test_orders_and_answers_are_read_back_and_other_messages_refused() -> None:
    order = EraseOrder(order="o", call_ids=["a"])
    told = EraseAnswer(order="o", node="n", events=3, running=["a"])

    assert read_order(msgspec.json.encode(order)) == order
    assert read_answer(msgspec.json.encode(told)) == told
    for body in (b"", b"[]", b'{"order": 1}', b"\xff"):
        with pytest.raises(EnvelopeError):
            read_order(body)


def everywhere() -> list[list[Event]]:
    """A call for each place in which the number can stand; the last has it nowhere."""
    tool = {"call_item_id": "fc", "name": "t"}
    handoff = HandoffCallbackBooked(handoff_id="h", number=NUMBER, when=None, waited_ms=1)
    summary = CallEnded(
        reason="caller_hangup", duration_ms=1, outcome=None, summary="back on 090 1234 5678", metrics={}
    )
    return [
        [msgspec.structs.replace(started(), caller=NUMBER), ended()],
        [msgspec.structs.replace(started(), called=NUMBER), ended()],
        [started(), said(1, "It is ０９０ー１２３４ー５６７８."), ended()],
        [started(), SlotFilled(goal="g", slot="phone", value=NUMBER, confirmed=True), ended()],
        [started(), SlotFilled(goal="g", slot="phone", value=9012345678, confirmed=True), ended()],
        [started(), ToolCalled(arguments={"deep": [{"n": NUMBER}]}, **tool), ended()],
        [
            started(),
            ToolFinished(ok=True, duration_ms=1, output=["090-1234-5678"], error=None, **tool),
            ended(),
        ],
        [
            started(),
            HandoffRequested(handoff_id="h", reason="r", summary=f"call {NUMBER}", method="ai"),
            ended(),
        ],
        [started(), handoff, ended()],
        [started(), summary],
        [started(), said(1, "It is 090-1234-5679."), ended()],
    ]


async def keep(pool: Pool, events: list[Event], call_id: str | None = None) -> str:
    sequencer = Sequencer(call_id or new_call_id())
    stamped = [sequencer.stamp(event, datetime.now(UTC)) for event in events]
    await store(pool, [Entry(stream_of(each.call_id), f"1-{each.seq}", encode(each)) for each in stamped])
    return sequencer.call_id


async def test_every_call_is_found_in_which_the_number_stands_anywhere(pool: Pool) -> None:
    *wanted, other = [await keep(pool, story) for story in everywhere()]
    uuid_of_no_month = "00000000-0000-4000-8000-00000000000a"
    wanted.append(await keep(pool, [msgspec.structs.replace(started(), caller=NUMBER)], uuid_of_no_month))
    booked, lettered = new_call_id(), new_call_id()
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO customers (phone, name) VALUES ($1, 'x')", NUMBER)
        await connection.execute(
            "INSERT INTO appointments (starts_at, ends_at, name, customer_id, call_id, idempotency_key)"
            " SELECT now(), now() + interval '1 h', 'x', id, $1, 'k' FROM customers",
            booked,
        )
        await connection.execute(
            "INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ('s', '1', 'r', $1)",
            f'{{"call_id":"{lettered}","data":"{NUMBER}"}}'.encode(),
        )
        found = [looked async for looked in find_calls(connection, "default", NUMBER)]
        elsewhere = [looked async for looked in find_calls(connection, "other", NUMBER)]

    assert set().union(*(looked.call_ids for looked in found)) == {*wanted, booked, lettered}
    assert other not in wanted
    assert [looked.place for looked in found][:3] == ["callers", "appointments", "dead letters"]
    assert set().union(*(looked.call_ids for looked in elsewhere if looked.place != "dead letters")) == set()


async def test_a_call_without_an_end_may_run_unless_it_is_too_old(pool: Pool) -> None:
    running, over = await keep(pool, [started()]), await keep(pool, [started(), ended()])

    async with pool.acquire() as connection:
        now = datetime.now(UTC)
        assert await still_running(connection, [running, over], now) == [running]
        assert await still_running(connection, [running, over], now + timedelta(days=2)) == []


async def test_the_customer_goes_with_what_is_theirs(pool: Pool, database_url: str) -> None:
    call_id = new_call_id()
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO customers (phone, name) VALUES ($1, 'gone'), ('+12065550199', 'Ann')", NUMBER
        )
        await connection.execute(
            "INSERT INTO appointments (starts_at, ends_at, name, customer_id, call_id, idempotency_key) VALUES"
            " (now(), now() + interval '1 h', 'theirs', (SELECT id FROM customers WHERE name = 'gone'), NULL, '1'),"
            " (now() + interval '2 h', now() + interval '3 h', 'in the call', NULL, $1, '2'),"
            " (now() + interval '4 h', now() + interval '5 h', 'Ann', NULL, NULL, '3')",
            call_id,
        )
        there = await count_customer(connection, "default", NUMBER, [call_id])
        gone = await forget_customer(connection, "default", NUMBER, [call_id])

    assert there == gone == {"customers": 1, "appointments": 2}
    assert await rows(database_url, "SELECT name FROM customers") == [("Ann",)]
    assert await rows(database_url, "SELECT name FROM appointments") == [("Ann",)]


async def test_a_dead_letter_of_no_call_that_can_be_told_goes_by_its_number(
    pool: Pool, database_url: str
) -> None:
    async with pool.acquire() as connection:
        await connection.executemany(
            "INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ('s', $1, 'r', $2)",
            [("1", f"\xff {NUMBER}".encode("latin-1")), ("2", b"somebody else, +12065550199")],
        )
        assert await forget_letters(connection, NUMBER) == 1

    assert await rows(database_url, "SELECT entry_id FROM dead_letters") == [("2",)]
