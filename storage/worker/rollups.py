"""Figures that grow with the record, in the transaction that stores the events: each call counts once.

A call is measured when its log is complete: it has ended, and no number is missing. Whatever comes later (an
annotation, an event that was delayed) measures it again: what it had added to its hour is taken away, and what it
comes to now is added. So the figures are the same however often and in whatever order events are delivered.

Two workers that store parts of the same call at the same time take turns at its row in call_sessions, which is
written before we are called: the second one sees what the first has stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.contribution import Key, Sum, contribution_of, key_of
from storage.envelope import Envelope
from storage.metrics import as_json, measure
from storage.postgres import metrics_hourly
from storage.postgres.call_metrics import (
    Measured,
    contributed,
    ended_among,
    logs_of,
    save_measured,
)
from storage.postgres.pool import Connection
from storage.prices import PRICES, PriceTable

# Calls measured at a time: the logs of so many are in memory, about 100 KB each.
CALLS_AT_ONCE = 50


class _PriceList:
    """The price table of this process; set once, when it starts."""

    table: PriceTable = PRICES


def use_prices(table: PriceTable) -> None:
    """Reckon with this table from now on, instead of the built-in one."""
    _PriceList.table = table


async def after_insert(connection: Connection, new_events: Sequence[Envelope]) -> None:
    """Called inside the inserting transaction with the events that were not on record before.

    What it writes is committed with them or not at all. It may raise: the events are stored all the same.
    """
    ids = sorted({envelope.call_id for envelope in new_events})
    await measure_calls(connection, await ended_among(connection, ids))


async def measure_calls(
    connection: Connection, call_ids: Sequence[str], *, incomplete_too: bool = False
) -> None:
    """Measure these ended calls and bring their hours up to date.

    Calls whose log has gaps are left for later, unless `incomplete_too`. The transaction is the caller's.
    """
    sums: dict[Key, Sum] = {}
    for start in range(0, len(call_ids), CALLS_AT_ONCE):
        logs = await logs_of(connection, call_ids[start : start + CALLS_AT_ONCE])
        found = [
            each
            for call_id, log in logs.items()
            if (each := _measured(call_id, log, incomplete_too)) is not None
        ]
        before = await contributed(connection, [each.call_id for each in found])
        for key, contribution in before.values():
            sums.setdefault(key, Sum()).add(contribution, -1)
        for each in found:
            if each.key is not None and each.contribution is not None:
                sums.setdefault(each.key, Sum()).add(each.contribution)
        await save_measured(connection, found)
    await metrics_hourly.add(connection, sums)  # once, so that rows are locked in the order of their keys


def _measured(call_id: str, envelopes: Sequence[Envelope], incomplete_too: bool) -> Measured | None:
    metrics = measure(envelopes, _PriceList.table)
    if not metrics.complete and not incomplete_too:
        return None
    key = key_of(metrics, envelopes[0].tenant)
    contribution = None if key is None else contribution_of(metrics)
    return Measured(call_id=call_id, metrics=as_json(metrics), key=key, contribution=contribution)
