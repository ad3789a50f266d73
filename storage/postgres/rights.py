"""Who may do what to which table: one role for each kind of program, each with what it needs and no more.

migrator   owns everything; `cordboard db migrate`
writer     the storage worker: adds to the record, brings projections up to date, deletes nothing
server     the media server and its pages: reads the record, writes what is not made of events
reader     dashboards and reports: reads calls and figures, no customers, no accounts
keeper     retention and erasure: the only one that may delete calls

A table that no role may touch is listed too, with {}: forgetting one and meaning it are then not the same.
Nobody has rights on a single month (`events_2026_11`); the way to a row is through its table.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The group roles; a login is made a member of one of them."""

    MIGRATOR = "cordboard_migrator"
    WRITER = "cordboard_writer"
    SERVER = "cordboard_server"
    READER = "cordboard_reader"
    KEEPER = "cordboard_keeper"


_ADD = "SELECT, INSERT"
_KEEP_UP = "SELECT, INSERT, UPDATE"  # ON CONFLICT DO UPDATE asks for all three
_LOOK = "SELECT"
_REMOVE = "SELECT, DELETE"


def _projection(remove: str = _REMOVE) -> dict[Role, str]:
    return {Role.WRITER: _KEEP_UP, Role.SERVER: _LOOK, Role.READER: _LOOK, Role.KEEPER: remove}


_FIGURES = {Role.WRITER: _KEEP_UP, Role.SERVER: _LOOK, Role.READER: _LOOK, Role.KEEPER: _LOOK}

TABLES: dict[str, dict[Role, str]] = {
    # What happened is never changed. Read by the worker too: the figures are computed from the log.
    "events": {Role.WRITER: _ADD, Role.SERVER: _LOOK, Role.READER: _LOOK, Role.KEEPER: _REMOVE},
    "call_sessions": _projection(),
    "transcripts": _projection(),
    "tool_calls": _projection(),
    "slots": _projection(),
    "handoffs": _projection(),
    "call_metrics": _projection("SELECT, UPDATE, DELETE"),
    "metrics_hourly": _FIGURES,
    "metrics_daily": _FIGURES,
    "recordings": {Role.SERVER: _KEEP_UP, Role.READER: _LOOK, Role.KEEPER: "SELECT, INSERT, UPDATE, DELETE"},
    # As they came, with whatever was said: not for reports.
    "dead_letters": {Role.WRITER: "INSERT", Role.KEEPER: _REMOVE},
    "audit_log": {Role.WRITER: "INSERT", Role.SERVER: "INSERT", Role.KEEPER: "INSERT"},
    "agent_retention": {Role.WRITER: _LOOK, Role.SERVER: _KEEP_UP, Role.KEEPER: _LOOK},
    "erasures": {Role.WRITER: _LOOK, Role.SERVER: _LOOK, Role.KEEPER: _KEEP_UP},
    "customers": {Role.SERVER: "SELECT, INSERT, UPDATE, DELETE", Role.KEEPER: _REMOVE},
    "appointments": {Role.SERVER: _KEEP_UP, Role.KEEPER: "SELECT, UPDATE, DELETE"},
    "agents": {Role.WRITER: _LOOK, Role.SERVER: _KEEP_UP, Role.READER: _LOOK, Role.KEEPER: _LOOK},
    "agent_drafts": {Role.SERVER: "SELECT, INSERT, DELETE"},
    "agent_versions": {Role.WRITER: _LOOK, Role.SERVER: _ADD, Role.READER: _LOOK, Role.KEEPER: _LOOK},
    "people": {Role.SERVER: "SELECT, INSERT, UPDATE, DELETE"},
    "schema_migrations": {
        Role.WRITER: _LOOK,
        Role.SERVER: _LOOK,
        Role.READER: _LOOK,
        Role.KEEPER: _LOOK,
    },
}

# Those that run with their owner's rights; every other function may be called by anybody.
FUNCTIONS: dict[str, tuple[Role, ...]] = {
    "monthly_tables()": (Role.WRITER, Role.SERVER, Role.KEEPER),
    "make_months(date, integer)": (Role.WRITER, Role.KEEPER),
    "stray_rows()": (Role.WRITER, Role.KEEPER),
    "drop_months_before(date, text[])": (Role.KEEPER,),
    "forget_in_audit(uuid[])": (Role.KEEPER,),
}

# Functions and types by name: the migrator's, like the tables.
OWNED = (
    *(signature.partition("(")[0] for signature in FUNCTIONS),
    "uuid7_floor",
    "uuid7_time",
    "agent_versions_are_final",
    "added_up",
    "tenant_span",
)
