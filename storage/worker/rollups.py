"""Figures that grow with the record, in the transaction that stores the events: each event counts once."""

from __future__ import annotations

from collections.abc import Sequence

from storage.envelope import Envelope
from storage.postgres.pool import Connection


async def after_insert(connection: Connection, new_events: Sequence[Envelope]) -> None:
    """Called inside the inserting transaction with the events that were not on record before.

    What it writes is committed with them or not at all. It may raise: the events are stored all the same.
    """
