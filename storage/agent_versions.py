"""An agent's drafts and published versions as values, and what can stand against saving or publishing.

    AgentRefusal
    ├── AgentUnknown · VersionUnknown        there is no such thing
    ├── AgentExists · NothingToPublish       it is there already
    └── DraftChanged                         somebody else has saved meanwhile; says who and when

Knows nothing of what a document says: that is realtime.agent's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = Mapping[str, Any]  # JSON values, as the TOML file has them; without id's twin `version`


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """That a draft was saved."""

    revision: int  # 1, 2, 3, … of one agent
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What would be published next."""

    agent: str
    revision: int
    document: Document
    saved_by: str
    saved_at: datetime
    published_version: int | None  # what takes calls now
    changed: bool  # differs from what takes calls now

    @property
    def save(self) -> Save:
        return Save(revision=self.revision, saved_by=self.saved_by, saved_at=self.saved_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What was published once, and is never changed."""

    agent: str
    number: int
    document: Document
    note: str
    published_by: str
    published_at: datetime
    restores: int | None  # the older version that a rollback brought back

    @property
    def label(self) -> str:
        return label(self.number)


def label(number: int) -> str:
    """How calls, events and people write a version: 3 → "v3"."""
    return f"v{number}"


def number_of(text: str) -> int | None:
    """ "v3" or "3" → 3; None for anything else."""
    match = re.fullmatch(r"v?([1-9]\d{0,8})", text)
    return int(match[1]) if match else None


class AgentRefusal(Exception):
    """Nothing was saved or published."""


class AgentUnknown(AgentRefusal):
    """The database has no such agent."""


class VersionUnknown(AgentRefusal):
    """The agent has no such version."""

    def __init__(self, agent: str, number: int) -> None:
        super().__init__(f"{agent} has no version {label(number)}")


class AgentExists(AgentRefusal):
    """There is one of this id already."""


class NothingToPublish(AgentRefusal):
    """It would be the same as what takes calls now."""

    def __init__(self, agent: str, number: int) -> None:
        super().__init__(f"{agent} {label(number)} says the same")
        self.number = number


class DraftChanged(AgentRefusal):
    """The draft is not the one that the writer has seen.

    `seen`: the document of the newest revision that the writer knew, None where it is not kept any more;
    `since`: who has saved after it, oldest first.
    """

    def __init__(self, current: Draft, *, seen: Document | None, since: Sequence[Save]) -> None:
        super().__init__(f"{current.saved_by} saved revision {current.revision} of {current.agent}")
        self.current = current
        self.seen = seen
        self.since = tuple(since)
