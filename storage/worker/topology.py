"""One Redis, or a cluster of them: the worker's connection to either.

Every command of the worker names keys of one partition only, so it runs on a cluster as it stands; what differs
is who finds the node that has them (redis's RedisCluster does) and that one read cannot wait on sixteen
streams that lie on several nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import redis.asyncio
import redis.exceptions

_REPLY_TIMEOUT_S = 5.0  # must exceed how long a read blocks


class Connected(NamedTuple):
    """A client, and whether behind it is a cluster."""

    client: redis.asyncio.Redis
    is_cluster: bool


async def connect(redis_url: str, name: str) -> Connected:
    """Connect, and find out which of the two it is. Raises redis's errors or OSError where nobody answers.

    Close the client when done with it. `name` is what CLIENT LIST shows.
    """
    settings: dict[str, Any] = {
        "socket_timeout": _REPLY_TIMEOUT_S,
        "socket_connect_timeout": _REPLY_TIMEOUT_S,
        "client_name": name,
        "decode_responses": False,
    }
    single: redis.asyncio.Redis = redis.asyncio.from_url(redis_url, retry=None, **settings)
    try:
        await single.ping()
        if not await _cluster_enabled(single):
            return Connected(single, is_cluster=False)
    except BaseException:
        await single.aclose()
        raise
    await single.aclose()
    cluster = redis.asyncio.RedisCluster.from_url(redis_url, **settings)
    await cluster.initialize()
    # The two have the same methods for every command that is used here, but no type in common.
    return Connected(cast(redis.asyncio.Redis, cluster), is_cluster=True)


async def _cluster_enabled(client: redis.asyncio.Redis) -> bool:
    try:
        told: dict[str, Any] = await client.info("cluster")
    except redis.exceptions.ResponseError:  # a managed server that hides INFO
        return False
    return told.get("cluster_enabled") == 1
