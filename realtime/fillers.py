"""Words for the silence in which a tool runs: when they are due, and that they are said once.

They fall due when a tool has run for AFTER_S and neither side has spoken for as long; tools that run side by
side share them. A tool whose words have been said, or that says to say none, keeps silent from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Callers begin to ask "are you still there?" after about three seconds of silence.
AFTER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Something is to be said now. `words`: what the tool's author would have said; None for the agent's own."""

    words: str | None


@dataclass(slots=True)
class Fillers:
    """`began` and `over` for each tool call; `due` after everything that happens, and at `next_deadline`."""

    _waiting: dict[str, tuple[float, str | None]] = field(default_factory=dict)  # call_id → (began, words)
    _quiet_since: float | None = None

    def began(self, call_id: str, words: str | None, now: float) -> None:
        """`words` "": nothing shall be said for this one."""
        if words != "":
            self._waiting[call_id] = (now, words)

    def over(self, call_id: str) -> None:
        self._waiting.pop(call_id, None)

    def due(self, now: float, *, quiet: bool) -> Filler | None:
        """What to say now. `quiet`: neither side speaks or is about to."""
        if not quiet:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return None
        ripe = [call_id for call_id, (began, _) in self._waiting.items() if now >= began + AFTER_S]
        words = [self._waiting.pop(call_id)[1] for call_id in ripe]
        return Filler(words=next((each for each in words if each is not None), None))

    def next_deadline(self) -> float | None:
        """When to ask `due` again, if nothing else happens."""
        if self._quiet_since is None or not self._waiting:
            return None
        return max(self._quiet_since, min(began for began, _ in self._waiting.values())) + AFTER_S
