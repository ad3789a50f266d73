"""The figures of ended calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import MetricsRow

_INSERT = """
INSERT INTO call_metrics (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
SELECT call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data::jsonb
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::text[])
     AS new (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
ON CONFLICT (call_id) DO NOTHING
"""

_NAMES = ("call_id", "turns", "interruptions", "latency_p50_ms", "latency_p95_ms", "data")


async def save_metrics(connection: Connection, rows: Iterable[MetricsRow]) -> None:
    """Add; a call ends once, so what is there already stays."""
    await connection.execute(_INSERT, *columns(rows, _NAMES, json=("data",)))


async def metrics_of(connection: Connection, call_id: str) -> dict[str, Any] | None:
    """What `call.ended` carried; None before the call has ended."""
    data: dict[str, Any] | None = await connection.fetchval(
        "SELECT data FROM call_metrics WHERE call_id = $1", call_id
    )
    return data
