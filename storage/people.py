"""The people who work with the pages: operators and admins, as they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

PersonRole = Literal["operator", "admin"]

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What is typed to sign in: lower case, so that nobody stumbles over the shift key."""


class PersonExists(Exception):
    """Somebody is called that already."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is somebody called {id!r} already")
        self.id = id


class PersonUnknown(Exception):
    """Nobody is called that."""

    def __init__(self, id: str) -> None:
        super().__init__(f"nobody is called {id!r}")
        self.id = id


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One of them. The password's hash is not part of it: it is nobody's business but the door's."""

    id: str
    name: str
    role: PersonRole
    queues: tuple[str, ...] = ("*",)  # whose handoffs may ring there; "*": everybody's
    language: str | None = None
