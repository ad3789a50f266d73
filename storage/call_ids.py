"""Call ids: UUIDv7, so that sorting by id is sorting by start, in Postgres and everywhere else."""

from __future__ import annotations

import uuid

import uuid_utils


def new_call_id() -> str:
    """A new call id (RFC 9562, 5.7). Nobody reads the time out of it: `call.started` says when."""
    return str(uuid_utils.uuid7())


def is_call_id(text: str) -> bool:
    """True for a UUID in its usual form, whatever its version: what the tables accept as a call id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
