"""What a conversation has decided and its shell has not yet done, in order; and the names it gives to things.

Every part of the conversation writes here; the shell takes all of it after each input, so the list is as long as
one input's consequences. Ids are counted: the same story gives the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime.effects import Effect, Note, Publish, Send
from storage.events import Event


@dataclass(slots=True)
class Outgoing:
    """`add` and its shorthands; `take` empties it."""

    _effects: list[Effect] = field(default_factory=list)
    _ids: int = 0

    def take(self) -> list[Effect]:
        taken, self._effects = self._effects, []
        return taken

    def add(self, *effects: Effect) -> None:
        self._effects += effects

    def send(self, message: bytes) -> None:
        """One client event to the session."""
        self._effects.append(Send(message=message))

    def publish(self, *events: Event) -> None:
        self._effects += [Publish(event=event) for event in events]

    def note(self, code: str, detail: str) -> None:
        """A line for the log; never anybody's words."""
        self._effects.append(Note(code=code, detail=detail))

    def new_id(self, kind: str) -> str:
        """`kind` and a number: unique in this conversation, at most 32 characters."""
        self._ids += 1
        return f"{kind}_{self._ids}"
