"""When people come. Two cannot come at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from storage.postgres.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """One booked time. Times are aware, UTC."""

    id: int
    name: str
    starts_at: datetime
    ends_at: datetime
    reason: str | None
    customer_id: int | None
    call_id: str | None  # the call it was made in


class SlotTaken(Exception):
    """Somebody else comes at that time."""

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(f"{starts_at.isoformat()} is taken")
        self.starts_at = starts_at


_COLUMNS = "id, name, starts_at, ends_at, reason, customer_id, call_id::text AS call_id"

_BY_KEY = f"SELECT {_COLUMNS} FROM appointments WHERE tenant = $1 AND idempotency_key = $2"  # noqa: S608 - constants only

_OVERLAPPING = """
SELECT 1 FROM appointments
WHERE tenant = $1 AND cancelled_at IS NULL AND starts_at < $3 AND ends_at > $2
LIMIT 1
"""

_INSERT = f"""
INSERT INTO appointments (tenant, name, starts_at, ends_at, reason, customer_id, call_id, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_TAKEN = """
SELECT starts_at FROM appointments
WHERE tenant = $1 AND cancelled_at IS NULL AND starts_at >= $2 AND starts_at < $3
ORDER BY starts_at
"""

_NEXT = f"""
SELECT {_COLUMNS} FROM appointments
WHERE tenant = $1 AND customer_id = $2 AND cancelled_at IS NULL AND starts_at > now()
ORDER BY starts_at LIMIT 1
"""  # noqa: S608 - constants only

_OF_CALL = f"SELECT {_COLUMNS} FROM appointments WHERE tenant = $1 AND call_id = $2 ORDER BY booked_at"  # noqa: S608 - constants only

# Bookings of a tenant go one after another, so that two callers do not wait for each other's exclusion (the
# table's last word, whoever writes) until PostgreSQL calls it a deadlock. The lock ends with the transaction.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('cordboard.appointments.' || $1, 0))"


class AppointmentBook:
    """The book of one tenant; every appointment takes `minutes`. All methods raise RecordUnavailableError
    when Postgres is away."""

    def __init__(self, database: Database, tenant: str = "default", *, minutes: int = 30) -> None:
        self._database = database
        self._tenant = tenant
        self.length = timedelta(minutes=minutes)

    async def schedule(
        self,
        *,
        idempotency_key: str,
        call_id: str | None,
        name: str,
        starts_at: datetime,
        reason: str | None = None,
        customer_id: int | None = None,
    ) -> Appointment:
        """Book, or return what the same key booked before (whatever else is said this time).

        `starts_at` must be aware (ValueError). Raises SlotTaken when it overlaps another appointment.
        """
        if starts_at.tzinfo is None:
            raise ValueError("an appointment needs a time with its zone")
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_ONE_AT_A_TIME, self._tenant)
            row = await connection.fetchrow(_BY_KEY, self._tenant, idempotency_key)
            if row is None:
                await self._refuse_if_taken(connection, starts_at)
                try:
                    row = await connection.fetchrow(
                        _INSERT,
                        self._tenant,
                        name,
                        starts_at,
                        starts_at + self.length,
                        reason,
                        customer_id,
                        call_id,
                        idempotency_key,
                    )
                except asyncpg.ExclusionViolationError as error:
                    raise SlotTaken(starts_at) from error
            assert row is not None
            return Appointment(**row)

    async def taken_on(self, day_start: datetime, day_end: datetime) -> Sequence[datetime]:
        """Start times booked in [day_start, day_end), in order, UTC."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_TAKEN, self._tenant, day_start, day_end)
        return [row["starts_at"] for row in rows]

    async def next_for(self, customer_id: int) -> Appointment | None:
        """When this customer comes next."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_NEXT, self._tenant, customer_id)
        return None if row is None else Appointment(**row)

    async def for_call(self, call_id: str) -> list[Appointment]:
        """What was booked in this call."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_OF_CALL, self._tenant, call_id)
        return [Appointment(**row) for row in rows]

    async def _refuse_if_taken(self, connection: Connection, starts_at: datetime) -> None:
        if await connection.fetchval(_OVERLAPPING, self._tenant, starts_at, starts_at + self.length):
            raise SlotTaken(starts_at)
