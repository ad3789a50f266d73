"""The audit log takes what it is given, strange text and all, for its own tenant."""

from __future__ import annotations

from storage.postgres.audit import AuditLog
from storage.postgres.pool import Database
from tests.fakes.record_dump import rows


async def test_a_row_says_who_did_what_to_what(database_url: str) -> None:
    database = Database(database_url)
    await AuditLog(database, "berlin").write(
        actor="call:1", action="tool.refused", subject="+49\x0030", data={"code": "no\ud800t_verified"}
    )
    await AuditLog(database, "berlin").write(actor="ann", action="agent.published")
    await database.close()

    assert await rows(
        database_url, "SELECT tenant, actor, action, subject, data::text FROM audit_log ORDER BY id"
    ) == [
        ("berlin", "call:1", "tool.refused", "+4930", '{"code": "not_verified"}'),
        ("berlin", "ann", "agent.published", None, "{}"),
    ]
