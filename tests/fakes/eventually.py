"""Waiting for another process: look again until it is so, or fail with what was seen last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(look: Callable[[], Any], *, within: float = 10.0) -> Any:
    """The first true value of `look` (a function or a coroutine function); AssertionError after `within` s."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        seen = look()
        if isinstance(seen, Awaitable):
            seen = await seen
        if seen:
            return seen
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within} s: {look!r} still gives {seen!r}")
        await asyncio.sleep(0.01)
