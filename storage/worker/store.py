"""The Postgres side of the worker: a batch of entries stored, with what cannot be stored put aside.

connection lost, server starting, disk full, tables missing   hold: raise, and be called again
deadlock, serialization failure                               the same
the data itself is refused (class 22, 23, 54)                 halve the batch until the one event is found
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from storage.batch import Batch
from storage.call_ids import is_call_id
from storage.channels import stream_of
from storage.codec import EnvelopeError, decode, encode
from storage.envelope import Envelope
from storage.postgres.dead_letters import save_dead_letter
from storage.postgres.events import are_stored
from storage.postgres.pool import UNREACHABLE, Connection, Pool
from storage.postgres.record import save_batch
from storage.postgres.tombstones import erased_among
from storage.worker.intake import MAX_DELIVERIES, Entry
from storage.worker.rollups import after_insert

log = logging.getLogger(__name__)

# SQLSTATE classes that speak about the data: data exception, integrity violation, program limit exceeded.
_DATA_CLASSES = ("22", "23", "54")


@dataclass(frozen=True, slots=True)
class _Readable:
    entry: Entry
    envelope: Envelope


Count = Callable[[Connection, Sequence[Envelope]], Awaitable[None]]


async def store(pool: Pool, entries: Sequence[Entry], *, count: Count = after_insert) -> list[str]:
    """Put these into Postgres, or into `dead_letters`; returns the ids of the events taken care of.

    `count` is given the events that were not on record before, inside the transaction that stores them.
    Returns only when all of it is committed. Raises what Postgres raised when the batch shall be held and
    given again; parts of it may be stored then, and storing them again changes nothing.
    """
    readable: list[_Readable] = []
    aside: list[str] = []
    for entry in entries:
        if not entry.body:
            continue
        try:
            readable.append(_Readable(entry, _read(entry)))
        except EnvelopeError as error:
            names = _named(entry)
            # What ended its worker again and again after the commit needs only its end.
            if not (entry.worn_out and await _on_record(pool, names)) and not await _erased(pool, names):
                await _put_aside(pool, entry, error.reason)
            aside += names
    return [*aside, *await _store(pool, readable, count)]


def is_about_data(error: BaseException) -> bool:
    """True when Postgres (or asyncpg on the way) refused the content, so that trying again cannot help."""
    if isinstance(error, asyncpg.PostgresError):
        return str(getattr(error, "sqlstate", "")).startswith(_DATA_CLASSES)
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def _read(entry: Entry) -> Envelope:
    if entry.worn_out:
        raise EnvelopeError(f"delivered more than {MAX_DELIVERIES} times without being stored")
    envelope = decode(entry.body)
    if envelope.seq is None:
        raise EnvelopeError("an event without a number does not belong on the stream")
    if not is_call_id(envelope.call_id):
        raise EnvelopeError("call_id is not a UUID")
    return envelope


async def _store(pool: Pool, readable: Sequence[_Readable], count: Count) -> list[str]:
    if not readable:
        return []
    batch = Batch()
    for item in readable:
        batch.add(item.envelope)
    try:
        async with pool.acquire() as connection, connection.transaction():
            added = await save_batch(connection, batch)
            # After writing, see `erased_among`: such calls are rare, so the batch is stored first and undone then.
            erased = await erased_among(connection, {item.envelope.call_id for item in readable})
            if erased:
                raise _Erased(erased)
            await _count(connection, [item.envelope for item in readable], added, count)
            for envelope, reason in batch.misfits:
                await save_dead_letter(
                    connection,
                    stream="projection",
                    entry_id=f"{envelope.call_id}:{envelope.seq}",
                    reason=reason,
                    raw=encode(envelope),
                )
    except _Erased as error:
        kept = [item for item in readable if item.envelope.call_id not in error.call_ids]
        log.info("worker.erased_dropped events=%d: of calls that were erased", len(readable) - len(kept))
        dropped = [str(item.envelope.id) for item in readable if item.envelope.call_id in error.call_ids]
        return [*dropped, *await _store(pool, kept, count)]
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if not is_about_data(error):
            raise
        if len(readable) == 1:
            await _put_aside(pool, readable[0].entry, f"{type(error).__name__}: {error}")
            return [str(readable[0].envelope.id)]
        middle = len(readable) // 2
        return [
            *await _store(pool, readable[:middle], count),
            *await _store(pool, readable[middle:], count),
        ]
    for envelope, _ in batch.misfits:
        log.error(
            "worker.misfit call_id=%s seq=%s type=%s: in events, but in no other table; see dead_letters",
            envelope.call_id,
            envelope.seq,
            envelope.type,
        )
    return [str(item.envelope.id) for item in readable]


class _Erased(Exception):
    """Some of a batch belongs to calls that were erased: nothing of it is committed."""

    def __init__(self, call_ids: set[str]) -> None:
        super().__init__("events of calls that were erased")
        self.call_ids = call_ids


async def _count(
    connection: Connection, envelopes: Sequence[Envelope], added: set[tuple[str, int]], count: Count
) -> None:
    """Let the figures take in what is really new, each event once however often it was delivered.

    A fault in the figures must not cost the events: only what they wrote is undone then, and they are behind
    until they are computed from the log again.
    """
    new = {(envelope.call_id, envelope.seq): envelope for envelope in envelopes}
    new_events = [envelope for key, envelope in new.items() if key in added]
    if not new_events:
        return
    try:
        async with connection.transaction():  # a savepoint
            await count(connection, new_events)
    except Exception as error:
        if _is_about_the_server(error):
            raise
        log.exception("worker.rollup_failed events=%d: the events are stored", len(new_events))


def _is_about_the_server(error: Exception) -> bool:
    """True when the same may work on another try: gone away, deadlock, shutting down, disk full."""
    if isinstance(error, (*UNREACHABLE, asyncpg.PostgresError)):
        return not is_about_data(error)
    return False


class _Named(msgspec.Struct):
    id: str


def _named(entry: Entry) -> list[str]:
    """The event id of what is no readable event, where it has one: its outbox would send it again for ever."""
    try:
        name = msgspec.json.decode(entry.body, type=_Named).id
        return [name] if stream_of(name.partition(":")[0]) == entry.stream else []
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
        return []


async def _erased(pool: Pool, names: Sequence[str]) -> bool:
    """True where these are events of calls that were erased."""
    calls = {name.rpartition(":")[0] for name in names}
    if not calls or not all(map(is_call_id, calls)):
        return False
    async with pool.acquire() as connection:
        return await erased_among(connection, calls) == calls


async def _on_record(pool: Pool, names: Sequence[str]) -> bool:
    """True where all of these events are in the log; False for none."""
    async with pool.acquire() as connection:
        return bool(names) and await are_stored(connection, names)


async def _put_aside(pool: Pool, entry: Entry, reason: str) -> None:
    # The reason may quote what was said on the phone: it goes into the table, not into the log.
    log.error(
        "worker.dead_letter stream=%s entry=%s: kept with the reason in the table dead_letters",
        entry.stream,
        entry.entry_id,
    )
    async with pool.acquire() as connection:
        await save_dead_letter(
            connection, stream=entry.stream, entry_id=entry.entry_id, reason=reason, raw=entry.body
        )
