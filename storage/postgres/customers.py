"""Whom the business knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer and when they come next."""

    id: int
    name: str
    phone: str  # E.164
    email: str | None
    notes: str | None
    next_appointment: datetime | None  # aware, UTC; the next one that is not cancelled


# A caller says "555 0134", not "+1 555 0134"; fewer digits than a local number would match strangers.
_LOCAL_DIGITS = 7

_SELECT = """
SELECT id, name, phone, email, notes,
       (SELECT min(starts_at) FROM appointments
        WHERE customer_id = customers.id AND starts_at > now() AND cancelled_at IS NULL) AS next_appointment
FROM customers
"""

_EXACT = _SELECT + "WHERE tenant = $1 AND phone = $2"
_ENDING = _SELECT + "WHERE tenant = $1 AND right(phone, length($2)) = $2 LIMIT 2"


class CustomerBook:
    """The customers of one tenant."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def find_by_phone(self, phone: str) -> Customer | None:
        """Who has this number: E.164, or its last digits (7 at least) where only one customer's end so.

        Spaces and punctuation do not matter. Raises RecordUnavailableError when Postgres is away.
        """
        digits = re.sub(r"\D", "", phone)
        if not digits:
            return None
        async with self._database.connection() as connection:
            rows = await connection.fetch(_EXACT, self._tenant, f"+{digits}")
            if not rows and not phone.strip().startswith("+") and len(digits) >= _LOCAL_DIGITS:
                rows = await connection.fetch(_ENDING, self._tenant, digits)
        return Customer(**rows[0]) if len(rows) == 1 else None
