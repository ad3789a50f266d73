"""This process's handoffs in the one line that all servers share, and asking operators when it is their turn.

Every process computes from the roster whose turn it is, and acts for its own handoffs only; when two ask for the
same operator, the lease decides. While Redis is away nobody is asked, and those who wait go on waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from signaling.handoff_states import HandoffState
from signaling.operators import Operator, Waiting, pairs
from signaling.roster.roster import DirectoryLost, Roster
from signaling.server.call_handoff import CallHandoff
from storage.call_ids import new_call_id

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""The line is looked at this often even if nobody tells of a change: a message may be lost, a lease run out."""


class WaitingLine:
    """`keep` as a task; `join` and `leave` at will, each with `settle` behind it.

    `operators` may raise DirectoryLost; `give_back` gives a lease back that came too late.
    """

    def __init__(
        self,
        roster: Roster,
        operators: Callable[[], Awaitable[list[Operator]]],
        give_back: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._roster = roster
        self._operators = operators
        self._give_back = give_back
        self._seeking: dict[str, tuple[CallHandoff, frozenset[str]]] = {}  # with who is not to be asked
        self._look = asyncio.Event()
        self._writing = asyncio.Lock()

    def look(self) -> None:
        """Something may have changed."""
        self._look.set()

    def join(self, handoff: CallHandoff, excluded: frozenset[str]) -> None:
        """It seeks an operator; again, with others excluded, after an offer that came to nothing. `settle` then."""
        self._seeking[handoff.id] = (handoff, excluded)

    def leave(self, handoff_id: str) -> None:
        """It seeks nobody any more. Idempotent. `settle` then."""
        self._seeking.pop(handoff_id, None)

    async def settle(self, handoff_id: str) -> None:
        """Have the roster say what is so here. One after the other: what is decided last is what stands there."""
        async with self._writing:
            handoff, excluded = self._seeking.get(handoff_id, (None, frozenset()))
            with contextlib.suppress(
                DirectoryLost
            ):  # put again soon; a place that is left runs out by itself
                if handoff is None:
                    await self._roster.leave_line(handoff_id)
                else:
                    await self._put(handoff, excluded)
        self.look()

    async def keep(self) -> None:
        """Ask, whenever something changes. For ever; may be cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK_EVERY_S)
            self._look.clear()
            if not self._seeking:
                continue
            try:
                await self._assign()
            except DirectoryLost as error:
                log.warning("desk.directory_lost waiting=%d %s", len(self._seeking), error)

    async def _put(self, handoff: CallHandoff, excluded: frozenset[str]) -> None:
        await self._roster.join_line(
            Waiting(
                handoff_id=handoff.id,
                call_id=handoff.call.call_id,
                queue=handoff.handoff.policy.queue,
                requested_at=handoff.requested_at_wall,
                excluded=excluded,
            )
        )

    async def _assign(self) -> None:
        """Ask for whose turn it is. What was read may be old by now: the lease is what counts."""
        line = {each.handoff_id: each for each in await self._roster.line()}
        for handoff_id in [each for each in self._seeking if each not in line]:
            await self.settle(handoff_id)  # Redis was away when it joined
        for waiting, operator in pairs(line.values(), await self._operators()):
            await self._ask(waiting.handoff_id, operator.id)

    async def _ask(self, handoff_id: str, operator: str) -> None:
        """Let it ring there, if the handoff is ours and still waits, and the operator is still free."""
        handoff, _ = self._seeking.get(handoff_id, (None, None))
        if handoff is None or handoff.state is not HandoffState.QUEUED:
            return
        if not await self._roster.reserve(operator, handoff_id):
            return
        self.leave(handoff_id)
        await self.settle(handoff_id)
        if handoff.state is HandoffState.QUEUED:
            handoff.do(lambda h, now: h.reserved(operator, new_call_id(), now))
        else:  # taken, withdrawn or left meanwhile
            await self._give_back(operator, handoff_id)
