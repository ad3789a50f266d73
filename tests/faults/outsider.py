"""Somebody else's program that listens to the public channels: `python -m tests.faults.outsider REDIS_URL FILE`.

Writes down every numbered event as it comes, repeats included, for ever; prints "ready" when it is subscribed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from storage.bus.subscriber import Subscriber
from storage.channels import calls_pattern
from tests.faults.ledger import Ledger


async def main(redis_url: str, file: str) -> None:
    heard = Ledger(Path(file))
    subscriber = Subscriber(redis_url, [calls_pattern()], on_connect=lambda: print("ready", flush=True))
    async for envelope in subscriber:
        heard.write(envelope)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
