"""`python worker_main.py REDIS_URL DATABASE_URL`: the storage worker as a process of its own; prints "ready"."""

from __future__ import annotations

import asyncio
import logging
import sys

from storage.worker.run import worker_process

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(asyncio.run(worker_process(sys.argv[1], sys.argv[2], ready=lambda: print("ready", flush=True))))
