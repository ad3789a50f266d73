"""The ledger against a reference that counts every millisecond of audio one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.format import ms_to_samples
from media.playout import RECEIVER_BUFFER_MS, Cut, PartKey, PlayoutLedger

A = PartKey("response", "item-a", 0)
B = PartKey("response", "item-b", 0)
FRAME = ms_to_samples(20)


def ledger_with(part: PartKey, ms: int, *, complete: bool = True) -> PlayoutLedger:
    ledger = PlayoutLedger()
    ledger.queue(part, ms_to_samples(ms))
    if complete:
        ledger.finish(part)
    return ledger


def send(ledger: PlayoutLedger, part: PartKey, frames: int, start: float = 0.0) -> float:
    """Sends at the pace of the clock; returns the time of the last packet."""
    for frame in range(frames):
        ledger.sent(part, FRAME, start + frame * 0.020)
    return start + (frames - 1) * 0.020


def test_audio_on_its_way_is_not_yet_heard() -> None:
    ledger = ledger_with(A, 1000)

    ledger.sent(A, FRAME, 0.0)

    assert ledger.heard_ms(A, 0.0) == 0
    assert ledger.heard_ms(A, 0.040) == 20


def test_during_steady_playing_heard_is_sent_less_the_delay() -> None:
    ledger = ledger_with(A, 1000)

    last = send(ledger, A, 20)

    assert ledger.heard_ms(A, last) == 400 - RECEIVER_BUFFER_MS


def test_the_round_trip_is_counted_by_half() -> None:
    ledger = ledger_with(A, 1000)
    ledger.round_trip_measured(120)

    last = send(ledger, A, 20)

    assert ledger.heard_ms(A, last) == 400 - RECEIVER_BUFFER_MS - 60


def test_a_cut_says_how_far_each_part_came_in_play_order() -> None:
    ledger = ledger_with(A, 100)
    ledger.queue(B, ms_to_samples(500))
    last = send(ledger, A, 5)

    cuts = ledger.cut(last)

    assert cuts == (
        Cut(part=A, received_ms=100, sent_ms=100, heard_ms=60, finished=False),
        Cut(part=B, received_ms=500, sent_ms=0, heard_ms=0, finished=False),
    )
    assert ledger.empty


def test_a_part_that_was_heard_to_its_end_needs_no_truncation() -> None:
    ledger = ledger_with(A, 100)
    last = send(ledger, A, 5)

    (cut,) = ledger.cut(last + 0.040)

    assert cut.finished
    assert cut.heard_ms == 100


def test_a_part_whose_end_the_model_has_not_announced_is_not_finished() -> None:
    ledger = ledger_with(A, 100, complete=False)
    last = send(ledger, A, 5)

    (cut,) = ledger.cut(last + 1)

    assert not cut.finished


def test_settled_parts_leave_the_account_but_can_still_be_asked_for() -> None:
    ledger = ledger_with(A, 100)
    last = send(ledger, A, 5)

    assert ledger.settle(last + 0.039) == ()
    assert ledger.settle(last + 0.040) == (A,)
    assert ledger.cut(last + 1) == ()
    assert ledger.heard_ms(A, last + 1) == 100


def test_nothing_of_a_cut_part_is_heard_later() -> None:
    ledger = ledger_with(A, 1000)
    last = send(ledger, A, 10)
    (cut,) = ledger.cut(last)

    assert ledger.heard_ms(A, last + 10) == cut.heard_ms


def test_sending_what_was_never_queued_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="never queued"):
        PlayoutLedger().sent(A, FRAME, 0.0)


@dataclass
class Dull:
    """Every millisecond of audio is an entry: which part, when it was heard (or never sent)."""

    rtt_ms: int = 0
    received: dict[PartKey, int] = field(default_factory=dict)
    complete: set[PartKey] = field(default_factory=set)
    heard_at: dict[PartKey, list[int]] = field(default_factory=dict)

    def sent(self, part: PartKey, ms: int, now: int) -> None:
        delay = self.rtt_ms // 2 + RECEIVER_BUFFER_MS
        times = self.heard_at.setdefault(part, [])
        ms = min(ms, self.received[part] - len(times))
        times += [now + delay - ms + number + 1 for number in range(ms)]

    def heard(self, part: PartKey, now: int) -> int:
        return sum(at <= now for at in self.heard_at.get(part, []))

    def cut(self, now: int) -> list[Cut]:
        return [
            Cut(
                part=part,
                received_ms=ms,
                sent_ms=len(self.heard_at.get(part, [])),
                heard_ms=self.heard(part, now),
                finished=part in self.complete and self.heard(part, now) == ms,
            )
            for part, ms in self.received.items()
        ]


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["queue", "finish", "send", "wait", "ask"]), st.integers(0, 3), st.integers(1, 120)
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 300).map(lambda half: half * 2))
def test_any_history_agrees_with_counting_milliseconds(steps: list[Step], rtt_ms: int) -> None:
    ledger, dull, now = PlayoutLedger(), Dull(rtt_ms), 1000
    ledger.round_trip_measured(rtt_ms)
    actions: dict[str, Callable[[PartKey, int], None]] = {
        "queue": lambda part, ms: queue(ledger, dull, part, ms),
        "finish": lambda part, ms: finish(ledger, dull, part),
        "send": lambda part, ms: leave(ledger, dull, part, min(ms, 20), now),
        "ask": lambda part, ms: None,
    }
    for action, number, ms in steps:
        part = PartKey("r", f"item-{number}", 0)
        if action == "wait":
            now += ms
        else:
            actions[action](part, ms)
        assert ledger.heard_ms(part, now / 1000) == dull.heard(part, now)

    assert ledger.queued_ms() == sum(dull.received.values()) - sum(map(len, dull.heard_at.values()))
    assert list(ledger.cut(now / 1000)) == dull.cut(now)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_every_queued_part_is_either_settled_or_cut_exactly_once(steps: list[Step]) -> None:
    ledger, dull, now = PlayoutLedger(), Dull(), 1000
    ended: list[PartKey] = []
    for action, number, ms in steps:
        part = PartKey("r", f"item-{number}", 0)
        if action == "wait":
            now += ms
        elif part not in ended and action == "queue":
            queue(ledger, dull, part, ms)
        elif part not in ended and action == "finish":
            finish(ledger, dull, part)
        elif part not in ended and action == "send":
            leave(ledger, dull, part, min(ms, 20), now)
        ended += ledger.settle(now / 1000)
    ended += [cut.part for cut in ledger.cut(now / 1000)]

    assert sorted(ended, key=str) == sorted(dull.received, key=str)
    assert ledger.empty
    assert math.isclose(ledger.queued_ms(), 0)


def queue(ledger: PlayoutLedger, dull: Dull, part: PartKey, ms: int) -> None:
    if part not in dull.complete:
        ledger.queue(part, ms_to_samples(ms))
        dull.received[part] = dull.received.get(part, 0) + ms


def finish(ledger: PlayoutLedger, dull: Dull, part: PartKey) -> None:
    ledger.finish(part)
    if part in dull.received:
        dull.complete.add(part)


def leave(ledger: PlayoutLedger, dull: Dull, part: PartKey, ms: int, now: int) -> None:
    if part in dull.received:
        ledger.sent(part, ms_to_samples(ms), now / 1000)
        dull.sent(part, ms, now)
