"""Whether this Redis keeps what it is given. Its default settings do not."""

from __future__ import annotations

from typing import Any

import redis.asyncio
import redis.exceptions


async def persistence_findings(client: redis.asyncio.Redis) -> list[str]:
    """What is wrong with Redis' settings for a record, one sentence each with its remedy; [] when all is well,
    or when the server does not tell (managed ones hide CONFIG)."""
    try:
        settings: dict[Any, Any] = await client.config_get("appendonly", "maxmemory-policy", "maxmemory")
    except redis.exceptions.ResponseError:
        return []
    told = {_text(name): _text(value) for name, value in settings.items()}
    findings = []
    if told.get("appendonly") == "no":
        findings.append(
            "Redis keeps no append-only file: a restart of Redis loses events that are not in Postgres yet; "
            "set `appendonly yes`"
        )
    # Without a limit nothing is ever evicted, whatever the policy says.
    if told.get("maxmemory-policy") != "noeviction" and told.get("maxmemory") != "0":
        findings.append(
            f"Redis throws data away when its memory is full (maxmemory-policy {told.get('maxmemory-policy')}): "
            "set `maxmemory-policy noeviction`"
        )
    return findings


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
