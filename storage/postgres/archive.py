"""The record as the API reads it: calls that are over, and what is known of those that are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.call_filter import EVERY_CALL, CallFilter
from storage.call_ids import is_call_id
from storage.envelope import Envelope
from storage.metric_sums import Grain, Sums, Window
from storage.postgres import call_metrics, calls, events, metrics_hourly, search, transcripts
from storage.postgres.pool import Database
from storage.projection import CallView, TranscriptEntry
from storage.search import Hit, Query, read_place, write_place


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """Some calls, newest first; `next` is the cursor of the following page, None on the last."""

    items: list[CallView]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPage:
    """Some hits of a search, newest call first; `next` is the cursor of the following page."""

    items: list[Hit]
    next: str | None


class Archive:
    """Reads of one tenant. Every method raises RecordUnavailableError within 3 s when Postgres is away."""

    def __init__(self, database: Database, tenant: str = "default") -> None:
        self._database = database
        self._tenant = tenant

    async def get_call(self, call_id: str) -> CallView | None:
        """The call, or None where it is not on record."""
        if not is_call_id(call_id):
            return None
        async with self._database.connection() as connection:
            return await calls.get_call(connection, self._tenant, call_id)

    async def list_calls(
        self, which: CallFilter = EVERY_CALL, *, cursor: str | None = None, limit: int = 50
    ) -> CallPage:
        """Newest first. Raises ValueError for a cursor that no page ever gave."""
        if cursor is not None and not is_call_id(cursor):
            raise ValueError("this cursor was not given by a list of calls")
        async with self._database.connection() as connection:
            found = await calls.list_calls(connection, self._tenant, which, before=cursor, limit=limit + 1)
        more = len(found) > limit
        return CallPage(items=found[:limit], next=found[limit - 1].id if more else None)

    async def running_calls(self, *, since: datetime, limit: int) -> list[tuple[CallView, int]]:
        """Calls of every node that have no end on record, newest first, each with its last seq there."""
        async with self._database.connection() as connection:
            return await calls.running_calls(connection, self._tenant, since=since, limit=limit)

    async def search(
        self,
        query: Query,
        *,
        since: datetime,
        until: datetime,
        agent: str | None = None,
        speaker: str | None = None,
        outcome: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> HitPage:
        """Utterances that hold the query, newest call first. Raises ValueError for a cursor that no page ever
        gave, SearchTooSlow for one that Postgres could not answer in time."""
        after = None if cursor is None else read_place(cursor)
        async with self._database.connection() as connection:
            found = await search.find(
                connection, self._tenant, query, since=since, until=until, agent=agent, speaker=speaker,
                outcome=outcome, after=after, limit=limit + 1,
            )  # fmt: skip
        more = len(found) > limit
        return HitPage(items=found[:limit], next=write_place(found[limit - 1].place) if more else None)

    async def transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        """In the order of speaking; None where the call is not on record."""
        if not is_call_id(call_id):
            return None
        async with self._database.connection() as connection:
            if await calls.get_call(connection, self._tenant, call_id) is None:
                return None
            return await transcripts.transcript_of(connection, call_id)

    async def events_after(self, call_id: str, after: int = -1, limit: int = 500) -> list[Envelope] | None:
        """Events with seq > `after`, in order, at most `limit`; None where the call is not on record."""
        if not is_call_id(call_id):
            return None
        async with self._database.connection() as connection:
            if await calls.get_call(connection, self._tenant, call_id) is None:
                return None
            return await events.events_after(connection, call_id, after, limit)

    async def metrics(self, call_id: str) -> Mapping[str, Any] | None:
        """What `call.ended` carried, and under `measured` what the log says; None where the call is not on record
        or not over."""
        if not is_call_id(call_id):
            return None
        async with self._database.connection() as connection:
            if await calls.get_call(connection, self._tenant, call_id) is None:
                return None
            return await call_metrics.metrics_of(connection, call_id)

    async def metric_sums(self, window: Window) -> Sums:
        """All calls of the window, from the roll-up."""
        async with self._database.connection() as connection:
            return await metrics_hourly.totals(connection, self._tenant, window)

    async def metric_series(
        self, window: Window, grain: Grain, histograms: Sequence[str]
    ) -> list[tuple[datetime, Sums]]:
        """The same by the hour or by the day, oldest first, with these histograms; times without a call are left
        out."""
        async with self._database.connection() as connection:
            return await metrics_hourly.series(connection, self._tenant, window, grain, histograms)
