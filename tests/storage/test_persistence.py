"""A Redis that would forget is pointed out."""

from __future__ import annotations

import redis.asyncio

from storage.bus.persistence import persistence_findings
from tests.fakes.servers import RedisServer


async def test_a_redis_that_keeps_everything_gives_no_findings(redis_server: RedisServer) -> None:
    async with redis.asyncio.from_url(redis_server.url) as client:
        assert await persistence_findings(client) == []


async def test_missing_persistence_and_eviction_are_named_with_their_remedy(
    redis_server: RedisServer,
) -> None:
    redis_server.ask("CONFIG", "SET", "appendonly", "no")
    redis_server.ask("CONFIG", "SET", "maxmemory", "100mb")
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    async with redis.asyncio.from_url(redis_server.url) as client:
        first, second = await persistence_findings(client)

    assert "set `appendonly yes`" in first
    assert "set `maxmemory-policy noeviction`" in second
    assert "allkeys-lru" in second


async def test_eviction_without_a_limit_evicts_nothing(redis_server: RedisServer) -> None:
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    async with redis.asyncio.from_url(redis_server.url) as client:
        assert await persistence_findings(client) == []
