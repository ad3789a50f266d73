"""Entries between Redis and the worker: who has them, for how long, and what becomes of those that do harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import redis.asyncio

from storage.channels import GROUP, STREAMS, acks_channel, partition_of, stream_of
from storage.codec import encode
from storage.worker.consumer import consumer_name
from storage.worker.intake import MAX_DELIVERIES, SUSPECT_DELIVERIES, Entry, Intake
from storage.worker.run import run_worker
from tests.fakes.call_story import numbered, stamped, started, whole_call
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import count_events
from tests.fakes.servers import RedisServer, free_port
from tests.fakes.streams import put


@asynccontextmanager
async def intake(redis_url: str, consumer: str = "w1", **settings: int) -> AsyncIterator[Intake]:
    made = Intake(redis_url, consumer, **settings)
    await made.connect()
    try:
        yield made
    finally:
        await made.close()


async def deliver_again(redis_url: str, stream: str, times: int, consumer: str = "w1") -> None:
    """As to a worker that ends each time before it has finished anything."""
    async with redis.asyncio.from_url(redis_url) as client:
        for _ in range(times):
            await client.xreadgroup(GROUP, consumer, {stream: "0"})


async def consumers(redis_url: str) -> set[str]:
    async with redis.asyncio.from_url(redis_url) as client:
        return {
            consumer["name"].decode()
            for stream in STREAMS
            for consumer in await client.xinfo_consumers(stream, GROUP)
        }


async def all_fresh(work: Intake) -> list[Entry]:
    found: list[Entry] = []
    while entries := await work.fresh():
        found += entries
    return found


async def test_entries_that_come_up_again_and_again_are_handed_out_one_at_a_time(redis_url: str) -> None:
    events = numbered(stamped(whole_call()))
    await put(redis_url, events)
    async with intake(redis_url) as work:
        assert len(await all_fresh(work)) == len(events)
        assert len(await work.pending()) == len(events)
        await deliver_again(redis_url, stream_of(events[0].call_id), SUSPECT_DELIVERIES)

        first = await work.pending()
        again = await work.pending()
        assert [entry.body for entry in first] == [encode(events[0])] == [entry.body for entry in again]

        await work.finish(first, {})
        assert [entry.body for entry in await work.pending()] == [encode(events[1])]


async def test_of_a_batch_that_ends_its_worker_only_the_one_to_blame_is_given_up(redis_url: str) -> None:
    """The third event ends every worker that takes it up; the others must not be put aside with it."""
    events = numbered(stamped(whole_call()))
    await put(redis_url, events)
    stored: list[bytes] = []
    given_up: list[bytes] = []

    for _ in range(2 * MAX_DELIVERIES):
        if given_up:
            break
        async with intake(redis_url) as work:
            batch = await work.pending() or await work.fresh()
            while batch:
                given_up += [entry.body for entry in batch if entry.worn_out]
                left = [entry for entry in batch if not entry.worn_out]
                if any(entry.body == encode(events[2]) for entry in left):
                    break  # the process has ended
                stored += [entry.body for entry in left]
                await work.finish(batch, {})
                batch = await work.pending()

    assert given_up == [encode(events[2])]
    assert stored == [encode(event) for event in events if event.seq != 2]


async def test_taking_over_from_a_lost_worker_is_no_delivery(redis_url: str) -> None:
    (event,) = stamped([started()])
    await put(redis_url, [event])
    async with intake(redis_url, "lost") as lost:
        assert len(await all_fresh(lost)) == 1

    for number in range(2 * MAX_DELIVERIES):
        async with intake(redis_url, f"w{number}", claim_idle_ms=0) as work:
            assert await work.claim() == 1

    async with intake(redis_url, "last", claim_idle_ms=0) as work:
        await work.claim()
        (entry,) = await work.pending()
    assert not entry.worn_out


async def test_what_a_worker_still_holds_is_not_taken_from_it(redis_url: str) -> None:
    await put(redis_url, stamped([started()]))
    async with intake(redis_url, "alive") as alive, intake(redis_url, "other") as other:
        assert len(await all_fresh(alive)) == 1

        assert await other.claim() == 0


async def test_workers_that_are_gone_are_struck_off_but_never_with_entries(redis_url: str) -> None:
    async with (
        intake(redis_url, "holder") as holder,
        intake(redis_url, "gone") as gone,
        intake(redis_url, "w1", gone_idle_ms=0) as work,
    ):
        for one in (holder, gone, work):
            await put(redis_url, stamped([started()]))
            entries = await one.fresh()
            if one is not holder:
                await one.finish(entries, {})
        assert await consumers(redis_url) == {"holder", "gone", "w1"}

        await work.remove_gone()

        assert await consumers(redis_url) == {"holder", "w1"}
        assert len(await holder.pending()) == 1


async def test_a_worker_that_has_just_worked_is_not_struck_off(redis_url: str) -> None:
    await put(redis_url, stamped([started()]))
    async with intake(redis_url, "other") as other, intake(redis_url, "w1") as work:
        await other.finish(await other.fresh(), {})

        await work.remove_gone()

        assert await consumers(redis_url) == {"other"}


async def test_a_worker_that_was_struck_off_goes_on_with_the_next_entry(redis_url: str) -> None:
    """One that had nothing to do for an hour may be taken for gone."""
    async with intake(redis_url, "idle") as idle, intake(redis_url, "w1", gone_idle_ms=0) as work:
        await put(redis_url, stamped([started()]))
        await idle.finish(await idle.fresh(), {})
        waiting = asyncio.create_task(idle.fresh())
        await work.remove_gone()
        assert await consumers(redis_url) == set()

        await put(redis_url, stamped([started()]))

        entries = await waiting or await idle.fresh()
        assert len(entries) == len(await idle.pending()) == 1


async def test_an_end_that_came_half_way_is_completed(redis_url: str) -> None:
    """XDEL went through, XACK did not: the entry is handed out without a body, to be finished."""
    (event,) = stamped([started()])
    stream = stream_of(event.call_id)
    await put(redis_url, [event])
    async with intake(redis_url) as work:
        (entry,) = await all_fresh(work)
        async with redis.asyncio.from_url(redis_url) as client:
            await client.xdel(stream, entry.entry_id)

        (left,) = await work.pending()
        assert left.body == b""
        await work.finish([left], {})

        assert await work.pending() == []


async def test_the_publisher_is_told_before_the_entry_goes(redis_url: str) -> None:
    """Otherwise it might find the entry gone without a word, and send it again for nothing."""
    (event,) = stamped([started()])
    await put(redis_url, [event])
    async with (
        redis.asyncio.from_url(redis_url) as client,
        client.monitor() as monitor,
        intake(redis_url) as work,
    ):
        (entry,) = await all_fresh(work)

        await work.finish([entry], {entry.stream: [str(event.id)]})

        commands: list[str] = []
        while not commands or commands[-1] != "XACK":
            commands.append((await monitor.next_command())["command"].split()[0].upper())
    assert commands[-3:] == ["PUBLISH", "XDEL", "XACK"]


def test_the_second_worker_on_a_host_has_another_name_and_a_restarted_one_the_same() -> None:
    redis_url = "redis://nowhere:1/0"
    with consumer_name(redis_url) as first:
        with consumer_name(redis_url) as second, consumer_name("redis://elsewhere:1/0") as elsewhere:
            assert second == f"{first}-2"
            assert elsewhere == first
        with consumer_name(redis_url) as after_a_restart:
            assert after_a_restart == second


async def test_two_workers_under_one_name_double_nothing(redis_url: str, database_url: str) -> None:
    events = [event for _ in range(30) for event in numbered(stamped(whole_call()))]
    stop = asyncio.Event()
    workers = [
        asyncio.create_task(run_worker(redis_url, database_url, stop=stop, consumer="same", claim_idle_ms=0))
        for _ in range(2)
    ]
    for start in range(0, len(events), 50):
        await put(redis_url, events[start : start + 50])

    async def stored() -> bool:
        return await count_events(database_url) == len(events)

    await eventually(stored, within=20)
    stop.set()
    await asyncio.wait(workers, timeout=10)
    assert [worker.exception() for worker in workers] == [None, None]


class ClusterServer(RedisServer):
    """One node that has all of a cluster's slots: it refuses commands across slots like any other cluster."""

    def command(self) -> list[str]:
        # The usual port of the nodes among themselves, ten thousand higher, may be out of range.
        return [*super().command(), "--cluster-enabled", "yes", "--cluster-port", str(free_port())]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterServer]:
    server = ClusterServer(tmp_path / "cluster")
    server.start()
    assert server.ask("CLUSTER ADDSLOTSRANGE 0 16383") == b"+OK"
    yield server
    server.kill()


async def test_a_worker_works_on_a_redis_cluster(cluster: ClusterServer, database_url: str) -> None:
    async def cluster_ok() -> bool:
        async with redis.asyncio.from_url(cluster.url) as client:
            return (await client.cluster("INFO"))["cluster_state"] == "ok"

    await eventually(cluster_ok)
    calls = [numbered(stamped(whole_call())) for _ in range(40)]
    async with redis.asyncio.from_url(cluster.url) as client, client.pubsub() as acks:
        await acks.subscribe(acks_channel(partition_of(calls[0][0].call_id)))
        await acks.get_message(timeout=5)
        for events in calls[:20]:
            await put(cluster.url, events)
        stop, ready = asyncio.Event(), asyncio.Event()
        worker = asyncio.create_task(
            run_worker(cluster.url, database_url, stop=stop, ready=ready.set, consumer="w1")
        )
        await asyncio.wait_for(ready.wait(), 10)
        for events in calls[20:]:
            await put(cluster.url, events)

        async def settled() -> bool:
            return sum([await client.xlen(stream) for stream in STREAMS]) == 0

        await eventually(settled, within=20)
        stop.set()
        await asyncio.wait_for(worker, 10)
        told: set[str] = set()
        while message := await acks.get_message(timeout=0.2):
            told |= set(msgspec.json.decode(message["data"]))

    assert await count_events(database_url) == sum(map(len, calls))
    assert {str(event.id) for event in calls[0]} <= told
