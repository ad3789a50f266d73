"""Refusals on record: who asked for what they may not have.

A refusal is given whether it could be written down or not; the row it would have opened stays closed.
"""

from __future__ import annotations

import asyncio
import logging

from realtime.tools.context import AuditTrail

log = logging.getLogger(__name__)

# The caller waits for the model, and the model for the refusal.
WRITE_WITHIN_S = 2.0
ASKED_LIMIT = 200  # characters of what was asked for


async def record_refusal(
    audit: AuditTrail | None, *, call_id: str, call_item_id: str, tool: str, code: str, asked: str | None
) -> None:
    """One row: actor `call:<id>`, action `tool.refused`, subject what was asked for. Never raises."""
    log.warning("tool.refused call_id=%s code=%s", call_id, code)
    if audit is None:
        return
    try:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await audit.write(
                actor=f"call:{call_id}",
                action="tool.refused",
                subject=None if asked is None else asked[:ASKED_LIMIT],
                data={"tool": tool[:ASKED_LIMIT], "code": code, "call_item_id": call_item_id},
            )
    except Exception as error:
        log.error(
            "audit.not_written call_id=%s code=%s error=%s: the refusal stands; is Postgres there?",
            call_id,
            code,
            type(error).__name__,
        )
