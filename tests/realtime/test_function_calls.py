"""Calls of one response are answered together; an end that the caller has overtaken is known as such."""

from __future__ import annotations

from realtime.function_calls import FunctionCalls
from realtime.server_events import Item


def call(call_id: str, **changes: str) -> Item:
    fields = {
        "id": f"item_{call_id}",
        "type": "function_call",
        "name": "book",
        "status": "completed",
        **changes,
    }
    return Item(call_id=call_id, **fields)


def test_a_group_is_answered_when_its_last_call_is() -> None:
    calls = FunctionCalls()
    begun = calls.begin([call("c1"), call("c2")], spoke=True, overtaken=False, now=1.0)
    assert [call_id for call_id, _ in begun] == ["c1", "c2"]

    first = calls.finished("c2")
    assert first is not None
    assert (first.item_id, first.name, first.group.spoke) == ("item_c2", "book", True)
    assert first.group.open == {"c1"}
    assert not calls.idle

    second = calls.finished("c1")
    assert second is not None
    assert second.group is first.group
    assert second.group.open == set()
    assert calls.idle


def test_what_is_no_complete_call_is_passed_over() -> None:
    items = [
        Item(id="m", type="message"),
        call("c1", status="incomplete"),
        Item(type="function_call"),
        call("c2"),
    ]

    assert [
        call_id for call_id, _ in FunctionCalls().begin(items, spoke=False, overtaken=False, now=1.0)
    ] == ["c2"]


def test_a_call_is_begun_and_finished_once() -> None:
    calls = FunctionCalls()
    calls.begin([call("c1"), call("c1")], spoke=False, overtaken=False, now=1.0)

    assert calls.begin([call("c1")], spoke=False, overtaken=False, now=1.0) == []
    assert calls.finished("c1") is not None
    assert calls.finished("c1") is None


def test_a_caller_who_speaks_overtakes_the_calls_that_run_and_no_later_ones() -> None:
    calls = FunctionCalls()
    calls.begin([call("c1")], spoke=False, overtaken=False, now=1.0)
    calls.caller_speaks()
    calls.begin([call("c2")], spoke=False, overtaken=False, now=1.0)
    first, second = calls.finished("c1"), calls.finished("c2")

    assert first is not None
    assert second is not None
    assert (first.group.overtaken, second.group.overtaken) == (True, False)


def test_what_still_runs_at_the_end_is_on_record_as_cut_short() -> None:
    calls = FunctionCalls()
    calls.begin([call("c1"), call("c2")], spoke=False, overtaken=False, now=1.0)
    calls.finished("c1")

    (cut,) = calls.abandon(3.5)

    assert (cut.call_item_id, cut.ok, cut.error, cut.duration_ms) == ("item_c2", False, "call_ended", 2500)
    assert calls.idle
    assert calls.abandon(4.0) == []
