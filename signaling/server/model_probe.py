"""Whether the Realtime server would take a call, asked before anybody calls.

Without a session, which costs money and counts against limits: the key and the model's name are looked at once
they have not been yet, and from then on only a TCP connection is made.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

from realtime.client.account import look_at_account
from realtime.client.endpoint import Endpoint

log = logging.getLogger(__name__)

EVERY_S = 15.0
WHILE_DOWN_S = 1.0  # a start-up in which the model comes later than we do
TIMEOUT_S = 5.0


class ModelProbe:
    """Run `watch` as a task. `problem` is a sentence while the server cannot be reached, None while it can."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        where = urlsplit(endpoint.url)
        self._endpoint = endpoint
        self._model = model
        self._account_is_good = False
        self._host = where.hostname or ""
        self._port = where.port or (443 if where.scheme == "wss" else 80)
        self.problem: str | None = f"The voice model at {self._host}:{self._port} has not been reached yet."

    async def watch(self) -> None:
        """For ever; may be cancelled at any time."""
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S if self._account_is_good and self.problem is None else WHILE_DOWN_S)

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
        if not self._account_is_good:
            await self._ask_for_account()
        else:
            self.problem = None

    async def _ask_for_account(self) -> None:
        seen = await look_at_account(self._endpoint, self._model)
        if seen.code in ("unauthorized", "unknown_model"):
            setting = "OPENAI_API_KEY" if seen.code == "unauthorized" else "CORDBOARD_REALTIME__MODEL"
            self.problem = f"The voice model at {self._host}:{self._port}: {seen.detail}; check {setting}."
            log.error("model.refused code=%s: %s", seen.code, self.problem)
        elif seen.code != "unreachable":
            self._account_is_good = True
            self.problem = None
