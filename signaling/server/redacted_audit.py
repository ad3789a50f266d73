"""The audit log of a call whose agent wants things kept out of the record: they are kept out of it here, too.

A refused look-up is on record with what was asked for, and that is often somebody's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.tools.context import AuditTrail
from storage.redaction import Redaction


class RedactedAudit:
    """Implements `AuditTrail`."""

    def __init__(self, audit: AuditTrail, redaction: Redaction) -> None:
        self._audit = audit
        self._redaction = redaction

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        """See `AuditTrail`."""
        kept = None if subject is None else self._redaction.text(subject)
        told = None if data is None else self._redaction.value(dict(data))
        await self._audit.write(actor=actor, action=action, subject=kept, data=told)
