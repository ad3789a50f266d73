"""An RTCPeerConnection that is really over when `close()` returns.

aiortc starts its steps with naked `ensure_future` and does not wait for them; a call that is dropped while it is
being set up would leave them behind for a while.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection


class Connection(RTCPeerConnection):
    def __init__(self, ice_servers: list[RTCIceServer]) -> None:
        # A list even when empty: None would mean a public STUN server and a wait for it.
        super().__init__(RTCConfiguration(iceServers=ice_servers))
        self._steps: list[asyncio.Task[None]] = []
        connect = self._RTCPeerConnection__connect  # type: ignore[has-type]  # aiortc's private name

        def connect_and_keep() -> asyncio.Task[None]:
            step = asyncio.get_running_loop().create_task(connect())
            self._steps.append(step)
            return step

        self._RTCPeerConnection__connect = connect_and_keep

    async def close(self) -> None:
        """Idempotent. Leaves no task, socket or thread."""
        await super().close()
        pumps: list[Any] = [t.receiver.transport._task for t in self.getTransceivers()]
        own = {asyncio.current_task()}
        steps = {step for step in [*self._steps, *pumps] if step is not None} - own
        for step in steps:
            step.cancel()
        if steps:
            await asyncio.wait(steps)
