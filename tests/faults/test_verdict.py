"""The judge sees what is wrong, and only that: a matrix of zeros is worth as much as this."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import count

import msgspec

from storage.envelope import Envelope, Sequencer
from storage.events import CallEnded
from tests.fakes.call_story import NOON
from tests.faults.ledger import Kill, Line
from tests.faults.story import Call
from tests.faults.verdict import compare, differences, hearing

KILLED_AT = 1000.0
KILLED = Kill(KILLED_AT, KILLED_AT + 0.005)


def told(calls: int = 3) -> list[Line]:
    """Whole calls, an event every 10 ms up to the moment at which the media server is killed."""
    chance, names = random.Random(7), count()
    envelopes: list[Envelope] = []
    for _ in range(calls):
        call = Call(chance, names)
        while not call.over:
            envelope = call.next(NOON + timedelta(seconds=len(envelopes)))
            if not envelope.live_only:
                envelopes.append(envelope)
    first = KILLED_AT - 0.010 * len(envelopes)
    return [Line(first + 0.010 * (n + 1), envelope) for n, envelope in enumerate(envelopes)]


def stored(lines: list[Line]) -> list[Envelope]:
    return [line.envelope for line in lines]


def test_a_record_of_all_that_was_emitted_has_nothing_wrong() -> None:
    lines = told()

    verdict = compare(lines, stored(lines)[::-1], [])

    assert verdict.emitted == verdict.stored == len(lines)
    wrong = (verdict.lost, verdict.doubled, verdict.out_of_place, verdict.unexplained, verdict.tail)
    assert wrong == (0, 0, 0, 0, 0)


def test_a_missing_row_is_lost() -> None:
    lines = told()

    assert compare(lines, stored(lines)[:-1], []).lost == 1
    assert compare(lines, stored(lines)[1:], [KILLED]).lost == 1


def test_a_row_that_is_there_twice_is_doubled() -> None:
    lines = told()

    assert compare(lines, [*stored(lines), lines[3].envelope], []).doubled == 1


def test_the_same_words_under_a_second_number_are_doubled() -> None:
    lines = told()
    start = lines[0].envelope
    again = msgspec.structs.replace(start, seq=500, id=f"{start.call_id}:500", at="2026-11-22T23:00:00.000Z")

    verdict = compare(lines, [*stored(lines), again], [])

    assert (verdict.doubled, verdict.unexplained) == (1, 1)


def test_a_row_with_other_content_is_out_of_place() -> None:
    lines = told()
    events = stored(lines)
    events[5] = msgspec.structs.replace(events[5], data={"digit": "9"})

    verdict = compare(lines, events, [])

    assert (verdict.lost, verdict.out_of_place) == (0, 1)


def test_two_events_with_each_others_numbers_are_out_of_place() -> None:
    lines = told()
    events = stored(lines)
    events[0], events[1] = (
        msgspec.structs.replace(events[1], seq=0, id=events[0].id),
        msgspec.structs.replace(events[0], seq=1, id=events[1].id),
    )

    assert compare(lines, events, []).out_of_place >= 2


def test_what_the_media_server_emitted_just_before_its_kill_is_the_tail() -> None:
    lines = told()

    verdict = compare(lines, stored(lines)[:-2], [KILLED])

    assert (verdict.lost, verdict.tail, verdict.tail_ms) == (0, 2, 10.0)


def test_what_is_emitted_while_the_kill_is_on_its_way_is_the_tail_too() -> None:
    *lines, last = told()

    verdict = compare([*lines, last._replace(emitted_at=KILLED_AT + 0.001)], stored(lines), [KILLED])

    assert (verdict.lost, verdict.tail, verdict.tail_ms) == (0, 1, 0.0)


def test_what_was_emitted_long_before_the_kill_is_no_tail() -> None:
    *lines, last = told()

    verdict = compare([*lines, last._replace(emitted_at=KILLED_AT - 0.2)], stored(lines), [KILLED])

    assert (verdict.lost, verdict.tail) == (1, 0)


def test_a_gap_before_the_kill_is_no_tail() -> None:
    lines = told()
    events = stored(lines)
    del events[-2]

    verdict = compare(lines, events, [KILLED])

    assert (verdict.lost, verdict.tail) == (1, 0)


def test_the_recovered_end_takes_the_number_of_the_tail() -> None:
    lines = told(calls=1)
    kept, last = stored(lines)[:-1], lines[-1].envelope
    sequencer = Sequencer(last.call_id, next_seq=last.seq or 0)
    end = CallEnded(reason="node_lost", duration_ms=1, outcome=None, metrics={})

    verdict = compare(lines, [*kept, sequencer.stamp(end, NOON + timedelta(hours=1))], [KILLED])

    found = (verdict.lost, verdict.out_of_place, verdict.tail, verdict.recovered, verdict.unexplained)
    assert found == (0, 0, 1, 1, 0)


def test_rows_that_nobody_emitted_are_unexplained_but_for_one_a_kill() -> None:
    lines = told()

    assert compare(lines[:-2], stored(lines), []).unexplained == 2
    assert compare(lines[:-2], stored(lines), [KILLED]).unexplained == 1


def test_an_outsider_ignores_repeats_and_fetches_gaps() -> None:
    events = stored(told(calls=1))

    found = hearing([events[0], events[1], events[1], events[4], events[2]], events)

    assert (found.heard, found.ignored, found.fetched, found.wrong) == (3, 2, len(events) - 3, 0)


def test_what_was_heard_and_is_not_on_record_is_wrong() -> None:
    events = stored(told(calls=1))

    assert hearing(events, events[:-1]).wrong == 1


def test_rows_of_two_records_are_compared_whatever_their_order() -> None:
    assert differences({"calls": [(1, "a"), (2, "b")]}, {"calls": [(2, "b"), (1, "a")]}) == {}
    assert differences({"calls": [(1, "a"), (1, "a")]}, {"calls": [(1, "a")]}) == {"calls": 1}
    assert differences({"calls": [(1, "a")]}, {"calls": [(1, "b")], "slots": [(1,)]}) == {
        "calls": 1,
        "slots": 1,
    }
