"""The tables as tools and doors ask for them: thin adapters, so that neither knows the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from realtime.tools.context import Booking, CustomerCard, TimeTaken
from signaling.web.ports import Page
from storage.call_filter import EVERY_CALL, CallFilter
from storage.postgres.appointments import AppointmentBook, SlotTaken
from storage.postgres.archive import Archive
from storage.postgres.customers import CustomerBook
from storage.projection import CallView
from storage.search import Hit, Query


class Record(Archive):
    """Implements `CallArchive`."""

    async def list_calls(  # type: ignore[override]  # the same page under the doors' own name
        self, which: CallFilter = EVERY_CALL, *, cursor: str | None = None, limit: int = 50
    ) -> Page[CallView]:
        page = await super().list_calls(which, cursor=cursor, limit=limit)
        return Page(items=page.items, next=page.next)

    async def search(self, query: Query, **asked: Any) -> Page[Hit]:  # type: ignore[override]
        page = await super().search(query, **asked)
        return Page(items=page.items, next=page.next)


class KnownCustomers:
    """Implements the tools' `Customers`."""

    def __init__(self, book: CustomerBook) -> None:
        self._book = book

    async def find_by_phone(self, phone: str) -> CustomerCard | None:
        found = await self._book.find_by_phone(phone)
        if found is None:
            return None
        return CustomerCard(
            id=str(found.id),
            name=found.name,
            phone=found.phone,
            email=found.email,
            notes=found.notes,
            next_appointment=found.next_appointment,
        )


class Diary:
    """Implements the tools' `Appointments`."""

    def __init__(self, book: AppointmentBook) -> None:
        self._book = book

    @property
    def length(self) -> timedelta:
        return self._book.length

    async def schedule(
        self, *, call_id: str, call_item_id: str, name: str, starts_at: datetime, reason: str | None
    ) -> Booking:
        try:
            booked = await self._book.schedule(
                idempotency_key=f"{call_id}:{call_item_id}",
                call_id=call_id,
                name=name,
                starts_at=starts_at,
                reason=reason,
            )
        except SlotTaken as error:
            raise TimeTaken from error
        return Booking(id=str(booked.id), name=booked.name, starts_at=booked.starts_at, reason=booked.reason)

    async def taken_between(self, start: datetime, end: datetime) -> Sequence[datetime]:
        return await self._book.taken_on(start, end)
