"""Batches of events written to Redis, exactly once where that can be known.

A batch goes out in one piece, as one script a partition: XADD and PUBLISH per event, and a marker that names
the batch. (A script is as atomic as MULTI, and a third of the bytes, replies and Python of it:
tests/benchmarks/record_path.py.) All its keys carry the partition's hash tag, as a Redis Cluster demands. When the
connection breaks between sending and the answer, the next connection first makes sure that the old one can do
nothing more (CLIENT KILL) and then reads the markers of the partitions in doubt:

    marker names the batch         it was done; nothing is sent again
    same Redis, another marker     it was not done; the partition's part is sent
    another Redis (restarted)      nobody can know: XADD again, without PUBLISH. The worker's primary key
                                   absorbs a repeat; a listener who misses one sees the gap in seq

The markers are one small key per publisher and partition.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.exceptions
from redis.asyncio.connection import Connection, parse_url

from storage.bus.outbox import Entry
from storage.channels import FIELD, stream_name

# A reply that takes longer means a stopped or unreachable server: better to reconnect and look.
REPLY_TIMEOUT_S = 5.0
_MARKER_LIFE_S = 3600  # far longer than any outage after which the marker could still answer a question

# What may come up while talking to Redis; all of it means "hold the batch and try again".
FAILURES = (redis.exceptions.RedisError, OSError, TimeoutError)

# KEYS stream, marker · ARGV number of the batch, life of the marker (s), then for each event: what to do with it,
# its channel, its body. Answers with the ids in the stream, '' where there is none. Where the stream refuses, whoever
# listens is told all the same, and the answer is the refusal.
_SCRIPT = f"""
local ids, refusal = {{}}, nil
for place = 3, #ARGV, 3 do
  local what, body, id = ARGV[place], ARGV[place + 2], ''
  if what == 's' or what == 'b' then
    id = redis.pcall('XADD', KEYS[1], '*', '{FIELD}', body)
    if type(id) == 'table' and id.err then refusal = refusal or id end
  end
  ids[#ids + 1] = id
  if what == 'p' or what == 'b' then redis.call('PUBLISH', ARGV[place + 1], body) end
end
if refusal then return refusal end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return ids
"""
# (XADD, PUBLISH) → the script's word for it
_WHAT = {(True, False): "s", (False, True): "p", (True, True): "b", (False, False): "n"}


@dataclass(slots=True)
class _Lane:
    """One partition's part of the way: what it does next, and what nobody knows about it."""

    stream: str
    marker: str
    batch: int = 0  # number of its next transaction
    unsure: tuple[str, int] | None = None  # the connection on which that may have been done


class Relay:
    """One connection to Redis for writing. Order of calls: `write` one batch at a time until it returns.

    A batch that raised must be given again unchanged before any other; `close` at the end.
    """

    def __init__(self, redis_url: str, *, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self._options: dict[str, Any] = {
            **parse_url(redis_url),
            "retry": None,  # a silent second try would PUBLISH twice
            # One deadline for a whole batch instead of one for each of its 400 replies: a third of the cost.
            "socket_timeout": None,
            "socket_connect_timeout": reply_timeout_s,
            "client_name": "cordboard-publisher",
        }
        self._connection_class: type[Connection] = self._options.pop("connection_class", Connection)
        self._reply_timeout_s = reply_timeout_s
        self._connection: Connection | None = None
        self._name = uuid.uuid4().hex
        self._script = ""  # its digest, on the present connection's server
        self._lanes: dict[str, _Lane] = {}
        self._done: dict[str, list[str | None]] = {}  # of the batch at hand: partition → stream ids
        self._server: tuple[str, int] | None = None  # (run id of Redis, our client id) of the last connection

    async def write(self, entries: Sequence[Entry]) -> list[str | None]:
        """Write a batch, each partition in order. Raises one of FAILURES when it must be given again.

        Returns each event's id in its stream; None for live-only ones, and where it cannot be known.
        """
        parts: dict[str, list[Entry]] = {}
        for entry in entries:
            parts.setdefault(entry.partition, []).append(entry)
        waiting = {name: part for name, part in parts.items() if name not in self._done}
        if waiting:
            await self._write(waiting)
        found = {name: iter(stream_ids) for name, stream_ids in self._done.items()}
        self._done = {}
        return [next(found[entry.partition]) for entry in entries]

    async def greet(self) -> None:
        """Connect if need be and see that Redis answers. Raises one of FAILURES."""
        connection = self._connection or await self._connect()
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                await _ask(connection, "PING")
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        """Close the connection; a later `write` opens a new one."""
        await self._disconnect()

    async def _write(self, parts: dict[str, list[Entry]]) -> None:
        connection = self._connection or await self._connect()
        for name in parts:
            if name not in self._lanes:
                marker = f"cordboard:{{{name}}}:relay:{self._name}"
                self._lanes[name] = _Lane(stream=stream_name(name), marker=marker)
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                await self._exchange(connection, parts)
        except BaseException:
            await self._disconnect()
            raise

    async def _exchange(self, connection: Connection, parts: dict[str, list[Entry]]) -> None:
        silent: set[str] = set()
        if any(self._lanes[name].unsure is not None for name in parts):
            silent = await self._settle(connection, parts)
        left = {name: part for name, part in parts.items() if name not in self._done}
        for name in left:
            self._lanes[name].unsure = self._server
        calls = [self._call(self._lanes[name], part, name not in silent) for name, part in left.items()]
        await connection.send_packed_command(connection.pack_commands(calls))
        refusal: Exception | None = None
        for name in left:
            try:
                self._done[name] = await _receive(connection, self._lanes[name])
            except redis.exceptions.ResponseError as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    def _call(self, lane: _Lane, entries: list[Entry], publish: bool) -> tuple[Any, ...]:
        call: list[Any] = ["EVALSHA", self._script, 2, lane.stream, lane.marker, lane.batch, _MARKER_LIFE_S]
        for entry in entries:
            what = _WHAT[entry.stream is not None, publish and entry.publish]
            call += (what, entry.channel, entry.body)
        return tuple(call)

    async def _settle(self, connection: Connection, parts: dict[str, list[Entry]]) -> set[str]:
        """Find out about transactions in doubt: those that were done are `_done`; returns those that must not
        be published again."""
        doubtful = {name: lane.unsure for name in parts if (lane := self._lanes[name]).unsure is not None}
        assert self._server is not None
        for server in set(doubtful.values()):
            if server is not None and server[0] == self._server[0] and server != self._server:
                await _ask_quietly(connection, "CLIENT", "KILL", "ID", server[1])
        silent: set[str] = set()
        for name, server in doubtful.items():
            lane = self._lanes[name]
            marker = await _ask(connection, "GET", lane.marker)
            if marker is not None and int(marker) == lane.batch:
                lane.batch, lane.unsure = lane.batch + 1, None
                self._done[name] = [None] * len(parts[name])
            elif server is None or server[0] != self._server[0]:
                silent.add(name)
        return silent

    async def _connect(self) -> Connection:
        connection = self._connection_class(**self._options)
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py ships it unannotated
                info = await _ask(connection, "INFO", "server")
                client_id = await _ask(connection, "CLIENT", "ID")
                self._script = _text(await _ask(connection, "SCRIPT", "LOAD", _SCRIPT))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        self._server = (_run_id(info), int(client_id))
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _receive(connection: Connection, lane: _Lane) -> list[str | None]:
    """Read one script's answer. Raises ResponseError where Redis refused it."""
    try:
        replies = await connection.read_response()
    except redis.exceptions.NoScriptError:
        lane.unsure = None  # nothing was done
        raise
    except redis.exceptions.ResponseError:
        # Part of it may have been written: a script is not rolled back. A repeat is absorbed by the worker, a hole
        # would not be, so what is sent next is new (its marker must not count) and is not published again.
        lane.batch += 1
        lane.unsure = ("part of a batch", 0)
        raise
    lane.batch += 1
    lane.unsure = None
    return [_text(reply) or None for reply in replies]


async def _ask(connection: Connection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


async def _ask_quietly(connection: Connection, *command: Any) -> None:
    """CLIENT KILL of a client that has gone already is an error, and just what was wanted."""
    try:
        await _ask(connection, *command)
    except redis.exceptions.ResponseError:
        return


def _run_id(info: Any) -> str:
    return next(line for line in _text(info).splitlines() if line.startswith("run_id:"))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
