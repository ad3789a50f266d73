"""A caller who waits for the agent is never left in silence: what is tried, and after how long.

Counted from the moment that words of the agent's are owed (the caller has finished, a greeting was asked for)
until some of them are on their way to the caller. The steps are those that a person would try: say "one moment",
ask again, open a new session, take another model, and at last say that it cannot go on and hang up.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Step(enum.Enum):
    FILLER = "filler"
    REASK = "reask"
    NEW_SESSION = "new_session"
    NEXT_MODEL = "next_model"
    NOTICE = "notice"


# Seconds waited. An answer takes about one; from four on callers ask "hello?". A session takes 1-2 s to open and
# to answer, so that each step has the time to work before the next.
STEPS: tuple[tuple[float, Step], ...] = (
    (4.0, Step.FILLER),
    (6.0, Step.REASK),
    (10.0, Step.NEW_SESSION),
    (15.0, Step.NEXT_MODEL),
    (20.0, Step.NOTICE),
)
FRESH_S = 3.0  # an answer takes about one second


@dataclass(slots=True)
class Watchdog:
    """`awaited` when words are owed, `satisfied` when they come or are not owed any more; `due` at the deadline.

    Held time (a tool that is running, a caller whose network is gone) does not count.
    """

    _since: float | None = None
    _held_since: float | None = None
    _next: int = 0
    _fresh_until: float = 0.0

    def fresh_session(self, now: float) -> None:
        """A session has come up: it is not asked again, nor left, before it could have answered."""
        self._fresh_until = now + FRESH_S

    def awaited(self, now: float) -> None:
        """Words are owed; from now, unless they were already."""
        if self._since is None:
            self._since, self._next = now, 0

    def satisfied(self) -> None:
        """They have come, or the caller speaks again."""
        self._since = None

    def hold(self, held: bool, now: float) -> None:
        """Stop the clock, or let it go on."""
        if held and self._held_since is None:
            self._held_since = now
        elif not held and self._held_since is not None:
            if self._since is not None:
                self._since += now - max(self._held_since, self._since)
            self._held_since = None

    def waited_ms(self, now: float) -> int:
        if self._since is None:
            return 0
        return max(0, round(((now if self._held_since is None else self._held_since) - self._since) * 1000))

    def due(self, now: float) -> Step | None:
        """The step to take now; each is given once for a wait."""
        at = self.next_deadline()
        if at is None or now < at:
            return None
        self._next += 1
        return STEPS[self._next - 1][1]

    def next_deadline(self) -> float | None:
        if self._since is None or self._held_since is not None or self._next >= len(STEPS):
            return None
        after_s, step = STEPS[self._next]
        at = self._since + after_s
        return at if step in (Step.FILLER, Step.NOTICE) else max(at, self._fresh_until)
