"""Passwords, kept as argon2id hashes (RFC 9106).

A check costs 64 MiB and some 50 ms of several cores on purpose. It runs in a thread, two at a time, so that
neither calls nor memory suffer when somebody hammers at the door.
"""

from __future__ import annotations

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

SHORTEST_PASSWORD = 10
"""Characters. NIST SP 800-63B asks for 8 at the least; length is the only rule that helps."""
LONGEST_PASSWORD = 200
AT_ONCE = 2

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class PasswordCheck:
    """One per process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def right(self, password: str, password_hash: str | None) -> bool:
        """Whether it is. `password_hash` None (nobody is called that) takes just as long and is never right."""
        async with self._places:
            right = await asyncio.to_thread(_matches, password, password_hash or _nobodys())
        return right and password_hash is not None


def hash_password(password: str) -> str:
    """For the table. ValueError for a password that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return _hasher.hash(password)


def _matches(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody has this password")
