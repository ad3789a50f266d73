"""Events that could not be stored, kept as they came until somebody has looked."""

from __future__ import annotations

from storage.postgres.pool import Connection

_INSERT = """
INSERT INTO dead_letters (stream, entry_id, reason, raw) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""

# A reason is for a person; a server's message may quote the value it did not like.
_REASON_CHARS = 500


async def save_dead_letter(
    connection: Connection, *, stream: str, entry_id: str, reason: str, raw: bytes
) -> None:
    """Put one away; the same entry a second time changes nothing."""
    safe = reason.encode("utf-8", "replace").decode().replace("\x00", "")[:_REASON_CHARS]
    await connection.execute(_INSERT, stream, entry_id, safe, raw)
