"""Who is at the desk, and who is asked next.

Pure: presence comes from the directory, the lease that really reserves an operator is taken by the shell. An
operator who is chosen here and whose lease is refused has been taken by another node a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Presence = Literal["available", "busy", "wrap_up", "offline"]

# What an operator may choose; `wrap_up` comes by itself after a call, and is left by choosing.
CHOSEN: frozenset[Presence] = frozenset({"available", "busy", "offline"})

EVERY_QUEUE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One person at a console."""

    id: str
    name: str
    queues: frozenset[str] = frozenset({EVERY_QUEUE})  # which handoffs may ring here
    presence: Presence = "offline"
    since: float = 0.0  # Unix seconds: when presence became what it is
    idle_since: float = 0.0  # Unix seconds: the end of the last call, or signing in
    handoff_id: str | None = None  # that rings here, or is being talked about
    why: str | None = None  # why busy, where the desk decided it: "not_responding"

    def may_take(self, queue: str) -> bool:
        """Free for a handoff of this queue now."""
        return self.presence == "available" and self.handoff_id is None and self.serves(queue)

    def serves(self, queue: str) -> bool:
        """Handoffs of this queue are theirs to take."""
        return queue in self.queues or EVERY_QUEUE in self.queues


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acts, as the door knows them."""

    id: str
    name: str
    queues: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A leg on a call."""

    call_id: str
    answer_sdp: str
    handoff_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A handoff that seeks an operator."""

    handoff_id: str
    call_id: str
    queue: str
    requested_at: float  # Unix seconds: its age is kept whatever became of earlier offers
    urgent: bool = False  # lost its operator in the middle of a call
    excluded: frozenset[str] = frozenset()  # operators who have declined it or did not answer


def longest_idle(
    operators: Iterable[Operator], queue: str, excluded: frozenset[str] = frozenset()
) -> Operator | None:
    """Who is asked next: free, of this queue, idle for longest. The id decides between equals."""
    free = (each for each in operators if each.may_take(queue) and each.id not in excluded)
    return min(free, key=lambda each: (each.idle_since, each.id), default=None)


def staffed(operators: Iterable[Operator], queue: str) -> bool:
    """Somebody of this queue is signed in and will be free: now, after the present call, or after its notes."""
    return any(
        each.serves(queue) and (each.presence in ("available", "wrap_up") or each.handoff_id is not None)
        for each in operators
    )


def in_turn(waiting: Iterable[Waiting]) -> list[Waiting]:
    """The line: urgent ones first, then by age."""
    return sorted(waiting, key=lambda each: (not each.urgent, each.requested_at, each.handoff_id))


def position(waiting: Sequence[Waiting], handoff_id: str) -> int | None:
    """Place in the line of its own queue, from 1."""
    own = next((each for each in waiting if each.handoff_id == handoff_id), None)
    if own is None:
        return None
    line = [each.handoff_id for each in in_turn(waiting) if each.queue == own.queue]
    return line.index(handoff_id) + 1


def pairs(waiting: Iterable[Waiting], operators: Iterable[Operator]) -> list[tuple[Waiting, Operator]]:
    """Whom to ask for what, now: first in line first, each operator once.

    A handoff that no free operator may take does not hold up those behind it.
    """
    free = {each.id: each for each in operators}
    found = []
    for each in in_turn(waiting):
        chosen = longest_idle(free.values(), each.queue, each.excluded)
        if chosen is not None:
            del free[chosen.id]
            found.append((each, chosen))
    return found
