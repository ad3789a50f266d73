"""Which calls a list shows: the same question for calls in memory and, as SQL, for calls on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.projection import CallView


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Every field that is not None narrows the list."""

    state: str | None = None
    agent: str | None = None
    outcome: str | None = None
    caller: str | None = None  # exactly as the call shows it
    since: datetime | None = None  # began then or later
    until: datetime | None = None  # began before

    def takes(self, view: CallView) -> bool:
        """True for a call that belongs in the list."""
        wanted = (
            (self.state, view.state),
            (self.agent, view.agent),
            (self.outcome, view.outcome),
            (self.caller, view.caller),
        )
        return all(asked in (None, found) for asked, found in wanted) and self._in_time(view.started_at)

    def _in_time(self, started_at: str | None) -> bool:
        if self.since is None and self.until is None:
            return True
        if started_at is None:
            return False
        began = datetime.fromisoformat(started_at)
        return (self.since is None or began >= self.since) and (self.until is None or began < self.until)


EVERY_CALL = CallFilter()
