"""Which tickets have been used: each opens one call, once.

Remembers a ticket until it has expired by itself, so it holds at most a minute of tickets. It knows of this
process only: with several nodes a ticket could be used once on each, until Redis keeps the list.
"""

from __future__ import annotations

MOST_REMEMBERED = 100_000
"""Tickets; at a minute each that is 1,600 calls a second, far beyond one node."""


class SingleUse:
    """Policy when full: refuse. Forgetting one early would let it be used again."""

    def __init__(self, *, capacity: int = MOST_REMEMBERED) -> None:
        self._expiry: dict[str, float] = {}
        self._capacity = capacity

    def take(self, ticket_id: str, *, expires_at: float, now: float) -> bool:
        """True the first time, False from then on (and when there is no room to remember it)."""
        if ticket_id in self._expiry:
            return False
        if len(self._expiry) >= self._capacity:
            self._forget_expired(now)
            if len(self._expiry) >= self._capacity:
                return False
        self._expiry[ticket_id] = expires_at
        return True

    def give_back(self, ticket_id: str) -> None:
        """The call did not come about: the caller may try the same ticket again while it lives."""
        self._expiry.pop(ticket_id, None)

    def _forget_expired(self, now: float) -> None:
        self._expiry = {ticket_id: at for ticket_id, at in self._expiry.items() if at > now}

    def __len__(self) -> int:
        return len(self._expiry)
