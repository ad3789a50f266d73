"""Whether the Realtime server can be reached at all, asked before anybody calls.

Only a TCP connection is made: a session costs money and counts against limits. A wrong key is therefore found
by the first call, not here.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

EVERY_S = 15.0
WHILE_DOWN_S = 1.0
TIMEOUT_S = 5.0


class ModelProbe:
    """Run `watch` as a task. `problem` is a sentence while the server cannot be reached, None while it can."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._host = where.hostname or ""
        self._port = where.port or (443 if where.scheme == "wss" else 80)
        self.problem: str | None = f"The voice model at {self._host}:{self._port} has not been reached yet."

    async def watch(self) -> None:
        """For ever; may be cancelled at any time."""
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S if self.problem is None else WHILE_DOWN_S)

    async def ask(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError) as error:
            self.problem = (
                f"The voice model at {self._host}:{self._port} cannot be reached ({error or 'no answer'}); "
                "check CORDBOARD_REALTIME__URL and the network."
            )
            return
        writer.close()
        self.problem = None
