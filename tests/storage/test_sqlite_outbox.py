"""The durable outbox: what is on disk at any moment, what leaves it and when, and what it does when it is full."""

from __future__ import annotations

import asyncio
import logging
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from storage.bus.outbox import Admission, Entry
from storage.bus.outbox_file import OutboxBusy, OutboxError
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.call_ids import new_call_id
from storage.channels import calls_channel
from storage.codec import encode
from storage.envelope import Envelope, Sequencer
from storage.events import CallAnnotated, DtmfReceived, HandoffOffered, HandoffRequested, TranscriptPartial
from tests.fakes.call_story import NOON, ended, said, stamped, started, whole_call
from tests.fakes.eventually import eventually

CALLS = [new_call_id() for _ in range(3)]
DIGIT = DtmfReceived(digit="1", duration_ms=90)
PARTIAL = TranscriptPartial(item_id="i", speaker="caller", text="he")


def put(outbox: SqliteOutbox, envelope: Envelope) -> Admission:
    return outbox.append(calls_channel("default", envelope.call_id), encode(envelope), envelope)


def digits(count: int, call_id: str | None = None) -> list[Envelope]:
    sequencer = Sequencer(call_id or new_call_id())
    return [sequencer.stamp(DIGIT, NOON) for _ in range(count)]


async def safe(outbox: SqliteOutbox) -> None:
    """Everything that was appended is on disk now."""
    await outbox.events_after("nobody", 0, 1)


def give_to_redis(outbox: SqliteOutbox, limit: int = 1000) -> list[Entry]:
    batch = outbox.oldest(limit)
    outbox.delivered(batch, [None if each.stream is None else f"{each.number}-0" for each in batch])
    return batch


def ids(entries: list[Entry]) -> list[str | None]:
    return [entry.event_id for entry in entries]


def as_after_a_kill(path: Path, to: Path) -> Path:
    """The files as the kernel has them at this moment: what a process finds after kill -9 of the one before."""
    to.mkdir()
    for part in (path, path.with_name(path.name + "-wal")):
        if part.exists():
            shutil.copy(part, to / part.name)
    return to / path.name


def stands_in_a_file(text: str, folder: Path) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.iterdir())


@asynccontextmanager
async def opened(
    path: Path, wake: Callable[[], None] = lambda: None, **options: object
) -> AsyncIterator[SqliteOutbox]:
    outbox = SqliteOutbox(path, **options)  # type: ignore[arg-type]  # a test's options
    outbox.start(wake)
    try:
        yield outbox
    finally:
        await outbox.close()


async def test_redis_is_given_an_event_only_when_it_is_on_disk(tmp_path: Path) -> None:
    event = digits(1)[0]
    woken = asyncio.Event()
    async with opened(tmp_path / "outbox", woken.set) as outbox:
        put(outbox, event)
        at_once = outbox.oldest(10)
        await woken.wait()
        there = outbox.oldest(10)
        copy = as_after_a_kill(tmp_path / "outbox", tmp_path / "copy")
        async with opened(copy) as found:
            kept = await found.events_after(event.call_id, -1, 10)

    assert (at_once, ids(there), kept) == ([], [event.id], [event])


async def test_a_live_event_goes_out_in_its_place_and_never_to_disk(tmp_path: Path) -> None:
    sequencer = Sequencer(new_call_id())
    first, live, last = (sequencer.stamp(event, NOON) for event in (DIGIT, PARTIAL, DIGIT))
    async with opened(tmp_path / "outbox") as outbox:
        for event in (first, live, last):
            put(outbox, event)
        await safe(outbox)

        assert [each.body for each in outbox.oldest(10)] == [encode(each) for each in (first, live, last)]
        assert outbox.unacknowledged == 2


async def test_an_event_stays_until_a_worker_names_it(tmp_path: Path) -> None:
    first, second = digits(2)
    async with opened(tmp_path / "outbox") as outbox:
        put(outbox, first)
        put(outbox, second)
        await safe(outbox)
        give_to_redis(outbox)
        outbox.acknowledged([str(second.id), "somebody else's:3"])
        await eventually(lambda: outbox.unacknowledged == 1)

        assert await outbox.events_after(first.call_id, -1, 10) == [first]

    async with opened(tmp_path / "outbox") as again:
        await eventually(lambda: again.oldest(10))
        (entry,) = again.oldest(10)
    assert (entry.event_id, entry.publish) == (first.id, False), "sent again, but listeners have had it"


async def test_what_redis_never_had_is_published_after_a_restart_and_before_what_is_new(
    tmp_path: Path,
) -> None:
    had, had_not, new = digits(3)
    async with opened(tmp_path / "outbox") as outbox:
        put(outbox, had)
        await safe(outbox)
        give_to_redis(outbox)
        put(outbox, had_not)

    async with opened(tmp_path / "outbox") as outbox:
        put(outbox, new)
        await safe(outbox)
        await eventually(lambda: len(outbox.oldest(10)) == 3)

        assert [(each.event_id, each.publish) for each in outbox.oldest(10)] == [
            (had.id, False),
            (had_not.id, True),
            (new.id, True),
        ]


async def test_more_than_fits_into_memory_comes_back_from_disk_in_order(tmp_path: Path) -> None:
    events = digits(1000)
    sent: list[str | None] = []
    async with opened(tmp_path / "outbox", window=20) as outbox:
        for event in events:
            assert put(outbox, event) is Admission.TAKEN
        assert put(outbox, Sequencer(new_call_id()).stamp(PARTIAL, NOON)) is Admission.LIVE_DROPPED
        assert len(outbox) == 1000
        await safe(outbox)
        while len(sent) < len(events):
            await eventually(lambda: outbox.oldest(1))
            sent += ids(give_to_redis(outbox, 7))

        assert len(outbox) == 0
        assert put(outbox, Sequencer(new_call_id()).stamp(PARTIAL, NOON)) is Admission.TAKEN
    assert sent == [event.id for event in events]


async def test_what_redis_has_and_nobody_acknowledged_is_asked_after_and_sent_again_without_publishing(
    tmp_path: Path,
) -> None:
    events = digits(5)
    async with opened(tmp_path / "outbox", unsettled_after_s=0) as outbox:
        for event in events:
            put(outbox, event)
        await safe(outbox)
        give_to_redis(outbox)
        outbox.acknowledged([str(events[0].id)])

        round_one = [*await outbox.unsettled(3), *await outbox.unsettled(3)]
        assert await outbox.unsettled(3) == []
        sending = asyncio.create_task(outbox.send_again([str(events[2].id), "gone:1"]))
        await eventually(lambda: outbox.oldest(10))
        again = give_to_redis(outbox)
        await sending

    assert {each.event_id for each in round_one} - {events[0].id} == {event.id for event in events[1:]}
    assert all(each.stream_id for each in round_one)
    assert [(each.event_id, each.publish) for each in again] == [(events[2].id, False)]


async def test_calls_that_were_left_open_are_known_with_their_last_number(tmp_path: Path) -> None:
    over, running = Sequencer(new_call_id()), Sequencer(new_call_id(), "other")
    async with opened(tmp_path / "outbox") as outbox:
        for event in (started(), ended(), CallAnnotated(kind="rating", value=5)):
            put(outbox, over.stamp(event, NOON))
        for event in (started(), DIGIT, DIGIT):
            envelope = running.stamp(event, NOON)
            outbox.append(calls_channel("other", envelope.call_id), encode(envelope), envelope)
        await safe(outbox)
        give_to_redis(outbox)
        outbox.acknowledged([f"{running.call_id}:{seq}" for seq in range(3)])
        await eventually(lambda: outbox.unacknowledged == 3)

    async with opened(tmp_path / "outbox") as outbox:
        (left,) = outbox.open_calls()
    assert (left.call_id, left.tenant, left.last_seq) == (running.call_id, "other", 2)
    assert left.started_at <= left.last_at


async def test_an_open_call_is_known_with_its_handoff_and_with_notes_that_came_while_it_ran(
    tmp_path: Path,
) -> None:
    until = "2026-11-22T12:03:00.000Z"
    call = Sequencer(new_call_id())
    async with opened(tmp_path / "outbox") as outbox:
        for event in (
            started(),
            HandoffRequested(handoff_id="h1", reason="r", summary="s", method="ai"),
            HandoffOffered(handoff_id="h1", operator="sato", offer_id="o1", attempt=1, until=until),
            CallAnnotated(kind="wrap_up", value={"notes": "n"}),
        ):
            put(outbox, call.stamp(event, NOON))
        await safe(outbox)

    async with opened(tmp_path / "outbox") as outbox:
        (left,) = outbox.open_calls()
    assert (left.last_seq, left.handoff_id, left.handoff) == (3, "h1", "handoff.offered")


async def test_a_second_server_on_the_same_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path / "outbox.sqlite"):
        with pytest.raises(OutboxBusy, match=r"Another server uses the outbox .*CORDBOARD_OUTBOX__PATH"):
            SqliteOutbox(tmp_path / "outbox.sqlite")

    async with opened(tmp_path / "outbox.sqlite"):
        pass


def test_a_file_that_is_no_outbox_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_bytes(b"something else altogether " * 100)

    with pytest.raises(OutboxError, match="cannot be opened"):
        SqliteOutbox(tmp_path / "outbox")


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "folder" / "outbox") as outbox:
        put(outbox, digits(1)[0])
        await safe(outbox)

        assert (tmp_path / "folder").stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "folder").iterdir())


@pytest.mark.parametrize("limit", [{"max_bytes": 5000}, {"max_age_s": 0.01}], ids=["bytes", "age"])
async def test_when_it_is_nearly_full_no_call_should_be_taken_and_no_event_is_refused(
    tmp_path: Path, limit: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    events = digits(50)
    async with opened(tmp_path / "outbox", **limit) as outbox:
        assert outbox.problem is None
        for event in events:
            assert put(outbox, event) is Admission.TAKEN
        await safe(outbox)
        await eventually(lambda: outbox.problem)
        assert "storage worker" in str(outbox.problem)
        await safe(outbox)
        give_to_redis(outbox)
        outbox.acknowledged([str(event.id) for event in events])
        await eventually(lambda: outbox.problem is None)

    assert caplog.text.count("outbox.nearly_full") == 1


@contextmanager
def no_room_on_disk() -> Iterator[None]:
    """No file of this process may grow: what SQLite meets then is a real failed write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_stops_new_calls_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, meanwhile, after = digits(10), digits(100), digits(10)
    async with opened(tmp_path / "outbox", unsaved_limit=101) as outbox:
        for event in before:
            put(outbox, event)
        await safe(outbox)
        with no_room_on_disk():
            for event in meanwhile:
                assert put(outbox, event) is Admission.TAKEN
            await eventually(lambda: "cannot be written" in (outbox.problem or ""))
            assert ids(give_to_redis(outbox)) == [event.id for event in before + meanwhile]
            assert await outbox.events_after(meanwhile[0].call_id, 97, 10) == meanwhile[98:]
            outbox.acknowledged([str(event.id) for event in [*before, *meanwhile[:50]]])
            await eventually(lambda: outbox.unacknowledged == 60)
            for event in after:
                assert put(outbox, event) is Admission.TAKEN
        await eventually(lambda: outbox.problem is None)
        await eventually(lambda: outbox.unacknowledged == 60)

    assert caplog.text.count("outbox.disk_refuses") == 1
    assert "outbox.disk_back" in caplog.text
    async with opened(tmp_path / "outbox") as outbox:
        kept = await outbox.events_after(meanwhile[0].call_id, -1, 1000)
        assert kept == meanwhile[50:]
        assert await outbox.events_after(before[0].call_id, -1, 1000) == []
        assert await outbox.events_after(after[0].call_id, -1, 1000) == after


async def test_only_when_neither_disk_nor_memory_take_more_are_events_refused(tmp_path: Path) -> None:
    events = digits(4)
    async with opened(tmp_path / "outbox", unsaved_limit=3) as outbox:
        with no_room_on_disk():
            taken = [put(outbox, event) for event in events]
            await eventually(lambda: outbox.problem)

    assert taken == [Admission.TAKEN] * 3 + [Admission.REFUSED]


async def test_closing_with_a_disk_that_refuses_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox")
    outbox.start(lambda: None)
    with no_room_on_disk(), caplog.at_level(logging.ERROR):
        put(outbox, digits(1)[0])
        await outbox.close()
        await outbox.close()

    assert "outbox.closed_unsaved events=1" in caplog.text


async def test_erasing_a_call_leaves_no_byte_of_it_in_any_file(tmp_path: Path) -> None:
    canary = "the canary sings at noon"
    sequencer = Sequencer(new_call_id())
    secret = [sequencer.stamp(said(0, canary * 200), NOON) for _ in range(20)]
    other = stamped(whole_call())
    async with opened(tmp_path / "outbox") as outbox:
        for event in [*secret, *other]:
            put(outbox, event)
        await safe(outbox)
        assert stands_in_a_file(canary, tmp_path)

        assert await outbox.erase([sequencer.call_id]) == 20

        assert not stands_in_a_file(canary, tmp_path)
        assert await outbox.events_after(sequencer.call_id, -1, 100) == []
        assert sequencer.call_id not in [
            str(entry.event_id).partition(":")[0] for entry in outbox.oldest(100)
        ]
        assert len(await outbox.events_after(other[0].call_id, -1, 100)) == 11
        assert outbox.unacknowledged == 11


async def test_erasing_while_another_program_reads_the_file_says_that_something_is_left(
    tmp_path: Path,
) -> None:
    sequencer = Sequencer(new_call_id())
    async with opened(tmp_path / "outbox") as outbox:
        put(outbox, sequencer.stamp(said(0, "the canary"), NOON))
        await safe(outbox)
        reader = sqlite3.connect(tmp_path / "outbox", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="another program"):
            await outbox.erase([sequencer.call_id])
        reader.close()

        assert await outbox.erase([sequencer.call_id]) == 0
        assert not stands_in_a_file("the canary", tmp_path)


async def test_what_was_acknowledged_leaves_no_byte_behind_after_a_clean_end(tmp_path: Path) -> None:
    canary = "the canary sings at noon"
    event = Sequencer(new_call_id()).stamp(said(0, canary), NOON)
    async with opened(tmp_path / "outbox") as outbox:
        put(outbox, event)
        await safe(outbox)
        give_to_redis(outbox)
        outbox.acknowledged([str(event.id)])

    assert not stands_in_a_file(canary, tmp_path)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: nothing is lost, nothing goes without an acknowledgement, and every
    call's numbers come to Redis in order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.lives = 0
        self.path = self.folder / "outbox"
        self.on_disk: list[Envelope] = []  # by emission: certainly there
        self.perhaps: list[Envelope] = []  # emitted since we last looked
        self.in_redis: list[str] = []
        self.acknowledged: set[str] = set()
        self.next_seq = dict.fromkeys(CALLS, 0)

    @initialize()
    def begin(self) -> None:
        self.open(self.path)

    def open(self, path: Path) -> None:
        async def opening() -> SqliteOutbox:
            outbox = SqliteOutbox(path, window=4, unsettled_after_s=0)
            outbox.start(lambda: None)
            return outbox

        self.path = path
        self.outbox = self.loop.run_until_complete(opening())

    @rule(call=strategies.sampled_from(CALLS), count=strategies.integers(1, 6))
    def events_come(self, call: str, count: int) -> None:
        for _ in range(count):
            envelope = Sequencer(call, next_seq=self.next_seq[call]).stamp(DIGIT, NOON)
            self.next_seq[call] += 1
            assert put(self.outbox, envelope) is Admission.TAKEN
            self.perhaps.append(envelope)

    @rule(call=strategies.sampled_from(CALLS))
    def a_live_event_comes(self, call: str) -> None:
        put(self.outbox, Sequencer(call).stamp(PARTIAL, NOON))

    @rule()
    def the_disk_has_time(self) -> None:
        self.loop.run_until_complete(safe(self.outbox))
        self.on_disk += self.perhaps
        self.perhaps = []

    @rule(limit=strategies.integers(1, 5))
    def redis_takes_some(self, limit: int) -> None:
        async def give() -> list[Entry]:
            return give_to_redis(self.outbox, limit)

        for entry in self.loop.run_until_complete(give()):
            if entry.event_id is not None:
                self.in_redis.append(entry.event_id)
                on_disk = {event.id for event in [*self.on_disk, *self.perhaps]}
                assert entry.event_id in on_disk | self.acknowledged

    @rule(picks=strategies.lists(strategies.integers(0, 100), max_size=4))
    def a_worker_acknowledges(self, picks: list[int]) -> None:
        # What is in Redis depends on the disk's speed, so what is drawn must not depend on it.
        some = [self.in_redis[pick % len(self.in_redis)] for pick in picks if self.in_redis]

        async def hear() -> None:
            self.outbox.acknowledged(some)

        self.loop.run_until_complete(hear())
        self.acknowledged |= set(some)

    @rule()
    def redis_loses_everything(self) -> None:
        async def look() -> None:
            lost: set[str] = set()
            while found := await self.outbox.unsettled(100):
                lost |= {each.event_id for each in found}
            sending = asyncio.create_task(self.outbox.send_again(lost))
            while not sending.done():
                self.in_redis += [each for each in ids(give_to_redis(self.outbox, 3)) if each is not None]
                await asyncio.sleep(0)

        self.loop.run_until_complete(look())

    @rule(kill=strategies.booleans())
    def the_process_ends_and_another_begins(self, kill: bool) -> None:
        self.lives += 1
        copy = as_after_a_kill(self.path, self.folder / str(self.lives)) if kill else None
        self.loop.run_until_complete(self.outbox.close())
        if copy is None:
            self.on_disk += self.perhaps
        self.open(copy or self.path)
        self.find_everything()

    def find_everything(self) -> None:
        """What is certainly on disk is there; of the rest, the beginning; each call without a gap."""
        found: dict[str, Envelope] = {}
        for call in CALLS:
            for event in self.loop.run_until_complete(self.outbox.events_after(call, -1, 10_000)):
                found[str(event.id)] = event
        for event in self.on_disk:
            assert event.id in found or event.id in self.acknowledged, "lost, or gone unacknowledged"
        more = [each for each in self.perhaps if each.id in found or each.id in self.acknowledged]
        assert more == self.perhaps[: len(more)], "a hole"
        self.on_disk += more if self.perhaps else []
        self.perhaps = []
        last = {event.call_id: event.seq for event in self.on_disk}
        open_calls = {call.call_id: call.last_seq for call in self.outbox.open_calls()}
        assert open_calls == {call: seq for call, seq in last.items() if seq is not None}
        for call in CALLS:
            self.next_seq[call] = open_calls.get(call, -1) + 1

    def teardown(self) -> None:
        async def everything() -> list[str]:
            await safe(self.outbox)
            sent: list[str] = []
            while len(self.outbox):
                sent += [each for each in ids(give_to_redis(self.outbox)) if each is not None]
                await asyncio.sleep(0)
            return sent

        if hasattr(self, "outbox"):
            self.in_redis += self.loop.run_until_complete(everything())
            for call in CALLS:
                first: dict[str, None] = dict.fromkeys(
                    each for each in self.in_redis if each.startswith(call)
                )
                seqs = [int(each.partition(":")[2]) for each in first]
                assert seqs == list(range(self.next_seq[call])), "not all of it, or out of order"
            self.loop.run_until_complete(self.outbox.close())
        self.loop.close()
        shutil.rmtree(self.folder)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
