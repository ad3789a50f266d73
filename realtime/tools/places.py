"""How many tools run at once: a bulkhead, so that one slow thing behind the tools cannot fill the process."""

from __future__ import annotations

import asyncio

# A model asks for a handful at a time; more at once from one call is a model gone astray.
CALL_AT_ONCE = 8
CALL_WAITING = 32
# Of the whole process: what the pools behind the tools can be asked for and still answer in time.
PROCESS_AT_ONCE = 200
PROCESS_WAITING = 400


class Full(Exception):
    """As many run, and as many wait, as may."""


class Places:
    """`at_once` run; whoever comes later waits in order, `waiting` at the most, and beyond that gets Full at once.

    `within`: the places of the process, of which each place here takes one as well, so that a call that
    wants too much waits among its own. A place is free when its tool has really ended: one that does not
    end when it is told to keeps it.
    """

    def __init__(self, at_once: int, waiting: int, *, within: Places | None = None) -> None:
        self._free = asyncio.Semaphore(at_once)  # fair: first come, first served
        self._limit = waiting
        self._waiting = 0
        self._within = within
        self._inside: set[asyncio.Task[object]] = set()

    async def enter(self) -> None:
        """Wait for a place; answer with `leave` or `leave_after`. Raises Full. May be cancelled without loss."""
        if self._free.locked() and self._waiting >= self._limit:
            raise Full
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        if self._within is not None:
            try:
                await self._within.enter()
            except BaseException:
                self._free.release()
                raise

    def leave(self) -> None:
        self._free.release()
        if self._within is not None:
            self._within.leave()

    def leave_after(self, task: asyncio.Task[object]) -> None:
        """Leave when `task` has ended; until then it is kept here, whoever else has forgotten it."""
        self._inside.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._inside.discard(task)
        self.leave()


def process_places() -> Places:
    """For all calls of a process."""
    return Places(PROCESS_AT_ONCE, PROCESS_WAITING)


def call_places(process: Places) -> Places:
    """For one call."""
    return Places(CALL_AT_ONCE, CALL_WAITING, within=process)
