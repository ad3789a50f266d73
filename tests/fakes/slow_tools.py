"""Tools that try a call's patience, for scenarios: a server loads them by name (`tools.modules`)."""

from __future__ import annotations

import asyncio

from realtime.tools import tool

# Longer than the two seconds after which the agent says something, and than what it says.
SLOW_S = 3.6


@tool(timeout_s=8)
async def find_file() -> str:
    """Find the caller's file. It is a long way to the cellar."""
    await asyncio.sleep(SLOW_S)  # what is slow about it is what the scenario is about
    return "found"


@tool(timeout_s=1, speak_while="")
async def ask_the_oracle() -> str:
    """Ask, and get no answer; it does not even let go the first time it is told to."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()
    return ""


@tool(timeout_s=60, speak_while="")
async def write_to_head_office() -> str:
    """Write, and wait for the answer."""
    await asyncio.Event().wait()
    return ""
