"""What lies on the streams of calls that are to be erased: entries that no worker has stored yet."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import aclosing
from typing import Any

import redis.asyncio
import redis.exceptions

from storage.channels import FIELD, GROUP, STREAMS
from storage.worker.topology import connect

_AT_ONCE = 500
_CALL = re.compile(rb'"call_id" *: *"([0-9a-f-]{36})"')


class StreamSweep:
    """Order of calls: `open`, then anything, `close`. Raises redis's errors and OSError."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    @classmethod
    async def open(cls, redis_url: str) -> StreamSweep:
        """Connect to one Redis or a cluster."""
        return cls((await connect(redis_url, "cordboard-erase")).client)

    async def close(self) -> None:
        await self._client.aclose()

    async def find(self, pattern: str) -> set[str]:
        """Calls of which an entry matches this regular expression."""
        wanted = re.compile(pattern)
        found: set[str] = set()
        async with aclosing(self._entries()) as entries:
            async for _, _, body in entries:
                call = _CALL.search(body)
                if call is not None and wanted.search(body.decode("utf-8", "replace")):
                    found.add(call[1].decode())
        return found

    async def remove(self, call_ids: Collection[str], *, count_only: bool = False) -> int:
        """Take these calls' entries off the streams, those too that a worker was given and has not finished (it
        finds them empty then); returns how many there were."""
        wanted = {call_id.encode() for call_id in call_ids}
        gone = 0
        async with aclosing(self._entries()) as entries:
            async for stream, entry_id, body in entries:
                call = _CALL.search(body)
                if call is None or call[1] not in wanted:
                    continue
                gone += 1
                if not count_only:
                    await self._client.xdel(stream, entry_id)
                    await self._client.xack(stream, GROUP, entry_id)
        return gone

    async def rewrite(self) -> str | None:
        """Have Redis write its file anew, without what was deleted; None: it was asked. Else why not."""
        try:
            info: dict[str, Any] = await self._client.info("persistence")
            if info.get("aof_enabled"):
                if not info.get("aof_rewrite_in_progress"):
                    await self._client.bgrewriteaof()
            elif not info.get("rdb_bgsave_in_progress"):
                await self._client.bgsave()
        except redis.exceptions.ResponseError as error:
            return f"Redis does not let us rewrite its file ({error}): what was deleted stands there until it does"
        return None

    async def _entries(self) -> Any:
        for stream in STREAMS:
            after = "-"
            while True:
                page: Any = await self._client.xrange(stream, min=after, max="+", count=_AT_ONCE)
                for entry_id, fields in page:
                    yield stream, entry_id, fields.get(FIELD.encode(), b"")
                if len(page) < _AT_ONCE:
                    break
                after = f"({page[-1][0].decode()}"
