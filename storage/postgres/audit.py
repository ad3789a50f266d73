"""Who asked for what they were not given, and who changed what: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.clean_text import clean, clean_text
from storage.postgres.pool import Database

_INSERT = "INSERT INTO audit_log (tenant, actor, action, subject, data) VALUES ($1, $2, $3, $4, $5)"


class AuditLog:
    """The audit log of one tenant."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        """Add a row. `actor`: `call:<id>`, or the user's id; `action`: `tool.refused`, `agent.published`, …;
        `subject`: what it was done to. Raises RecordUnavailableError when Postgres is away."""
        async with self._database.connection() as connection:
            told = None if subject is None else clean_text(subject)
            await connection.execute(_INSERT, self._tenant, actor, action, told, clean(dict(data or {})))
