"""Who gives way when the outbox is full."""

from __future__ import annotations

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.bus.outbox import Admission, MemoryOutbox
from tests.fakes.call_story import stamped, started

CAPACITY = 6
EVENT = stamped([started()])[0]


class FullOrNot(RuleBasedStateMachine):
    """The outbox against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = MemoryOutbox(CAPACITY)
        self.waiting: list[tuple[bytes, bool]] = []  # body, live only
        self.count = 0

    @rule()
    def a_stored_event_comes(self) -> None:
        self.count += 1
        body = b"%d" % self.count
        admission = self.outbox.append("channel", body, EVENT)
        live = [item for item in self.waiting if item[1]]
        if len(self.waiting) < CAPACITY:
            assert admission is Admission.TAKEN
        elif live:
            assert admission is Admission.TAKEN_FOR_LIVE
            self.waiting.remove(live[0])
        else:
            assert admission is Admission.REFUSED
            return
        self.waiting.append((body, False))

    @rule()
    def a_live_event_comes(self) -> None:
        self.count += 1
        body = b"%d" % self.count
        admission = self.outbox.append("channel", body)
        if len(self.waiting) < CAPACITY:
            assert admission is Admission.TAKEN
            self.waiting.append((body, True))
        else:
            assert admission is Admission.LIVE_DROPPED

    @precondition(lambda self: self.waiting)
    @rule()
    def redis_takes_two(self) -> None:
        batch = self.outbox.oldest(2)
        assert [entry.body for entry in batch] == [body for body, _ in self.waiting[:2]]
        self.outbox.delivered(batch, [None] * len(batch))
        del self.waiting[:2]

    @invariant()
    def it_holds_what_it_took_in_order(self) -> None:
        assert [entry.body for entry in self.outbox.oldest(100)] == [body for body, _ in self.waiting]
        assert len(self.outbox) == len(self.waiting) <= CAPACITY


TestFullOrNot = FullOrNot.TestCase
