"""One call seen whole: what is running is answered from memory, what is over from the archive.

While the archive is down, running calls are still answered and past ones are a 503.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from signaling.errors import RecordUnavailable, UnknownCall
from signaling.web.ports import CallArchive, CallDesk
from storage.envelope import Envelope
from storage.projection import CallView, TranscriptEntry

T = TypeVar("T")


async def from_archive(asked: Awaitable[T]) -> T:
    """Ask the archive. Raises RecordUnavailable where it cannot be reached; the cause goes to no client."""
    try:
        return await asked
    except (OSError, TimeoutError) as error:
        raise RecordUnavailable(
            "The record of past calls cannot be reached.",
            fix="Running calls go on. Check that Postgres is up: cordboard check.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Desk and archive behind one set of questions. Each raises UnknownCall or RecordUnavailable."""

    desk: CallDesk
    archive: CallArchive

    async def call(self, call_id: str) -> CallView:
        view = self.desk.live_call(call_id)
        if view is None:
            view = await from_archive(self.archive.get_call(call_id))
        return _found(view)

    async def transcript(self, call_id: str) -> Sequence[TranscriptEntry]:
        entries = self.desk.live_transcript(call_id)
        if entries is None:
            entries = await from_archive(self.archive.transcript(call_id))
        return _found(entries)

    async def events(self, call_id: str, *, after: int, limit: int) -> Sequence[Envelope]:
        """At most `limit` numbered events with seq > after, in order."""
        live = self.desk.live_events(call_id, after)
        if live is not None:
            return live[:limit]
        return _found(await from_archive(self.archive.events_after(call_id, after, limit)))

    async def metrics(self, call_id: str) -> Mapping[str, Any]:
        """The figures that `call.ended` carries; before it, UnknownCall with the code `call_still_running`."""
        live = self.desk.live_events(call_id, -1)
        if live is None:
            return _found(await from_archive(self.archive.metrics(call_id)))
        for event in reversed(live):
            if event.type == "call.ended":
                metrics: Mapping[str, Any] = event.data["metrics"]
                return metrics
        raise UnknownCall("This call is running; its figures come with its end.", code="call_still_running")


def _found(value: T | None) -> T:
    if value is None:
        raise UnknownCall("No call of this id is running or on record.", fix="GET /v1/calls lists them.")
    return value
