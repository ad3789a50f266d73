"""A dental practice's customers for the demo: a dozen people who do not exist.

The numbers are from the range that is set aside for fiction (+1 … 555-0100 to 555-0199).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from storage.postgres.pool import CONNECT_TIMEOUT_S

# name, phone, and the next appointment: working days from now, hour, minute, what for
_PEOPLE: tuple[tuple[str, str, tuple[int, int, int, str] | None], ...] = (
    ("Anna Berg", "+12065550101", (2, 9, 0, "check-up")),
    ("Ben Carter", "+12065550102", (3, 10, 30, "filling")),
    ("Clara Diaz", "+12065550103", None),
    ("Daniel Evans", "+12065550104", (5, 14, 0, "cleaning")),
    ("Emma Fischer", "+12065550105", (1, 11, 0, "check-up")),
    ("Farid Haddad", "+12065550106", (8, 15, 30, "crown fitting")),
    ("Grace Kim", "+12065550107", None),
    ("Henry Lopez", "+12065550108", (4, 9, 30, "root canal")),
    ("Ines Martin", "+12065550109", (10, 13, 0, "cleaning")),
    ("John Smith", "+12065550123", (6, 10, 0, "check-up")),
    ("Mary Johnson", "+12065550142", (7, 16, 0, "whitening")),
    ("Hanako Sato", "+12065550188", (9, 11, 30, "check-up")),
)

_CUSTOMER = """
INSERT INTO customers (phone, name) VALUES ($1, $2)
ON CONFLICT (tenant, phone) DO UPDATE SET name = excluded.name
RETURNING id
"""

# A demo that is started again weeks later shall still have appointments that lie ahead.
_APPOINTMENT = """
INSERT INTO appointments AS old (starts_at, ends_at, name, reason, customer_id, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, idempotency_key) DO UPDATE
SET starts_at = excluded.starts_at, ends_at = excluded.ends_at
WHERE old.starts_at < now()
"""


async def seed_demo(database_url: str, *, today: date, zone: ZoneInfo) -> int:
    """Put the people and their appointments in, as seen from `today` in the practice's `zone`.

    Returns how many people there are. Doing it again adds nothing and moves only appointments that are over.
    """
    connection = await asyncpg.connect(database_url, timeout=CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction():
            for name, phone, coming in _PEOPLE:
                customer_id = await connection.fetchval(_CUSTOMER, phone, name)
                if coming is None:
                    continue
                days, hour, minute, reason = coming
                day = working_day(today, days)
                starts_at = datetime.combine(day, time(hour, minute), zone)
                ends_at = starts_at + timedelta(minutes=30)
                key = f"demo:{phone}"
                try:
                    async with connection.transaction():
                        await connection.execute(
                            _APPOINTMENT, starts_at, ends_at, name, reason, customer_id, key
                        )
                except asyncpg.ExclusionViolationError:
                    continue  # a caller has booked that time: then this one has nothing ahead
    finally:
        await connection.close()
    return len(_PEOPLE)


def working_day(today: date, days: int) -> date:
    """The day that is `days` working days (Monday to Friday) after `today`."""
    day = today
    while days:
        day += timedelta(days=1)
        if day.weekday() < 5:
            days -= 1
    return day
