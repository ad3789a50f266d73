"""A caller who says nothing: asked after `idle_prompt_s`, said goodbye to after `idle_hangup_s`.

Words count, not sounds: hold music, a machine or a noisy street make the server's voice detection report speech
for ever, and the model answer it. So only a transcript with words in it (or a key) proves that somebody is there,
and the agent's own speech puts the clock back only a few times without one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

# An answer may come in pieces (words, a tool, more words): each may end later than the words before it.
AGENT_ENDS_THAT_COUNT = 3
# Speech that goes on may be a long sentence, whose words come at its end; beyond this much more it is a noise.
SPEECH_ALLOWANCE_S = 30.0


class Idle(enum.Enum):
    PROMPT = "idle_prompt"
    HANG_UP = "idle_hang_up"


@dataclass(slots=True)
class IdleCaller:
    """Tell it what happens; `due` at its deadline. Its clock starts with the end of the agent's first words."""

    prompt_s: float
    hang_up_s: float
    _since: float | None = None
    _agent_ends: int = 0
    _prompted: bool = False
    _speaking: bool = False

    def caller_said_words(self, now: float) -> None:
        """A transcript that is not empty, or a key."""
        self._since, self._agent_ends, self._prompted = now, 0, False

    def caller_makes_sound(self, speaking: bool) -> None:
        """What the server takes for speech began or ended."""
        self._speaking = speaking

    def agent_finished(self, now: float) -> None:
        """All that the agent had to say has been heard."""
        if self._prompted or self._agent_ends >= AGENT_ENDS_THAT_COUNT:
            return
        self._agent_ends += 1
        self._since = now

    def idle_ms(self, now: float) -> int:
        return 0 if self._since is None else round((now - self._since) * 1000)

    def due(self, now: float, *, agent_speaks: bool) -> Idle | None:
        """What to do now. An agent that is speaking, or about to, is not interrupted."""
        at = self.next_deadline()
        if agent_speaks or at is None or now < at:
            return None
        if not self._prompted and not self._speaking:
            self._prompted = True
            return Idle.PROMPT
        self._since = None
        return Idle.HANG_UP

    def next_deadline(self) -> float | None:
        if self._since is None:
            return None
        if self._speaking:
            return self._since + self.hang_up_s + SPEECH_ALLOWANCE_S
        return self._since + (self.hang_up_s if self._prompted else self.prompt_s)
