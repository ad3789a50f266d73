"""The storage worker as a process: `python -m tests.faults.worker REDIS_URL DATABASE_URL CONSUMER CLAIM_IDLE_MS`.

What `cordboard worker` runs, with the two figures that a test of minutes must set: the consumer's name, and after how
long it takes over what another worker holds. Prints "ready"; SIGTERM ends it cleanly.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from storage.worker.run import run_worker


async def main(redis_url: str, database_url: str, consumer: str, claim_idle_ms: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_worker(
        redis_url,
        database_url,
        stop=stop,
        ready=lambda: print("ready", flush=True),
        consumer=consumer,
        claim_idle_ms=int(claim_idle_ms),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main(*sys.argv[1:]))
