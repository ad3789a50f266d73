"""The figures of ended calls: what `call.ended` carried, what was measured of the log, what it added to its hour."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from storage.contribution import Contribution, Key
from storage.envelope import VERSION, Envelope, rfc3339
from storage.postgres.columns import columns
from storage.postgres.pool import Connection
from storage.records import MetricsRow

MEASURED = "measured"  # under this name the measured figures stand beside those of `call.ended`

_INSERT = """
INSERT INTO call_metrics (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
SELECT call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data::jsonb
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::text[])
     AS new (call_id, turns, interruptions, latency_p50_ms, latency_p95_ms, data)
ON CONFLICT (call_id) DO NOTHING
"""

_NAMES = ("call_id", "turns", "interruptions", "latency_p50_ms", "latency_p95_ms", "data")

# A call whose `call.ended` could not be read has no row yet.
_MEASURED = """
INSERT INTO call_metrics AS old (call_id, data, tenant, agent, agent_version, hour, contributed)
SELECT call_id, jsonb_build_object('measured', measured::jsonb), tenant, agent, agent_version,
       hour::timestamptz, contributed::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS new (call_id, measured, tenant, agent, agent_version, hour, contributed)
ORDER BY call_id
ON CONFLICT (call_id) DO UPDATE
SET data = old.data || excluded.data, tenant = excluded.tenant, agent = excluded.agent,
    agent_version = excluded.agent_version, hour = excluded.hour, contributed = excluded.contributed
"""

_ENDED_AMONG = """
SELECT call_id::text FROM call_sessions
WHERE call_id = ANY ($1::uuid[]) AND ended_at IS NOT NULL ORDER BY call_id
"""

_ENDED_ON = """
SELECT call_id::text FROM call_sessions
WHERE started_at >= $1 AND started_at < $2 AND ended_at IS NOT NULL ORDER BY call_id
"""

_LOGS = """
SELECT call_id::text, seq, tenant, type, at, data FROM events WHERE call_id = ANY ($1::uuid[])
ORDER BY call_id, seq
"""

_CONTRIBUTED = """
SELECT call_id::text, tenant, agent, agent_version, hour, contributed FROM call_metrics
WHERE call_id = ANY ($1::uuid[]) AND contributed IS NOT NULL
"""

_OF_DAY = """
SELECT tenant, agent, agent_version, hour, contributed FROM call_metrics
WHERE hour >= $1 AND hour < $2 AND contributed IS NOT NULL
"""

_KEYS_OF_DAY = """
SELECT DISTINCT tenant, agent, agent_version, hour FROM call_metrics
WHERE hour >= $1 AND hour < $2 AND contributed IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one call. `key` is None where the log does not say whose call it was: not rolled up."""

    call_id: str
    metrics: dict[str, Any]
    key: Key | None
    contribution: Contribution | None


async def save_metrics(connection: Connection, rows: Iterable[MetricsRow]) -> None:
    """Add; a call ends once, so what is there already stays."""
    await connection.execute(_INSERT, *columns(rows, _NAMES, json=("data",)))


async def save_measured(connection: Connection, calls: Sequence[Measured]) -> None:
    """Put down what was measured, in the place of what had been."""
    if not calls:
        return
    await connection.execute(
        _MEASURED,
        [call.call_id for call in calls],
        [_json(call.metrics) for call in calls],
        [call.key.tenant if call.key else None for call in calls],
        [call.key.agent if call.key else None for call in calls],
        [call.key.agent_version if call.key else None for call in calls],
        [call.key.hour if call.key else None for call in calls],
        [_json(call.contribution) if call.contribution else None for call in calls],
    )


async def ended_among(connection: Connection, call_ids: Sequence[str]) -> list[str]:
    """Those of these calls that have ended, by id."""
    return [row["call_id"] for row in await connection.fetch(_ENDED_AMONG, call_ids)]


async def ended_on(connection: Connection, day: datetime) -> list[str]:
    """The calls that began on this UTC day and have ended, by id."""
    rows = await connection.fetch(_ENDED_ON, day, day + timedelta(days=1))
    return [row["call_id"] for row in rows]


async def hold_calls(connection: Connection, call_ids: Sequence[str]) -> None:
    """Until the transaction ends nobody else measures these calls, or adds events to them."""
    await connection.execute(
        "SELECT FROM call_sessions WHERE call_id = ANY ($1::uuid[]) ORDER BY call_id FOR UPDATE", call_ids
    )


async def logs_of(connection: Connection, call_ids: Sequence[str]) -> dict[str, list[Envelope]]:
    """All events of these calls, in the order of their numbers; a call without any is left out."""
    logs: dict[str, list[Envelope]] = {}
    for row in await connection.fetch(_LOGS, call_ids):
        envelope = Envelope(
            v=VERSION,
            id=f"{row['call_id']}:{row['seq']}",
            tenant=row["tenant"],
            call_id=row["call_id"],
            seq=row["seq"],
            at=rfc3339(row["at"]),
            type=row["type"],
            data=row["data"],
        )
        logs.setdefault(envelope.call_id, []).append(envelope)
    return logs


async def contributed(connection: Connection, call_ids: Sequence[str]) -> dict[str, tuple[Key, Contribution]]:
    """What these calls have added to the roll-up until now; calls that have added nothing are left out."""
    rows = await connection.fetch(_CONTRIBUTED, call_ids)
    return {row["call_id"]: (_key(row), _contribution(row["contributed"])) for row in rows}


async def keys_of_day(connection: Connection, day: datetime) -> list[Key]:
    """The rows of the roll-up that calls of this UTC day have added to."""
    rows = await connection.fetch(_KEYS_OF_DAY, day, day + timedelta(days=1))
    return [_key(row) for row in rows]


async def contributed_on(connection: Connection, day: datetime) -> AsyncIterator[tuple[Key, Contribution]]:
    """What all calls that began on this UTC day have added, one by one; inside a transaction."""
    async for row in connection.cursor(_OF_DAY, day, day + timedelta(days=1), prefetch=500):
        yield _key(row), _contribution(row["contributed"])


async def metrics_of(connection: Connection, call_id: str) -> dict[str, Any] | None:
    """What `call.ended` carried, and under `measured` what was measured; None before the call has ended, and of a
    call that was forgotten."""
    data: dict[str, Any] | None = await connection.fetchval(
        "SELECT data FROM call_metrics WHERE call_id = $1 AND data <> '{}'", call_id
    )
    return data


def _key(row: Any) -> Key:
    return Key(
        tenant=row["tenant"],
        agent=row["agent"],
        agent_version=row["agent_version"],
        hour=row["hour"].strftime("%Y-%m-%dT%H:00:00Z"),
    )


def _contribution(plain: Any) -> Contribution:
    return msgspec.convert(plain, Contribution, strict=False)  # the buckets are names in JSON


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
