"""A person's calls taken out of every store there is, in an order that leaves nothing behind.

    1  tombstones are committed: from now on no worker stores anything of these calls
    2  every media server forgets them, in memory and in its outbox, and says so
    3  their entries are taken off Redis' streams
    4  whoever was storing something in this moment has finished
    5  the rows go, the recordings are marked, and it stands in the audit log that it was done
    6  the servers remove the recordings' files
    7  Postgres and Redis are made to let go of what was deleted

Whatever interrupts it: until 5 everything can be found again by doing it again, and after it nothing is left to
find but files and free space, which others see to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storage.bus.erase_orders import Answers, give_order
from storage.call_ids import new_call_id
from storage.erasure import EraseOrder, keyed_hash, number_pattern
from storage.postgres.erasure import (
    count_customer,
    find_calls,
    forget_customer,
    forget_letters,
    still_running,
)
from storage.postgres.forgetting import count_calls, forget_calls
from storage.postgres.pool import Connection
from storage.postgres.recordings import outstanding
from storage.postgres.scrubbing import vacuum
from storage.postgres.tombstones import entomb, older_are_through
from storage.worker.stream_sweep import StreamSweep

ANSWER_WITHIN_S = 10.0  # a server that drains 100,000 events out of its outbox takes less
STORED_WITHIN_S = 90.0  # the longest statement of a worker is cut off after 60
FILES_WITHIN_S = 30.0  # each server looks every five seconds
_LOOK_EVERY_S = 0.25
_CALLS_AT_ONCE = 200

_AUDIT = """
INSERT INTO audit_log (tenant, actor, action, subject, data)
VALUES ($1, 'cordboard db erase', 'calls.erased', $2, $3)
"""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What there is. `running` calls are not over: nothing is erased as long as there are any."""

    call_ids: list[str]
    running: list[str]
    counts: Counter[str]  # by store; zeros are left out
    servers: Answers

    @property
    def nothing(self) -> bool:
        return not self.call_ids and not self.counts


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done. `left`: sentences about what is not gone yet, each with what to do."""

    counts: Counter[str]
    servers: Answers
    left: list[str] = field(default_factory=list)


class Eraser:
    """Order of calls: `look`, then `erase` what it found. Raises what Postgres and Redis raise."""

    def __init__(
        self,
        connection: Connection,
        sweep: StreamSweep,
        redis_url: str,
        tenant: str,
        *,
        number: str | None = None,
        call_ids: Sequence[str] = (),
        customer: bool = False,
        key: bytes | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`number` is E.164, `key` keys its hash in the audit log; `customer`: their own rows go, too."""
        self._connection = connection
        self._sweep = sweep
        self._redis_url, self._tenant = redis_url, tenant
        self._number = number
        self._named = set(call_ids)
        self._customer = customer
        self._key = key
        self._tell = tell

    async def look(self) -> Findings:
        """Find the calls and count what there is of them. Changes nothing."""
        found = set(self._named)
        if self._number is not None:
            async for looked in find_calls(self._connection, self._tenant, self._number):
                found |= looked.call_ids
                self._tell(f"looked through {looked.place}: {len(looked.call_ids)} calls")
            waiting = await self._sweep.find(number_pattern(self._number))
            found |= waiting
            self._tell(f"looked through Redis: {len(waiting)} calls")
        call_ids = sorted(found)
        counts = await count_calls(self._connection, call_ids)
        counts["redis streams"] = await self._sweep.remove(call_ids, count_only=True)
        servers = await self._order(call_ids, count_only=True)
        counts["outboxes"] = sum(answer.events for answer in servers.answers)
        if self._customer:
            counts += await count_customer(self._connection, self._tenant, self._number, call_ids)
        running = await still_running(self._connection, call_ids, datetime.now(UTC))
        return Findings(call_ids=call_ids, running=running, counts=+counts, servers=servers)

    async def erase(self, found: Findings) -> Report:
        """See the module. May be cancelled and done again."""
        ids = found.call_ids
        await entomb(self._connection, self._tenant, ids)
        servers = await self._order(ids)
        left = _left_with(servers)
        self._tell(
            f"{len(servers.answers)} of {servers.listening} media servers have forgotten {len(ids)} calls"
        )
        counts: Counter[str] = Counter()
        counts["outboxes"] = sum(answer.events for answer in servers.answers)
        counts["redis streams"] = await self._sweep.remove(ids)
        if not await older_are_through(self._connection, STORED_WITHIN_S):
            left.append(
                f"a transaction in Postgres has been writing for {STORED_WITHIN_S:.0f} s: look who it is "
                "(pg_stat_activity), end it, and run this again"
            )
        for at in range(0, len(ids), _CALLS_AT_ONCE):
            async with self._connection.transaction():
                counts += await forget_calls(
                    self._connection, self._tenant, ids[at : at + _CALLS_AT_ONCE], because="erased"
                )
            self._tell(f"deleted {min(at + _CALLS_AT_ONCE, len(ids))} of {len(ids)} calls")
        async with self._connection.transaction():
            if self._number is not None:
                counts["dead_letters"] += await forget_letters(self._connection, self._number)
            if self._customer:
                counts += await forget_customer(self._connection, self._tenant, self._number, ids)
            await self._audit(ids, counts)
        left += await self._files_removed(ids)
        left += await self._let_go(ids)
        counts["redis streams"] += await self._sweep.remove(ids)  # what was on its way from an outbox
        if again := +await count_calls(self._connection, ids):
            left.append(f"still there: {dict(again)}; run this again")
        return Report(counts=+counts, servers=servers, left=left)

    async def _order(self, call_ids: Sequence[str], *, count_only: bool = False) -> Answers:
        order = EraseOrder(order=new_call_id(), call_ids=list(call_ids), count_only=count_only)
        return await give_order(self._redis_url, self._tenant, order, within_s=ANSWER_WITHIN_S)

    async def _audit(self, call_ids: Sequence[str], counts: Counter[str]) -> None:
        # Not the number: a log of who wanted to be forgotten would remember them.
        subject = None if self._number is None else keyed_hash(self._number, self._key)
        data = {"calls": len(call_ids), "call_ids": list(self._named), **+counts}
        await self._connection.execute(_AUDIT, self._tenant, subject and f"number:{subject}", data)

    async def _files_removed(self, call_ids: Sequence[str]) -> list[str]:
        loop = asyncio.get_running_loop()
        until = loop.time() + FILES_WITHIN_S
        while waiting := await outstanding(self._connection, call_ids):
            if loop.time() > until:
                return [
                    f"{count} recordings are still with the media server {node!r}: it removes them within "
                    "seconds once it runs"
                    for node, count in waiting.items()
                ]
            await asyncio.sleep(_LOOK_EVERY_S)
        return []

    async def _let_go(self, call_ids: Sequence[str]) -> list[str]:
        self._tell("letting Postgres and Redis clean up")
        left = []
        scrubbed = await vacuum(self._connection, call_ids)
        if scrubbed.not_ours:
            left.append(
                "deleted rows lie in the tables until they are vacuumed, which this login may not do: autovacuum "
                f"comes by itself, or let the owner run VACUUM {', '.join(scrubbed.not_ours)}"
            )
        if (refused := await self._sweep.rewrite()) is not None:
            left.append(refused)
        return left


def _left_with(servers: Answers) -> list[str]:
    left = [
        f"{answer.problem} (server {answer.node!r}): it tries again by itself"
        for answer in servers.answers
        if answer.problem is not None
    ]
    left += [
        f"call {call_id} still runs on {answer.node!r}: nothing more of it is stored, and it is forgotten "
        "when it ends"
        for answer in servers.answers
        for call_id in answer.running
    ]
    silent = servers.listening - len(servers.answers)
    if silent > 0:
        left.append(f"{silent} media servers did not answer: they forget when they read what was erased")
    return left
