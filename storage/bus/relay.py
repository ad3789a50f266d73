"""One batch of events written to Redis, exactly once where that can be known.

Each batch is one MULTI: XADD and PUBLISH per event, and a marker that names the batch. When the connection
breaks between sending and the answer, the next connection first makes sure that the old one can do nothing
more (CLIENT KILL) and then reads the marker:

    marker names the batch         it was done; nothing is sent again
    same Redis, another marker     it was not done; the whole batch is sent
    another Redis (restarted)      nobody can know: XADD again, without PUBLISH. The worker's primary key
                                   absorbs a repeat; a listener who misses one sees the gap in seq

The marker is one small key per publisher; streams and channels of one batch may lie in several slots, so on a
Redis Cluster a batch will have to be split by partition first.
"""

from __future__ import annotations

import uuid
from typing import Any

import redis.exceptions
from redis.asyncio.connection import Connection, parse_url

from storage.bus.outbox import Entry
from storage.channels import FIELD

# A reply that takes longer means a stopped or unreachable server: better to reconnect and look.
REPLY_TIMEOUT_S = 5.0
_MARKER_LIFE_S = 3600  # far longer than any outage after which the marker could still answer a question

# What may come up while talking to Redis; all of it means "hold the batch and try again".
FAILURES = (redis.exceptions.RedisError, OSError, TimeoutError)


class Relay:
    """One connection to Redis for writing. Order of calls: `write` one batch at a time until it returns.

    A batch that raised must be given again unchanged before any other; `close` at the end.
    """

    def __init__(self, redis_url: str, *, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self._options: dict[str, Any] = {
            **parse_url(redis_url),
            "retry": None,  # a silent second try would PUBLISH twice
            "socket_timeout": reply_timeout_s,
            "socket_connect_timeout": reply_timeout_s,
            "client_name": "cordboard-publisher",
        }
        self._connection_class: type[Connection] = self._options.pop("connection_class", Connection)
        self._connection: Connection | None = None
        self._marker = f"cordboard:relay:{uuid.uuid4().hex}"
        self._batch = 0
        self._server: tuple[str, int] | None = None  # (run id of Redis, our client id) of the last connection
        self._unsure: tuple[str, int] | None = None  # the connection on which a batch may have been done

    async def write(self, entries: list[Entry]) -> None:
        """Write a batch in order. Raises one of FAILURES when it must be given again."""
        connection = self._connection or await self._connect()
        publish = True
        if self._unsure is not None:
            done, publish = await self._settle(connection, self._unsure)
            if done:
                self._next_batch()
                return
        self._unsure = self._server
        try:
            await self._transact(connection, entries, publish)
        except redis.exceptions.ResponseError:
            self._unsure = None  # EXEC was refused as a whole: Redis did nothing
            await self._disconnect()
            raise
        except BaseException:
            await self._disconnect()
            raise
        self._next_batch()

    async def greet(self) -> None:
        """Connect if need be and see that Redis answers. Raises one of FAILURES."""
        connection = self._connection or await self._connect()
        try:
            await _ask(connection, "PING")
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        """Close the connection; a later `write` opens a new one."""
        await self._disconnect()

    def _next_batch(self) -> None:
        self._unsure = None
        self._batch += 1

    async def _connect(self) -> Connection:
        connection = self._connection_class(**self._options)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py ships it unannotated
            info = await _ask(connection, "INFO", "server")
            client_id = await _ask(connection, "CLIENT", "ID")
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

    async def _settle(self, connection: Connection, unsure: tuple[str, int]) -> tuple[bool, bool]:
        """Find out about the batch in doubt: (it was done, it may be published)."""
        try:
            same_redis = self._server is not None and self._server[0] == unsure[0]
            if same_redis and self._server != unsure:
                await _ask_quietly(connection, "CLIENT", "KILL", "ID", unsure[1])
            marker = await _ask(connection, "GET", self._marker)
        except BaseException:
            await self._disconnect()
            raise
        done = marker is not None and int(marker) == self._batch
        return done, same_redis

    async def _transact(self, connection: Connection, entries: list[Entry], publish: bool) -> None:
        commands: list[tuple[Any, ...]] = [("MULTI",)]
        for entry in entries:
            if entry.stream is not None:
                commands.append(("XADD", entry.stream, "*", FIELD, entry.body))
            if publish:
                commands.append(("PUBLISH", entry.channel, entry.body))
        commands.append(("SET", self._marker, self._batch, "EX", _MARKER_LIFE_S))
        commands.append(("EXEC",))
        await connection.send_packed_command(connection.pack_commands(commands))
        refusal: redis.exceptions.ResponseError | None = None
        for _ in commands[:-1]:
            try:
                await connection.read_response()
            except redis.exceptions.ResponseError as error:
                refusal = refusal or error
        try:
            replies = await connection.read_response()
        except redis.exceptions.ResponseError as error:
            raise refusal or error from error
        failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if failed is not None:
            # Part of the batch was written. A repeat is absorbed by the worker, a hole would not be, so the
            # batch is new (its marker must not count) and of unknown fate (no second PUBLISH).
            self._batch += 1
            self._unsure = ("part of a batch", 0)
            raise redis.exceptions.InvalidResponse(f"Redis took only part of a batch: {failed}")


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
    text = info.decode() if isinstance(info, bytes) else str(info)
    return next(line for line in text.splitlines() if line.startswith("run_id:"))
