"""`python embedded_main.py FOLDER`: run the embedded servers until the input ends; prints their URLs."""

from __future__ import annotations

import asyncio
import sys

from storage.embedded.binaries import EmbeddedServersError
from storage.embedded.servers import EmbeddedServers


async def main(folder: str) -> int:
    try:
        async with EmbeddedServers(folder) as servers:
            print(servers.redis_url, servers.database_url, flush=True)
            await asyncio.to_thread(sys.stdin.read)
    except EmbeddedServersError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
