"""Connections to PostgreSQL, and what it means when there are none.

`connect_pool` is for programs that cannot go on without the database (worker, migrations); `Database` is for
the media server, which starts and answers calls while the database is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec

CONNECT_TIMEOUT_S = 5.0
_ANSWER_WITHIN_S = 3.0  # a person waits for the page; longer, and "not reachable" is the better answer

# What asyncpg raises when the server cannot be reached, has gone away, or turns new work down for now.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.CannotConnectNowError,  # 57P03: starting, stopping or in recovery
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # "connection is closed": the client's side of the same
    asyncpg.InternalClientError,  # a statement on a connection that has said FATAL and is about to close
)

if TYPE_CHECKING:  # asyncpg's classes take their parameter only in its stubs
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.pool.PoolConnectionProxy
    Pool = asyncpg.Pool


class RecordUnavailableError(OSError):
    """PostgreSQL cannot be used at the moment; the same call may work later."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(
            f"the record (PostgreSQL) cannot be reached: {cause}; check that it runs at DATABASE_URL"
        )


async def connect_pool(database_url: str, *, min_size: int = 1, max_size: int = 4) -> Pool:
    """Connect. Raises one of UNREACHABLE, or another asyncpg error for a wrong name or password.

    Every connection works in UTC and takes and gives jsonb as plain Python values.
    """
    pool: Pool = await asyncpg.create_pool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        init=_prepare,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=60,  # nothing we ask takes seconds; a dead network must not hold a caller for ever
        server_settings={"timezone": "UTC", "application_name": "cordboard"},
    )
    return pool


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


class Database:
    """A pool that comes into being when first needed, and again after the database was away.

    Making one touches nothing; `close` at the end. Bounded: `max_size` connections, callers wait 3 s for one.
    """

    def __init__(self, database_url: str, *, max_size: int = 8) -> None:
        self._database_url = database_url
        self._max_size = max_size
        self._pool: Pool | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to work with. Raises RecordUnavailableError within 3 s when there is none, and when it
        is lost meanwhile."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                pool = await self._ready_pool()
                connection = await pool.acquire()
        except (*UNREACHABLE, asyncpg.InvalidAuthorizationSpecificationError) as error:
            raise RecordUnavailableError(error) from error
        try:
            yield connection
        except UNREACHABLE as error:
            if isinstance(
                error, ValueError
            ):  # asyncpg's "invalid input for query argument": ours, not theirs
                raise
            raise RecordUnavailableError(error) from error
        finally:
            await pool.release(connection)

    async def reachable(self) -> bool:
        """True when a query is answered now."""
        try:
            async with self.connection() as connection:
                await connection.execute("SELECT 1")
        except RecordUnavailableError:
            return False
        return True

    async def close(self) -> None:
        """Give back all connections. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()  # whoever still waits for a lost server must not hold us

    async def _ready_pool(self) -> Pool:
        async with self._making:
            if self._pool is None:
                self._pool = await connect_pool(self._database_url, min_size=0, max_size=self._max_size)
            return self._pool
