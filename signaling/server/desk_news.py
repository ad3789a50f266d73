"""What happens without a call, from every server to this server's pages: who is there, what was published."""

from __future__ import annotations

from signaling.web.feed import Feed
from storage.bus.subscriber import DeskSubscriber


async def pass_on(redis_url: str, tenant: str, feed: Feed) -> None:
    """For ever; may be cancelled at any time. What is missed while Redis is away is asked for by the pages, which
    get a new snapshot then."""
    async for envelope in DeskSubscriber(redis_url, tenant):
        feed.publish_desk(envelope)
