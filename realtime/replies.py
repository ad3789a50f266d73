"""What the agent is saying: the responses under way, their audio, and whether it is still wanted.

A response is under way from the first event that names it, whatever that event is (a server may leave out
`response.created` around interruptions), until its `response.done`. Audio that comes after that, or after the
caller has begun to speak, is not played: the caller must not hear the rest of a sentence that was cut.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from media.playout import PartKey

# The API runs one response at a time; an interrupted one may overlap with the next.
UNDER_WAY_LIMIT = 16
# Stragglers come within moments of `response.done`.
REMEMBERED = 64


@dataclass(slots=True)
class Reply:
    """One response under way."""

    muted: bool = False
    spoke: bool = False  # some of its audio was given to the caller's queue
    open_parts: list[PartKey] = field(default_factory=list)  # played, and may still grow
    unplayed: list[PartKey] = field(default_factory=list)  # whose audio was dropped from its beginning on

    def audio(self, part: PartKey) -> bool:
        """Audio of `part` has come; whether to play it."""
        if not self.muted:
            self.spoke = True
            if part not in self.open_parts:
                self.open_parts.append(part)
            return True
        if part not in self.open_parts and part not in self.unplayed:
            self.unplayed.append(part)
        return False


@dataclass(slots=True)
class Replies:
    """Bounded: a server that never ends its responses loses track of the oldest."""

    _under_way: dict[str, Reply] = field(default_factory=dict)
    _over: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def of(self, response_id: str) -> Reply | None:
        """The response, which begins here if it is new; None once it is over."""
        reply = self._under_way.get(response_id)
        if reply is None and response_id not in self._over:
            if len(self._under_way) >= UNDER_WAY_LIMIT:
                self.over(next(iter(self._under_way)))
            reply = self._under_way[response_id] = Reply()
        return reply

    def mute_all(self) -> None:
        """The caller speaks: nothing that is being generated now is wanted any more."""
        for reply in self._under_way.values():
            reply.muted = True

    def forget(self) -> list[PartKey]:
        """The session is gone: everything is over. The parts that may still have grown."""
        open_parts = [part for reply in self._under_way.values() for part in reply.open_parts]
        self._over.extend(self._under_way)
        self._under_way.clear()
        return open_parts

    def over(self, response_id: str) -> Reply | None:
        """`response.done`; None when it was over before."""
        reply = self.of(response_id)
        if reply is not None:
            del self._under_way[response_id]
            self._over.append(response_id)
        return reply
