"""The Redis side of the worker: entries out of the streams, and their end once they are stored.

One consumer group reads all sixteen streams. What was delivered to this consumer and not acknowledged stays
in its pending list, so nothing is lost when the connection or the process ends at any moment.

No command names keys of two partitions, so all of this runs on a Redis Cluster as well; only the blocking read
of all streams at once is asked differently there.
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
from storage.worker.topology import connect

log = logging.getLogger(__name__)

# What may come up while talking to Redis; all of it means "connect again and read the pending list first".
FAILURES = (
    redis.exceptions.RedisError,
    redis.exceptions.RedisClusterException,
    OSError,
    TimeoutError,
)

# Per stream and read. Idle, a read returns with the first entry there is.
_COUNT = 100
_BLOCK_MS = 500  # an idle worker looks this often whether it shall stop
# On a cluster, where one read cannot wait on streams of several nodes: how often to look while nothing comes.
_LOOK_EVERY_S = 0.02

# Longer than the longest batch takes while Postgres answers; a live worker's entries are not taken from it.
CLAIM_IDLE_MS = 30_000
# A worker that has been given nothing for so long is taken for gone. One that is only idle loses nothing: Redis
# enters it again with its next entry.
_GONE_IDLE_MS = 3_600_000
# An entry that has been handed out this often ends its worker each time.
MAX_DELIVERIES = 10
# From here on entries are handed out one at a time: of a batch that ends its worker only one is to blame.
SUSPECT_DELIVERIES = 5

# In one step, so that a consumer that comes back meanwhile cannot lose what it has just been given.
_REMOVE_GONE = """
local removed = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) and consumer.name ~= ARGV[3] then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
        removed = removed + 1
    end
end
return removed
"""


class Entry(NamedTuple):
    """One stream entry."""

    stream: str
    entry_id: str
    body: bytes
    worn_out: bool = False  # delivered more than MAX_DELIVERIES times


class Intake:
    """One consumer. Order of calls: `connect`, `pending` until it is empty, then `fresh` at will; after a `claim`
    that found something `pending` again; `finish` what has been stored. After any of FAILURES begin again with
    `connect`."""

    def __init__(
        self,
        redis_url: str,
        consumer: str,
        *,
        claim_idle_ms: int = CLAIM_IDLE_MS,
        gone_idle_ms: int = _GONE_IDLE_MS,
    ) -> None:
        self._redis_url = redis_url
        self._consumer = consumer
        self._claim_idle_ms = claim_idle_ms
        self._gone_idle_ms = gone_idle_ms
        self._made: redis.asyncio.Redis | None = None
        self._is_cluster = False
        self._findings: list[str] = []

    async def connect(self) -> None:
        """See that Redis answers, how it keeps its data, and that the group exists on every stream."""
        if self._made is None:
            self._made, self._is_cluster = await connect(
                self._redis_url, f"cordboard-worker-{self._consumer}"
            )
            for finding in await persistence_findings(self._made):
                log.warning("worker.redis_settings %s", finding)
        await self._client.ping()
        await self._make_groups()

    async def pending(self) -> list[Entry]:
        """What this consumer got earlier and never finished; [] when nothing is left.

        Where an entry has come up again and again, one entry at a time: the one that ends the worker is found
        so, and those beside it get stored.
        """
        waiting = await self._waiting()
        if not any(waiting.values()):
            return []
        if any(count >= SUSPECT_DELIVERIES for counts in waiting.values() for count in counts.values()):
            stream, counts = next((stream, counts) for stream, counts in waiting.items() if counts)
            entries = await self._read("0", streams=[stream], count=1)
            return [
                entry._replace(worn_out=counts.get(entry.entry_id, 0) >= MAX_DELIVERIES) for entry in entries
            ]
        return await self._read("0", streams=[stream for stream, counts in waiting.items() if counts])

    async def fresh(self) -> list[Entry]:
        """New entries; [] after half a second without any."""
        if not self._is_cluster:
            return await self._read(">", block_ms=_BLOCK_MS)
        loop = asyncio.get_running_loop()
        until = loop.time() + _BLOCK_MS / 1000
        while True:
            entries = await self._read(">")
            if entries or loop.time() >= until:
                return entries
            await asyncio.sleep(_LOOK_EVERY_S)

    async def claim(self) -> int:
        """Take over what other consumers got 30 s ago and have not finished: they are gone. Returns how many
        entries are now this consumer's to do (see `pending`)."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in STREAMS:
                # JUSTID: without handing them out, which would count as a delivery.
                pipeline.xautoclaim(
                    stream,
                    GROUP,
                    self._consumer,
                    min_idle_time=self._claim_idle_ms,
                    start_id="0-0",
                    count=_COUNT,
                    justid=True,
                )
            claimed = sum(len(ids) for ids in await pipeline.execute())
        if claimed:
            log.info("worker.claimed entries=%d: another worker left them", claimed)
        return claimed

    async def remove_gone(self) -> None:
        """Strike consumers off that have been silent for an hour and hold nothing: the group's list would grow
        by one with every replaced machine."""
        removed = 0
        for stream in STREAMS:
            try:
                removed += await self._client.eval(
                    _REMOVE_GONE, 1, stream, GROUP, str(self._gone_idle_ms), self._consumer
                )
            except redis.exceptions.ResponseError as error:  # a managed Redis that allows no scripts
                log.debug("worker.gone_consumers_stay error=%s", error)
                return
        if removed:
            log.info("worker.gone_consumers_removed count=%d over all streams", removed)

    async def finish(self, entries: Sequence[Entry], event_ids: dict[str, list[str]]) -> None:
        """These are in Postgres: tell the publishers and take them off the streams.

        `event_ids` by stream is what the acknowledgement names. Doing it twice changes nothing.

        The pending list goes last. Whatever ends in between, the entry is in it still, is stored once more
        without effect, and is finished then; after an XACK alone it would lie in the stream for good.
        """
        by_stream: defaultdict[str, list[str]] = defaultdict(list)
        for entry in entries:
            by_stream[entry.stream].append(entry.entry_id)
        told = [
            (acks_channel(partition), msgspec.json.encode(event_ids[stream_name(partition)]))
            for partition in PARTITIONS
            if event_ids.get(stream_name(partition))
        ]
        async with self._client.pipeline(transaction=False) as pipeline:
            for channel, ids in told:
                if self._is_cluster:  # redis does not put PUBLISH into a cluster's pipeline
                    await self._client.publish(channel, ids)
                else:
                    pipeline.publish(channel, ids)
            for stream, entry_ids in by_stream.items():
                pipeline.xdel(stream, *entry_ids)
                pipeline.xack(stream, GROUP, *entry_ids)
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.aclose()

    @property
    def _client(self) -> redis.asyncio.Redis:
        assert self._made is not None, "connect comes first"
        return self._made

    async def _look_at_settings(self) -> None:
        """Loud when Redis would not keep what it is given; again only when it has changed over a restart."""
        findings = await persistence_findings(self._client)
        if findings != self._findings:
            for finding in findings:
                log.warning("worker.redis_settings %s", finding)
        self._findings = findings

    async def _make_groups(self) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in STREAMS:
                # From the very beginning: what was published before the first worker must be stored too.
                pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, Exception) and "BUSYGROUP" not in str(answer):
                    raise answer

    async def _waiting(self) -> dict[str, dict[str, int]]:
        """By stream: the first entries of this consumer's pending list, and how often each was delivered."""
        found: dict[str, dict[str, int]] = {}
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in STREAMS:
                pipeline.xpending_range(
                    stream, GROUP, min="-", max="+", count=_COUNT, consumername=self._consumer
                )
            for stream, items in zip(STREAMS, await self._answers(pipeline), strict=True):
                found[stream] = {item["message_id"].decode(): item["times_delivered"] for item in items or []}
        return found

    async def _read(
        self,
        position: str,
        *,
        streams: Sequence[str] = STREAMS,
        count: int = _COUNT,
        block_ms: int | None = None,
    ) -> list[Entry]:
        """XREADGROUP; [] also where Redis has lost the group, which is made again then."""
        if not self._is_cluster:
            wanted: dict[Any, Any] = dict.fromkeys(streams, position)
            try:
                answer = await self._client.xreadgroup(
                    GROUP, self._consumer, wanted, count=count, block=block_ms
                )
            except redis.exceptions.ResponseError as error:
                await self._group_gone(error)
                return []
            return _entries(answer)
        async with self._client.pipeline(transaction=False) as pipeline:
            for stream in streams:
                pipeline.xreadgroup(GROUP, self._consumer, {stream: position}, count=count)
            return [entry for answer in await self._answers(pipeline) for entry in _entries(answer)]

    async def _answers(self, pipeline: Any) -> list[Any]:
        """A pipeline's answers; None for each stream whose group Redis has lost."""
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            await self._group_gone(failed[0])
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def _group_gone(self, error: Exception) -> None:
        if "NOGROUP" not in str(error):
            raise error
        log.warning("worker.group_gone: Redis lost the streams (restart without persistence? FLUSHALL?)")
        await self._make_groups()


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
