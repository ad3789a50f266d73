"""The Redis side of the worker: entries out of the streams, and their end once they are stored.

One consumer group reads all sixteen streams. What was delivered to this consumer and not acknowledged stays
in its pending list, so nothing is lost when the connection or the process ends at any moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import redis.asyncio
import redis.exceptions

from storage.bus.persistence import persistence_findings
from storage.channels import FIELD, GROUP, PARTITIONS, STREAMS, acks_channel, stream_name

log = logging.getLogger(__name__)

# What may come up while talking to Redis; all of it means "connect again and read the pending list first".
FAILURES = (redis.exceptions.RedisError, OSError, TimeoutError)

# Per stream and read: at most 16 × 100 entries a transaction, about 20 ms of Postgres' time.
_COUNT = 100
_BLOCK_MS = 500  # an idle worker looks this often whether it shall stop
_REPLY_TIMEOUT_S = 5.0  # must exceed the block

# Longer than the longest batch takes while Postgres answers; a live worker's entries are not taken from it.
CLAIM_IDLE_MS = 30_000
# An entry that has been handed out this often ends its worker each time.
MAX_DELIVERIES = 10


class Entry(NamedTuple):
    """One stream entry."""

    stream: str
    entry_id: str
    body: bytes
    worn_out: bool = False  # delivered more than MAX_DELIVERIES times


class Intake:
    """One consumer. Order of calls: `connect`, `pending` until it is empty, then `fresh`/`abandoned` at will;
    `finish` what has been stored. After any of FAILURES begin again with `connect`."""

    def __init__(self, redis_url: str, consumer: str, *, claim_idle_ms: int = CLAIM_IDLE_MS) -> None:
        self._consumer = consumer
        self._claim_idle_ms = claim_idle_ms
        self._looked_at_settings = False
        self._client: redis.asyncio.Redis = redis.asyncio.from_url(
            redis_url,
            retry=None,
            socket_timeout=_REPLY_TIMEOUT_S,
            socket_connect_timeout=_REPLY_TIMEOUT_S,
            client_name=f"cordboard-worker-{consumer}",
            decode_responses=False,
        )

    async def connect(self) -> None:
        """See that Redis answers, how it keeps its data, and that the group exists on every stream."""
        await self._client.ping()
        if not self._looked_at_settings:
            for finding in await persistence_findings(self._client):
                log.warning("worker.redis_settings %s", finding)
            self._looked_at_settings = True
        await self._make_groups()

    async def _make_groups(self) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in STREAMS:
                # From the very beginning: what was published before the first worker must be stored too.
                pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, Exception) and "BUSYGROUP" not in str(answer):
                    raise answer

    async def pending(self) -> list[Entry]:
        """What this consumer got earlier and never finished; [] when nothing is left."""
        answer = await self._read("0", block=None)
        return await self._judged(_entries(answer))

    async def fresh(self) -> list[Entry]:
        """New entries; [] after half a second without any."""
        return _entries(await self._read(">", block=_BLOCK_MS))

    async def abandoned(self) -> list[Entry]:
        """What other consumers got 30 s ago and have not finished: they are gone, it is ours now."""
        found: list[Entry] = []
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in STREAMS:
                pipeline.xautoclaim(
                    stream,
                    GROUP,
                    self._consumer,
                    min_idle_time=self._claim_idle_ms,
                    start_id="0-0",
                    count=_COUNT,
                )
            for stream, answer in zip(STREAMS, await pipeline.execute(), strict=True):
                found += [_entry(stream, entry_id, fields) for entry_id, fields in answer[1]]
        if found:
            log.info("worker.claimed entries=%d: another worker left them", len(found))
        return await self._judged(found)

    async def finish(self, entries: Sequence[Entry], event_ids: dict[str, list[str]]) -> None:
        """These are in Postgres: take them off the streams and tell the publishers.

        `event_ids` by stream is what the acknowledgement names. Doing it twice changes nothing.
        """
        by_stream: defaultdict[str, list[str]] = defaultdict(list)
        for entry in entries:
            by_stream[entry.stream].append(entry.entry_id)
        channels = {stream_name(partition): acks_channel(partition) for partition in PARTITIONS}
        async with self._client.pipeline(transaction=True) as pipeline:
            for stream, ids in by_stream.items():
                pipeline.xack(stream, GROUP, *ids)
                pipeline.xdel(stream, *ids)
                if event_ids.get(stream):
                    pipeline.publish(channels[stream], msgspec.json.encode(event_ids[stream]))
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, position: str, block: int | None) -> Any:
        streams: dict[Any, Any] = dict.fromkeys(STREAMS, position)
        try:
            return await self._client.xreadgroup(GROUP, self._consumer, streams, count=_COUNT, block=block)
        except redis.exceptions.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            log.warning("worker.group_gone: Redis lost the streams (restart without persistence? FLUSHALL?)")
            await self._make_groups()
            return []

    async def _judged(self, entries: list[Entry]) -> list[Entry]:
        """The same entries, those marked that have been handed out too often."""
        if not entries:
            return entries
        spans: defaultdict[str, list[str]] = defaultdict(list)
        for entry in entries:
            spans[entry.stream].append(entry.entry_id)
        worn_out: set[tuple[str, str]] = set()
        for stream, ids in spans.items():
            waiting: list[Any] = await self._client.xpending_range(
                stream, GROUP, min=ids[0], max=ids[-1], count=2 * _COUNT, consumername=self._consumer
            )
            worn_out |= {
                (stream, item["message_id"].decode())
                for item in waiting
                if item["times_delivered"] > MAX_DELIVERIES
            }
        return [entry._replace(worn_out=(entry.stream, entry.entry_id) in worn_out) for entry in entries]


def _entries(answer: Any) -> list[Entry]:
    found = []
    for stream, items in answer or []:
        found += [_entry(stream.decode(), entry_id, fields) for entry_id, fields in items]
    return found


def _entry(stream: str, entry_id: bytes, fields: Any) -> Entry:
    # `fields` is None where the entry was deleted while pending: stored already, only its end got lost.
    body = (fields or {}).get(FIELD.encode(), b"")
    return Entry(stream, entry_id.decode(), body)


async def wait_or_stop(seconds: float, stop: asyncio.Event) -> None:
    """Wait, at most until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
