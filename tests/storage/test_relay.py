"""A batch on a Redis Cluster, where a transaction may touch the keys of one slot only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions

from storage.bus.outbox import Entry, entry_of
from storage.bus.relay import Relay
from storage.call_ids import new_call_id
from storage.channels import PARTITIONS, calls_channel
from storage.codec import decode, encode
from storage.envelope import Sequencer
from storage.events import TranscriptPartial
from tests.fakes.call_story import NOON, said
from tests.fakes.eventually import eventually
from tests.fakes.redis_listener import listening, on_streams
from tests.fakes.servers import RedisServer, free_port


class RedisCluster(RedisServer):
    """One node that owns every slot."""

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-enabled", "yes", "--cluster-port", str(free_port())]


@pytest.fixture
def redis_cluster(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisCluster(tmp_path / "cluster")
    server.start()
    server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    yield server
    server.kill()


def events_of_every_partition(each: int) -> list[Entry]:
    """Some events of 16 calls, one a partition, interleaved; one of them live only."""
    sequencers = [Sequencer(new_call_id()[:-1] + digit) for digit in PARTITIONS]
    live = TranscriptPartial(item_id="i", speaker="caller", text="he")
    envelopes = [
        sequencer.stamp(live if position == 1 else said(position, "word"), NOON)
        for position in range(each)
        for sequencer in sequencers
    ]
    return [
        entry_of(number, calls_channel("default", envelope.call_id), encode(envelope), envelope)
        for number, envelope in enumerate(envelopes)
    ]


async def test_a_cluster_takes_a_batch_of_all_partitions(redis_cluster: RedisServer) -> None:
    await eventually(lambda: redis_cluster.ask("SET", "key", "1") == b"+OK")
    entries = events_of_every_partition(3)
    relay = Relay(redis_cluster.url)

    async with listening(redis_cluster.url) as heard:
        stream_ids = await relay.write(entries)
        await eventually(lambda: len(heard) == len(entries))
    await relay.close()

    assert [each is None for each in stream_ids] == [entry.stream is None for entry in entries]
    for digit in PARTITIONS:
        emitted = [decode(entry.body) for entry in entries if entry.partition == digit]
        assert [event for event in heard if event.call_id[-1] == digit] == emitted
    assert len(await on_streams(redis_cluster.url)) == 32


async def test_the_ids_are_those_in_the_streams_and_an_event_may_go_out_unpublished(redis_url: str) -> None:
    entries = events_of_every_partition(3)
    quiet = [entry._replace(publish=number % 2 == 0) for number, entry in enumerate(entries)]
    relay = Relay(redis_url)

    async with listening(redis_url) as heard:
        stream_ids = await relay.write(quiet)
        await eventually(lambda: len(heard) == len(entries) // 2)
    await relay.close()

    async with redis.asyncio.from_url(redis_url) as client:
        for entry, stream_id in zip(quiet, stream_ids, strict=True):
            if entry.stream is not None and stream_id is not None:
                ((_, fields),) = await client.xrange(entry.stream, stream_id, stream_id)
                assert fields[b"event"] == entry.body
    assert {encode(event) for event in heard} == {entry.body for entry in quiet if entry.publish}


async def test_one_partition_that_redis_refuses_does_not_hold_up_the_others(redis_url: str) -> None:
    entries = events_of_every_partition(1)
    relay = Relay(redis_url)
    async with redis.asyncio.from_url(redis_url) as client, listening(redis_url) as heard:
        await client.set(str(entries[3].stream), "not a stream")
        with pytest.raises(redis.exceptions.RedisError):
            await relay.write(entries)
        assert len(await _lengths(client, entries)) == 15

        await client.delete(str(entries[3].stream))
        stream_ids = await relay.write(entries)
        await relay.close()
        await eventually(lambda: len(heard) == 16)

        assert all(stream_ids)
        assert await _lengths(client, entries) == [1] * 16


async def _lengths(client: redis.asyncio.Redis, entries: list[Entry]) -> list[int]:
    return [
        await client.xlen(str(entry.stream))
        for entry in entries
        if await client.type(str(entry.stream)) == b"stream"
    ]
