"""How a REFER of ours goes, as the NOTIFYs tell it (RFC 3515 section 2.4.5)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

from signaling.sip.message import Request

STATUS: Final = re.compile(rb"\s*SIP/2\.0 (\d{3})(?: ([^\r\n]*))?", re.I)
PATIENCE_S: Final = 180.0
"""It may ring at the other end for a while; after that nobody will tell any more."""
MOST_STEPS: Final = 32  # that nobody has taken yet; the newest are dropped beyond it


class Referral:
    """Order of calls: `notified` and `ended` as they come; `steps` once."""

    def __init__(self) -> None:
        self._steps: asyncio.Queue[tuple[int, str]] = asyncio.Queue(MOST_STEPS)

    def notified(self, notify: Request) -> None:
        """What this NOTIFY says of the other call."""
        match = STATUS.match(notify.body)
        over = (notify.get("Subscription-State") or "").strip().lower().startswith("terminated")
        if match is not None:
            self._put(int(match.group(1)), (match.group(2) or b"").decode("utf-8", "replace"))
        if over and (match is None or int(match.group(1)) < 200):
            self._put(487, "They stopped telling")

    def ended(self) -> None:
        """Our own call with them is over: no NOTIFY will come."""
        self._put(487, "The call has ended")

    async def steps(self) -> AsyncIterator[tuple[int, str]]:
        """Until a final one, which always comes."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    step = await self._steps.get()
            except TimeoutError:
                step = (408, "Nothing was heard of the transfer")
            yield step
            if step[0] >= 200:
                return

    def _put(self, status: int, reason: str) -> None:
        if not self._steps.full():
            self._steps.put_nowait((status, reason))


def fragment(status: int, reason: str) -> bytes:
    """The body of a NOTIFY: message/sipfrag."""
    return f"SIP/2.0 {status} {reason}\r\n".encode()
