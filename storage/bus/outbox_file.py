"""The outbox on disk: one SQLite file in WAL mode, and the few statements that are used on it.

    events   what no worker has acknowledged yet, in the order it was emitted
    calls    calls that have begun and not ended, with the last number that is on disk; kept by a trigger
    state    up to which event everything was given to Redis

Synchronous, and for one thread at a time. A statement takes many rows: SQLite works without Python's
interpreter lock during one, so a group of events asks for the lock once, and audio hardly notices.
What was said lies in this file: deleted content is overwritten with zeros (`secure_delete`).
"""

from __future__ import annotations

import enum
import fcntl
import functools
import os
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from storage.bus.outbox import OpenCall, Sent
from storage.channels import tenant_of

Fsync = Literal["normal", "full"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE events (
    number    INTEGER PRIMARY KEY,  -- place in the outbox
    event_id  TEXT NOT NULL UNIQUE, -- <call_id>:<seq>
    channel   TEXT NOT NULL,
    body      BLOB NOT NULL,
    kept_at   REAL NOT NULL,        -- seconds since 1970
    step      INTEGER NOT NULL,     -- see Step
    stream_id TEXT                  -- where it stands in Redis, once it has stood there for a while
) STRICT;
CREATE INDEX in_redis ON events (number) WHERE stream_id IS NOT NULL;
CREATE TABLE calls (
    call_id    TEXT PRIMARY KEY,
    channel    TEXT NOT NULL,
    started_at REAL NOT NULL,       -- seconds since 1970
    last_at    REAL NOT NULL,
    last_seq   INTEGER NOT NULL,
    handoff_id TEXT,                -- of the newest handoff
    handoff    TEXT                 -- the type of its newest event
) STRICT, WITHOUT ROWID;
CREATE TRIGGER call_goes_on AFTER INSERT ON events WHEN new.step = 0 BEGIN
    INSERT INTO calls VALUES (
        substr(new.event_id, 1, instr(new.event_id, ':') - 1), new.channel, new.kept_at, new.kept_at,
        CAST(substr(new.event_id, instr(new.event_id, ':') + 1) AS INTEGER), NULL, NULL
    ) ON CONFLICT (call_id) DO UPDATE SET last_at = excluded.last_at, last_seq = excluded.last_seq;
END;
CREATE TRIGGER call_is_handed_over AFTER INSERT ON events WHEN new.step = 3 BEGIN
    INSERT INTO calls VALUES (
        substr(new.event_id, 1, instr(new.event_id, ':') - 1), new.channel, new.kept_at, new.kept_at,
        CAST(substr(new.event_id, instr(new.event_id, ':') + 1) AS INTEGER),
        json_extract(CAST(new.body AS TEXT), '$.data.handoff_id'), json_extract(CAST(new.body AS TEXT), '$.type')
    ) ON CONFLICT (call_id) DO UPDATE SET last_at = excluded.last_at, last_seq = excluded.last_seq,
                                          handoff_id = excluded.handoff_id, handoff = excluded.handoff;
END;
CREATE TRIGGER call_is_annotated AFTER INSERT ON events WHEN new.step = 2 BEGIN
    UPDATE calls SET last_seq = CAST(substr(new.event_id, instr(new.event_id, ':') + 1) AS INTEGER)
    WHERE call_id = substr(new.event_id, 1, instr(new.event_id, ':') - 1);
END;
CREATE TRIGGER call_ends AFTER INSERT ON events WHEN new.step = 1 BEGIN
    DELETE FROM calls WHERE call_id = substr(new.event_id, 1, instr(new.event_id, ':') - 1);
END;
CREATE TABLE state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), delivered INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, -1);
"""

# Rows of one INSERT. Every number up to it has a prepared statement of its own, made at its first use.
_AT_ONCE = 128

# Besides its body an event takes about this much: ids, channel, both indexes.
ROW_OVERHEAD_BYTES = 200


class OutboxError(Exception):
    """The outbox cannot be used: why, and what to do."""


class OutboxBusy(OutboxError):
    """Another process uses this outbox."""


class Step(enum.IntEnum):
    """What an event says about its call."""

    GOES_ON = 0
    ENDS = 1
    ANNOTATED = 2  # while it goes on, or after its end
    HANDED_OVER = 3  # goes on, and its handoff is somewhere else


class Row(NamedTuple):
    """An event as it is put down."""

    number: int
    event_id: str
    channel: str
    body: bytes
    kept_at: float
    step: int


class Held(NamedTuple):
    """What the file holds."""

    events: int
    bytes: int


class OutboxFile:
    """Order of calls: construct (locks and opens the file), the rest at will, `close`.

    Every method may raise sqlite3.Error: disk full, read-only, input/output error.
    """

    def __init__(self, path: Path, fsync: Fsync = "normal") -> None:
        """Make the file and its folder where they are missing.

        `fsync`: "normal" survives a crash of the process, "full" also a power cut (each commit waits for the
        disk, about 2 ms). Raises OutboxBusy when another process has it, OutboxError when it cannot be used.
        """
        self.path = path
        try:
            # What was said on the phone stands in there: for nobody else to read.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise OutboxError(
                f"The outbox {path} cannot be made: {error.strerror}; set CORDBOARD_OUTBOX__PATH to a file "
                "on a local disk that this user may write."
            ) from error
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=2 * _AT_ONCE
            )
            self._prepare(fsync)
        except (sqlite3.Error, OSError) as error:
            os.close(self._lock)
            raise OutboxError(
                f"The outbox {path} cannot be opened: {error}; check the disk and its permissions. If the file "
                "is damaged, move it and its -wal file away: what waits in there is not sent."
            ) from error
        except OutboxError:
            os.close(self._lock)
            raise

    def _prepare(self, fsync: Fsync) -> None:
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {fsync.upper()}")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA busy_timeout = 2000")  # somebody looks at the file with a tool
        version: int = self._one("PRAGMA user_version")[0]
        if version > _VERSION:
            raise OutboxError(
                f"The outbox {self.path} was written by a newer Cordboard (format {version}, this one knows "
                f"{_VERSION}): start that version, or set CORDBOARD_OUTBOX__PATH to another file."
            )
        if version == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        # Where things stand in Redis is from another life: all of it is sent again.
        self._connection.execute("UPDATE events SET stream_id = NULL WHERE stream_id IS NOT NULL")

    # Writing

    def keep(self, rows: Sequence[Row]) -> None:
        """Put events down, in order. When it raises, some may be: keeping them again changes nothing."""
        for start in range(0, len(rows), _AT_ONCE):
            chunk = rows[start : start + _AT_ONCE]
            self._connection.execute(_keep(len(chunk)), [value for row in chunk for value in row])

    def settle(self, *, deleted: Collection[str], placed: Mapping[str, str], delivered: int) -> Held:
        """What has become of events: all of this or nothing. Returns what went from the file.

        `deleted` are event ids, `placed` is event id → stream id, `delivered` the number up to which Redis has
        been given everything.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if placed:
                self._connection.execute(
                    "UPDATE events SET stream_id = found.value FROM json_each(?) AS found"
                    " WHERE events.event_id = found.key",
                    [_json(placed)],
                )
            gone = self._delete(deleted) if deleted else Held(0, 0)
            self._connection.execute("UPDATE state SET delivered = ?", [delivered])
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return gone

    def _delete(self, event_ids: Collection[str]) -> Held:
        names = _json(event_ids)
        count, size = self._one(
            "SELECT count(*), total(length(body)) FROM events"
            " WHERE event_id IN (SELECT value FROM json_each(?))",
            names,
        )
        if count:
            self._connection.execute(
                "DELETE FROM events WHERE event_id IN (SELECT value FROM json_each(?))", [names]
            )
        return Held(count, int(size) + count * ROW_OVERHEAD_BYTES)

    def unplace(self, event_ids: Collection[str]) -> None:
        """Redis does not have these any more."""
        self._connection.execute(
            "UPDATE events SET stream_id = NULL WHERE event_id IN (SELECT value FROM json_each(?))",
            [_json(event_ids)],
        )

    def erase(self, call_ids: Collection[str]) -> list[tuple[int, int]]:
        """Delete everything of these calls; (number, bytes) of each event. `scrub` comes next."""
        gone: list[tuple[int, int]] = []
        for call_id in call_ids:
            gone += self._connection.execute(
                "DELETE FROM events WHERE event_id >= ? || ':' AND event_id < ? || ';'"
                " RETURNING number, length(body)",
                [call_id, call_id],
            ).fetchall()
            self._connection.execute("DELETE FROM calls WHERE call_id = ?", [call_id])
        return [(number, size + ROW_OVERHEAD_BYTES) for number, size in gone]

    def scrub(self) -> None:
        """Empty the write-ahead log, so that what was deleted stands nowhere. Raises OperationalError while
        another program reads the file."""
        busy = self._one("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise sqlite3.OperationalError(
                "another program reads the outbox: deleted events stand in its log"
            )

    def shrink(self) -> None:
        """Give the pages of deleted events back to the disk, a few MB at a time."""
        self._connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()

    # Reading

    def held(self) -> Held:
        """Counts everything: for the start."""
        count, size = self._one("SELECT count(*), total(length(body)) FROM events")
        return Held(count, int(size) + count * ROW_OVERHEAD_BYTES)

    def oldest_kept_at(self) -> float | None:
        """When the oldest event was emitted, in seconds since 1970; None when there is none."""
        row = self._connection.execute("SELECT kept_at FROM events ORDER BY number LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    def position(self) -> tuple[int, int]:
        """(up to which number all was given to Redis, the highest number that was ever given out)."""
        delivered = int(self._one("SELECT delivered FROM state")[0])
        highest = self._one("SELECT coalesce(max(number), -1) FROM events")[0]
        return delivered, max(delivered, int(highest))

    def after(self, number: int, limit: int) -> list[Row]:
        """Events behind this place, in order."""
        return self._rows("WHERE number > ? ORDER BY number LIMIT ?", number, limit)

    def named(self, event_ids: Collection[str]) -> list[Row]:
        """Those of these events that are here, in order."""
        return self._rows(
            "WHERE event_id IN (SELECT value FROM json_each(?)) ORDER BY number", _json(event_ids)
        )

    def of_call(self, call_id: str) -> list[Row]:
        """The events of one call."""
        return self._rows("WHERE event_id >= ? || ':' AND event_id < ? || ';'", call_id, call_id)

    def in_redis(self, after: int, limit: int) -> tuple[list[Sent], int]:
        """Events that have stood in Redis for a while, behind this place; and the place of the last."""
        rows = self._connection.execute(
            "SELECT event_id, stream_id, number FROM events"
            " WHERE stream_id IS NOT NULL AND number > ? ORDER BY number LIMIT ?",
            [after, limit],
        ).fetchall()
        return [Sent(event_id, stream_id) for event_id, stream_id, _ in rows], rows[-1][2] if rows else after

    def open_calls(self) -> list[OpenCall]:
        """Calls that have begun and not ended, the oldest first."""
        rows = self._connection.execute(
            "SELECT call_id, channel, started_at, last_at, last_seq, handoff_id, handoff FROM calls"
            " ORDER BY started_at, call_id"
        )
        return [
            OpenCall(
                call_id=call_id,
                tenant=tenant_of(channel),
                started_at=datetime.fromtimestamp(started_at, UTC),
                last_at=datetime.fromtimestamp(last_at, UTC),
                last_seq=last_seq,
                handoff_id=handoff_id,
                handoff=handoff,
            )
            for call_id, channel, started_at, last_at, last_seq, handoff_id, handoff in rows
        ]

    def close(self) -> None:
        """Move the write-ahead log into the file and give the lock back."""
        self._connection.close()
        os.close(self._lock)

    def _one(self, statement: str, *values: Any) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(statement, values).fetchone()
        return row

    def _rows(self, where: str, *values: Any) -> list[Row]:
        statement = "SELECT number, event_id, channel, body, kept_at, step FROM events " + where  # noqa: S608 - ours
        return [Row(*row) for row in self._connection.execute(statement, values)]


def _locked(path: Path) -> int:
    """An open, locked file: the kernel gives the lock back when the process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OutboxBusy(
            f"Another server uses the outbox {path.with_suffix('')}: stop it, or give this one a file of its "
            "own with CORDBOARD_OUTBOX__PATH."
        ) from None
    return descriptor


@functools.cache
def _keep(rows: int) -> str:
    places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    # A number that is there already was put down by a try that failed half-way.
    return f"INSERT OR IGNORE INTO events (number, event_id, channel, body, kept_at, step) VALUES {places}"  # noqa: S608


def _json(value: Collection[str] | Mapping[str, str]) -> str:
    return msgspec.json.encode(value).decode()
