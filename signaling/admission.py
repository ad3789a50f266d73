"""Whether one more call may be taken now, and if not, when to ask again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why not. `retry_after_s` is what the caller's side is told to wait."""

    code: Literal["draining", "no_capacity", "record_full"]
    detail: str
    retry_after_s: int


# A full house empties by calls ending, which takes minutes; asking every few seconds only adds load.
RETRY_WHEN_FULL_S = 15
# Another server, or this one after its restart, will take the call.
RETRY_WHEN_DRAINING_S = 5
# Somebody must start a server or make room on a disk first.
RETRY_WHEN_RECORD_FULL_S = 60


class Admission:
    """Counts nothing itself: the directory of live calls is the one count there is."""

    def __init__(self, max_calls: int, record_problem: Callable[[], str | None] = lambda: None) -> None:
        """`record_problem`: why what is said could not be kept safely now; None when it can."""
        self._max_calls = max_calls
        self._record_problem = record_problem
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """No new calls from now on. There is no way back: a draining server stops."""
        self._draining = True

    def refusal(self, running: int) -> Refusal | None:
        """None: take the call."""
        if self._draining:
            return Refusal(
                code="draining",
                detail="This server is shutting down and takes no new calls.",
                retry_after_s=RETRY_WHEN_DRAINING_S,
            )
        problem = self._record_problem()
        if problem is not None:
            return Refusal(code="record_full", detail=problem, retry_after_s=RETRY_WHEN_RECORD_FULL_S)
        if running >= self._max_calls:
            return Refusal(
                code="no_capacity",
                detail=f"All {self._max_calls} lines of this server are busy.",
                retry_after_s=RETRY_WHEN_FULL_S,
            )
        return None
