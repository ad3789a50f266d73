"""A call outlives its sessions: when to open the next one, on which model, and when to give up.

A session has no resume: after any end of it (1001, 1006, 1011, `session_expired`, a lost network) the next one
is empty and is told everything again (`history.py`). It is asked for at once, then after growing pauses; the
second configured model takes over from one that cannot be reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

# The first attempt is at once: most drops are of one connection, not of the service.
PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0)
FAILURES = 6  # drops and failed attempts within WINDOW_S after which the provider counts as lost
WINDOW_S = 30.0
GIVE_UP_S = 12.0  # the longest that a caller is left without a session
ATTEMPT_S = 5.0  # from opening to configured; the service needs well under one second
TRIES_A_MODEL = 3  # failures in a row before the next configured model is tried

# Of the time in which a silence is sought for the renewal, the last part: then it is done though somebody speaks.
IN_ANY_CASE = 0.2


@dataclass(slots=True)
class Continuity:
    """`lost` or `failed`, then open a session when it is `due`, then `restored`; and so on. Time in seconds."""

    models: Sequence[str]
    cause: str | None = None  # why there is no session; None: there is one
    lost_at: float = 0.0
    open_at: float | None = None  # when to ask for the next session
    opened_at: float = 0.0
    _model: int = 0
    _in_a_row: int = 0
    _failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))

    @property
    def model(self) -> str:
        return self.models[self._model]

    def lost(self, cause: str, now: float, *, planned: bool = False) -> bool:
        """The session is gone, or could not be opened. False: there is no point in another one."""
        if self.cause is None:
            self.cause, self.lost_at = cause, now
        if planned:
            self.open_at = now
            return True
        while self._failures and self._failures[0] <= now - WINDOW_S:
            self._failures.popleft()
        self._failures.append(now)
        self._in_a_row += 1
        if len(self._failures) >= FAILURES or now - self.lost_at >= GIVE_UP_S:
            return False
        if self._in_a_row >= TRIES_A_MODEL:
            self.next_model()
        self.open_at = now + PAUSES_S[min(len(self._failures), len(PAUSES_S)) - 1]
        return True

    def start_over(self, now: float) -> None:
        """A session is wanted again after a time in which nobody missed it: open one now, with all its attempts."""
        self.cause, self.lost_at, self.open_at = self.cause or "returned", now, now
        self._failures.clear()
        self._in_a_row = 0

    def worked(self) -> None:
        """The session has answered: what failed before is no sign any more."""
        self._failures.clear()

    def next_model(self) -> bool:
        """Go on with the next configured model; False where there is none."""
        if self._model + 1 >= len(self.models):
            return False
        self._model += 1
        self._in_a_row = 0
        return True

    def due(self, now: float) -> bool:
        """Whether to open a session now; counts as done."""
        if self.open_at is None or now < self.open_at:
            return False
        self.open_at, self.opened_at = None, now
        return True

    def restored(self, now: float) -> tuple[str, int] | None:
        """A session is configured: (cause, gap_ms) if there was one before it."""
        self._in_a_row, self.open_at = 0, None
        if self.cause is None:
            return None
        cause, self.cause = self.cause, None
        return cause, round((now - self.lost_at) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpan:
    """How long the provider lets a session live, and how long before that a silence is sought to renew it."""

    max_s: float = 3600.0  # "maximum duration of 60 minutes"
    rotate_before_s: float = 600.0


@dataclass(slots=True)
class Rotation:
    """When a session is to be renewed: from `soft_at` on in the next silence, at `hard_at` in any case."""

    span: SessionSpan = SessionSpan()
    soft_at: float | None = None
    hard_at: float | None = None
    _awaits_silence: bool = False

    def started(self, now: float, lives_s: float | None = None) -> None:
        """A session is configured; `lives_s`: until it expires, where the server said so.

        One that would leave no time to renew it is of a clock that differs from ours, and not believed.
        """
        before_s = min(self.span.rotate_before_s, self.span.max_s)
        told = lives_s is not None and lives_s >= before_s
        lives = min(self.span.max_s, lives_s) if told and lives_s is not None else self.span.max_s
        self.soft_at = now + lives - before_s
        self.hard_at = now + lives - before_s * IN_ANY_CASE
        self._awaits_silence = False

    def due(self, now: float, *, silent: bool) -> bool:
        """Whether to renew now."""
        if self.soft_at is None or self.hard_at is None or now < self.soft_at:
            return False
        self._awaits_silence = True
        return silent or now >= self.hard_at

    def next_deadline(self) -> float | None:
        return self.hard_at if self._awaits_silence else self.soft_at
