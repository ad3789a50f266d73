"""One batch of rows into all tables of the record. The transaction is the caller's."""

from __future__ import annotations

from storage.batch import Batch
from storage.postgres.call_metrics import save_metrics
from storage.postgres.calls import save_calls
from storage.postgres.events import save_events
from storage.postgres.handoffs import save_handoffs
from storage.postgres.pool import Connection
from storage.postgres.slots import save_slots
from storage.postgres.tool_calls import save_tool_calls
from storage.postgres.transcripts import save_transcripts


async def save_batch(connection: Connection, batch: Batch) -> set[tuple[str, int]]:
    """Write every table of the batch. Doing it again, in whole or in parts, changes nothing.

    Returns (call_id, seq) of the events that were not there before.
    Always in this order, and each table in the order of its key, so that two workers cannot deadlock.
    """
    added: set[tuple[str, int]] = set()
    if batch.events:
        added = await save_events(connection, (batch.events[key] for key in sorted(batch.events)))
    if batch.calls:
        await save_calls(connection, batch.calls.values())
    if batch.transcripts:
        await save_transcripts(connection, batch.transcripts.values())
    if batch.tool_calls:
        await save_tool_calls(connection, batch.tool_calls.values())
    if batch.slots:
        await save_slots(connection, batch.slots.values())
    if batch.handoffs:
        await save_handoffs(connection, batch.handoffs.values())
    if batch.metrics:
        await save_metrics(connection, (batch.metrics[key] for key in sorted(batch.metrics)))
    return added
