"""Cancelling a task that waits for Redis, for sure.

On Python 3.11 a cancellation that arrives in the instant in which the awaited reply does can be lost inside
`asyncio.wait_for` (python/cpython#86296), and the redis package awaits so in many places. Seen here: one in about
sixty cancelled connects went on for ever, and with it a server that had been told to stop.
"""

from __future__ import annotations

import asyncio
from typing import Any

# How long one cancellation is given before the next; a loop pass is usually enough.
AGAIN_AFTER_S = 0.2


def raise_if_cancelled() -> None:
    """To be called after an await of redis's: raises the cancellation that it has swallowed."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_for_sure(task: asyncio.Task[Any]) -> None:
    """Cancels `task` until it is done. Its result or error is not looked at."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_AFTER_S)
    if not task.cancelled():
        task.exception()
