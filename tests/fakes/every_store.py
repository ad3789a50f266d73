"""Everything that a running Cordboard keeps anywhere, as bytes: to look whether something is in it."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import redis.asyncio


async def postgres(database_url: str) -> dict[str, bytes]:
    """Every row of every table, as text, by table."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace ORDER BY relname"
        )
        found = {}
        for (name,) in tables:
            rows = await connection.fetch(f'SELECT t::text FROM "{name}" AS t')
            text = "\n".join(row[0] for row in rows)
            bytea = [bytes.fromhex(each) for each in re.findall(r"\\x((?:[0-9a-f]{2})+)", text)]
            found[name] = b"\n".join([text.encode(), *bytea])
        return found
    finally:
        await connection.close()


async def redis_keys(redis_url: str) -> dict[str, bytes]:
    """Every key with its value, also as Redis would write it into a file (DUMP)."""
    found: dict[str, bytes] = {}
    async with redis.asyncio.from_url(redis_url) as client:
        async for key in client.scan_iter(count=1000):
            parts = [key, await client.dump(key) or b""]
            if await client.type(key) == b"stream":
                for _, fields in await client.xrange(key):
                    parts += fields.values()
            found[key.decode()] = b"\n".join(parts)
    return found


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    """Files below a folder, as they lie on the disk."""
    return {path.name: path.read_bytes() for path in folder.rglob(pattern) if path.is_file()}


def where(stores: dict[str, bytes], *canaries: str) -> set[str]:
    """The stores that hold one of these."""
    return {
        name for name, content in stores.items() if any(canary.encode() in content for canary in canaries)
    }
