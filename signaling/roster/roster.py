"""Presence, leases and the line of waiting handoffs.

An operator is reserved by one lease: whoever sets the key has them, everybody else is refused. Leases and
presence expire by themselves, so a node or a console that dies keeps nobody reserved for longer than LEASE_S.
While Redis is away nobody can be reserved, and every method raises DirectoryLost: the agent keeps the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec
import redis.asyncio
import redis.exceptions

from signaling.operators import Operator, Presence, Waiting
from signaling.roster import scripts
from storage.bus.backoff import backoff_s
from storage.bus.cancellation import cancel_for_sure, raise_if_cancelled

log = logging.getLogger(__name__)

LEASE_S = 30.0
"""A dead node's operators are free again after this; ten renewals fit in."""
RENEW_EVERY_S = 3.0
PRESENCE_S = 30.0
"""A console that has not been heard of for this long is offline; it says so itself when it closes."""
_REPLY_TIMEOUT_S = 2.0  # an offer must not wait longer for Redis: the caller is on the line
_LISTEN_EVERY_S = 10.0

T = TypeVar("T")

_FAILURES = (redis.exceptions.RedisError, OSError, TimeoutError)


class DirectoryLost(Exception):
    """Redis cannot be asked who is at the desk."""


class Roster:
    """One per process. `on_change` is called (on the event loop) when anything at the desk may have changed.

    Order of calls: `start`, then anything; `stop` gives back what this process holds.
    """

    def __init__(
        self, redis_url: str, *, tenant: str, node: str, on_change: Callable[[], None] | None = None
    ) -> None:
        self._redis_url = redis_url
        self._node = node
        self._on_change = on_change
        self._at_desk = f"cordboard:{{{tenant}:desk}}"
        self._client: redis.asyncio.Redis = redis.asyncio.from_url(
            redis_url,
            retry=None,
            socket_timeout=_REPLY_TIMEOUT_S,
            socket_connect_timeout=_REPLY_TIMEOUT_S,
            client_name="cordboard-roster",
            decode_responses=True,
        )
        self._held: dict[str, str] = {}  # operator → handoff: leases of this process
        self._line: dict[str, Waiting] = {}  # handoffs of this process that wait
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Keep leases alive and listen for changes. Redis need not be there yet."""
        self._tasks = [
            asyncio.create_task(self._renew_for_ever(), name="roster renewal"),
            asyncio.create_task(self._listen(), name="roster changes"),
        ]

    async def stop(self) -> None:
        """Leave the desk as if this process had never been there, as far as Redis answers. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            await cancel_for_sure(task)
        with contextlib.suppress(DirectoryLost):
            for handoff_id in list(self._line):
                await self.leave_line(handoff_id)
            for operator, handoff_id in list(self._held.items()):
                await self.release(operator, handoff_id, presence=None, now=0.0)
        await self._client.aclose()

    # Presence

    async def present(
        self, *, id: str, name: str, queues: frozenset[str], presence: Presence, now: float
    ) -> None:
        """An operator is there and is `presence`; say so again within PRESENCE_S. `now`: Unix seconds."""
        changed = await self._ask(
            self._client.eval(
                scripts.PRESENT,
                2,
                self._operator_key(id),
                self._index_key,
                id,
                name,
                msgspec.json.encode(sorted(queues)).decode(),
                presence,
                repr(now),
                str(int(PRESENCE_S * 1000)),
            )
        )
        if changed:
            await self._changed()

    async def keep_alive(self, id: str) -> bool:
        """Still there, as before. False: unknown by now, say `present` again."""
        return bool(await self._ask(self._client.pexpire(self._operator_key(id), int(PRESENCE_S * 1000))))

    async def leave(self, id: str) -> None:
        """Signed out, or the console is closed. A call that the operator is on goes on."""
        await self._ask(self._client.delete(self._operator_key(id)))
        await self._changed()

    async def operators(self) -> list[Operator]:
        """Everybody who is there, by id, with the handoff each is reserved for."""
        ids = sorted(await self._ask(self._client.smembers(self._index_key)))
        if not ids:
            return []
        pipeline = self._client.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(self._operator_key(id))
            pipeline.get(self._lease_key(id))
        answers = await self._ask(pipeline.execute())
        found, gone = [], []
        for place, id in enumerate(ids):
            fields, lease = answers[2 * place], answers[2 * place + 1]
            if fields.get("id") == id and "presence" in fields:
                found.append(_operator(fields, lease))
            elif lease is None:
                gone.append(id)
        if gone:
            await self._ask(self._client.srem(self._index_key, *gone))
        return found

    # Leases

    async def reserve(self, operator: str, handoff_id: str) -> bool:
        """Reserve a free operator. False: not free (any more)."""
        got = await self._ask(
            self._client.eval(
                scripts.RESERVE,
                2,
                self._operator_key(operator),
                self._lease_key(operator),
                self._value(handoff_id),
                str(int(LEASE_S * 1000)),
            )
        )
        if got:
            self._held[operator] = handoff_id
            await self._changed()
        return bool(got)

    async def take(self, operator: str, handoff_id: str) -> str | None:
        """The operator takes this one of their own accord. None: done; else the handoff that they have already."""
        held = await self._ask(
            self._client.eval(
                scripts.TAKE,
                1,
                self._lease_key(operator),
                self._value(handoff_id),
                str(int(LEASE_S * 1000)),
            )
        )
        if held:
            return _handoff_of(str(held))
        self._held[operator] = handoff_id
        await self._changed()
        return None

    async def release(
        self, operator: str, handoff_id: str, *, presence: Presence | None, why: str = "", now: float
    ) -> bool:
        """Give the operator back, who is `presence` from now on (None: as before). False: it was not ours."""
        if self._held.get(operator) == handoff_id:
            del self._held[operator]
        done = await self._ask(
            self._client.eval(
                scripts.RELEASE,
                2,
                self._operator_key(operator),
                self._lease_key(operator),
                self._value(handoff_id),
                presence or "",
                why,
                repr(now),
            )
        )
        await self._changed()
        return bool(done)

    async def wrapped_up(self, operator: str, *, now: float) -> bool:
        """The notes are written. False: the operator has decided otherwise meanwhile."""
        done = await self._ask(
            self._client.eval(scripts.WRAPPED_UP, 1, self._operator_key(operator), repr(now))
        )
        if done:
            await self._changed()
        return bool(done)

    async def free(self, handoff_ids: Iterable[str]) -> None:
        """Nobody is reserved for these any more, whichever process reserved them: an earlier life of this one.
        Tries until Redis answers, or until the leases have run out by themselves."""
        wanted = set(handoff_ids)
        give_up_at = asyncio.get_running_loop().time() + LEASE_S
        while wanted and asyncio.get_running_loop().time() < give_up_at:
            try:
                for each in await self.operators():
                    if each.handoff_id in wanted:
                        await self._ask(self._client.delete(self._lease_key(each.id)))
                for handoff_id in wanted:
                    await self._ask(self._client.srem(self._line_key, handoff_id))
                await self._changed()
                return
            except DirectoryLost:
                await asyncio.sleep(1.0)

    # The line

    async def join_line(self, waiting: Waiting) -> None:
        """A handoff of this process seeks an operator; again with other values changes them."""
        self._line[waiting.handoff_id] = waiting
        await self._put(waiting)
        await self._changed()

    async def leave_line(self, handoff_id: str) -> None:
        """It seeks nobody any more. Idempotent."""
        known = self._line.pop(handoff_id, None)
        if known is not None:
            await self._ask(self._client.delete(self._waiting_key(handoff_id)))
            await self._ask(self._client.srem(self._line_key, handoff_id))
            await self._changed()

    async def line(self) -> list[Waiting]:
        """Every handoff that waits, of all nodes, in no order."""
        ids = sorted(await self._ask(self._client.smembers(self._line_key)))
        if not ids:
            return []
        bodies = await self._ask(self._client.mget([self._waiting_key(id) for id in ids]))
        gone = [id for id, body in zip(ids, bodies, strict=True) if body is None]
        if gone:  # their node has died
            await self._ask(self._client.srem(self._line_key, *gone))
        return [msgspec.json.decode(body, type=_Line).waiting() for body in bodies if body is not None]

    # Inside

    @property
    def _index_key(self) -> str:
        return f"{self._at_desk}:operators"

    @property
    def _line_key(self) -> str:
        return f"{self._at_desk}:line"

    @property
    def _changes_channel(self) -> str:
        return f"{self._at_desk}:changed"

    def _operator_key(self, id: str) -> str:
        return f"{self._at_desk}:operator:{id}"

    def _lease_key(self, id: str) -> str:
        return f"{self._at_desk}:lease:{id}"

    def _waiting_key(self, handoff_id: str) -> str:
        return f"{self._at_desk}:waiting:{handoff_id}"

    def _value(self, handoff_id: str) -> str:
        return f"{self._node} {handoff_id}"

    async def _put(self, waiting: Waiting) -> None:
        body = msgspec.json.encode(_Line.of(waiting))
        pipeline = self._client.pipeline(transaction=True)
        pipeline.set(self._waiting_key(waiting.handoff_id), body, px=int(LEASE_S * 1000))
        pipeline.sadd(self._line_key, waiting.handoff_id)
        await self._ask(pipeline.execute())

    async def _changed(self) -> None:
        await self._ask(self._client.publish(self._changes_channel, self._node))

    async def _ask(self, question: Awaitable[T] | Any) -> Any:
        try:
            answer = await question
        except _FAILURES as error:
            raise DirectoryLost(f"Redis cannot be asked who is at the desk: {error}") from error
        raise_if_cancelled()
        return answer

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew()
            except DirectoryLost as error:
                log.warning("roster.not_renewed %s", error)

    async def _renew(self) -> None:
        for operator, handoff_id in list(self._held.items()):
            value = self._value(handoff_id)
            renewed = await self._ask(
                self._client.eval(
                    scripts.RENEW,
                    1,
                    self._lease_key(operator),
                    value,
                    str(int(LEASE_S * 1000)),
                )
            )
            if renewed or self._held.get(operator) != handoff_id:
                continue
            # Redis forgot it (restarted without its data): ours as before, unless somebody was quicker.
            held = await self._ask(
                self._client.eval(scripts.TAKE, 1, self._lease_key(operator), value, str(int(LEASE_S * 1000)))
            )
            if held:
                log.warning("roster.lease_lost operator=%s", operator)
                self._held.pop(operator, None)
            elif self._held.get(operator) != handoff_id:  # given back meanwhile
                await self.release(operator, handoff_id, presence=None, now=0.0)
        for waiting in list(self._line.values()):
            await self._put(waiting)

    async def _listen(self) -> None:
        """Call `on_change` for every change, and each time the connection stands again."""
        failures = 0
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(self._changes_channel)
                    raise_if_cancelled()
                    failures = 0
                    while True:
                        message = await pubsub.get_message(timeout=_LISTEN_EVERY_S)
                        raise_if_cancelled()
                        if message is None:
                            await pubsub.ping()
                            raise_if_cancelled()
                        elif self._on_change is not None and message["type"] in ("message", "subscribe"):
                            self._on_change()
            except _FAILURES:
                await asyncio.sleep(backoff_s(failures))
                failures += 1


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the line as it stands in Redis."""

    handoff_id: str
    call_id: str
    queue: str
    requested_at: float
    urgent: bool
    excluded: list[str]

    @classmethod
    def of(cls, waiting: Waiting) -> _Line:
        return cls(
            handoff_id=waiting.handoff_id,
            call_id=waiting.call_id,
            queue=waiting.queue,
            requested_at=waiting.requested_at,
            urgent=waiting.urgent,
            excluded=sorted(waiting.excluded),
        )

    def waiting(self) -> Waiting:
        return Waiting(
            handoff_id=self.handoff_id,
            call_id=self.call_id,
            queue=self.queue,
            requested_at=self.requested_at,
            urgent=self.urgent,
            excluded=frozenset(self.excluded),
        )


def _operator(fields: dict[str, str], lease: str | None) -> Operator:
    return Operator(
        id=fields["id"],
        name=fields["name"],
        queues=frozenset(msgspec.json.decode(fields["queues"])),
        presence=fields["presence"],  # type: ignore[arg-type]  # written by `present` and `release` only
        since=float(fields["since"]),
        idle_since=float(fields["idle_since"]),
        handoff_id=None if lease is None else _handoff_of(lease),
        why=fields.get("why") or None,
    )


def _handoff_of(lease: str) -> str:
    return lease.rpartition(" ")[2]
