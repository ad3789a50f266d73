"""Does Redis still have what nobody has acknowledged?

    still in its stream            the worker has not come to it: wait, so that an outage multiplies nothing
    gone, and no acknowledgement   Redis has lost it (or the acknowledgement was lost): send it again

The second is right in both cases, because the worker's primary key absorbs a repeat.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import redis.asyncio

from storage.bus.cancellation import raise_if_cancelled
from storage.bus.outbox import Sent, call_of
from storage.channels import stream_of

log = logging.getLogger(__name__)


class Presence:
    """A connection of its own, so that asking never holds up what is being sent. `close` at the end."""

    def __init__(self, redis_url: str, *, reply_timeout_s: float) -> None:
        self._client: redis.asyncio.Redis = redis.asyncio.from_url(
            redis_url,
            retry=None,
            socket_timeout=reply_timeout_s,
            socket_connect_timeout=reply_timeout_s,
            client_name="cordboard-reconcile",
        )

    async def lost(self, sent: Sequence[Sent]) -> list[str]:
        """Ids of those events that stand in their stream no longer (or nobody knows where).

        Raises redis.exceptions.RedisError, OSError or TimeoutError. May be cancelled.
        """
        known = [each for each in sent if each.stream_id]
        gone = [each.event_id for each in sent if not each.stream_id]
        if known:
            async with self._client.pipeline(transaction=False) as pipeline:
                for each in known:
                    pipeline.xrange(stream_of(call_of(each.event_id)), each.stream_id, each.stream_id)
                answers: list[Any] = await pipeline.execute()
            raise_if_cancelled()
            gone += [each.event_id for each, found in zip(known, answers, strict=True) if not found]
        return gone

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
