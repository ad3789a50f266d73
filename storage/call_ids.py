"""Call ids: UUIDv7, so that sorting by id is sorting by start, in Postgres and everywhere else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import uuid_utils

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_call_id() -> str:
    """A new call id (RFC 9562, 5.7). Nobody reads the time out of it: `call.started` says when."""
    return str(uuid_utils.uuid7())


def is_call_id(text: str) -> bool:
    """True for a UUID in its usual form, whatever its version: what the tables accept as a call id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def lowest_call_id(at: datetime) -> str:
    """The lowest id that a call of this millisecond or later can have: "since" as a bound on ids.

    The same as `uuid7_floor(at)` in SQL. Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone is a guess; use datetime.now(UTC)")
    since_1970_ms = max((at - _EPOCH) // timedelta(milliseconds=1), 0)
    return str(uuid.UUID(int=since_1970_ms << 80))  # RFC 9562, 5.7: the first 48 of 128 bits
