"""Who hears whom on one call: the caller, the agent, and the people at the desk.

One of three has the caller's ear: the agent, an operator, or the hold tone. Beside that, people may sit in: one
who listens hears everything and is heard by nobody; one who barges in is heard by everybody. The caller's own
connection is never touched: only what is sent there changes.

                 hears: caller    agent     talking   barging   listening
    caller              -         if agent  if theirs yes       no
    the model           if agent  -         no        if agent  no
    talking             yes       if agent  -         yes       no
    barging             yes       if agent  if theirs yes       no
    listening           yes       if agent  if theirs yes       no

Nobody hears themselves. On hold the caller hears the tone and the desk hears nothing of the caller.

Pure but for its memory of a few frames. All audio is 20 ms frames, 24 kHz mono s16le. Sources push, ears pull,
each at its own tick of the same clock; between the two stand at most FRAMES_BETWEEN frames, the oldest goes.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

import numpy as np

from media.tone import HoldTone

Ear = Literal["agent", "operator", "tone"]
Role = Literal["talk", "barge", "listen"]

CALLER: Final = "caller"
AGENT: Final = "agent"

FRAMES_BETWEEN: Final = 5  # 100 ms: what a catch-up of the ticker can pile up, and two more
_LOOK_AFTER: Final = 50  # pulls; a queue that was never shallow for a second is only delay


class Patchbay:
    """The seats of one call.

    Order of calls: `give_ear`, `seat` and `unseat` at will; then, each every 20 ms, `from_caller`,
    `from_operator`, `to_caller`, `to_operator`.
    """

    def __init__(self) -> None:
        self.ear: Ear = "agent"
        self._seats: dict[str, Role] = {}
        self._pipes: dict[tuple[str, str], _Pipe] = {}  # (source, ear)
        self._tone = HoldTone()

    @property
    def plain(self) -> bool:
        """Caller and agent are among themselves: audio need not come by here at all."""
        return self.ear == "agent" and not self._seats

    @property
    def seats(self) -> dict[str, Role]:
        """Who of the desk is on the call, and how."""
        return dict(self._seats)

    def give_ear(self, ear: Ear) -> None:
        """From the next frame on this one is heard by the caller."""
        if ear == self.ear:
            return
        self.ear = ear
        self._tone.restart()
        self._rewire()

    def seat(self, operator: str, role: Role) -> None:
        """Somebody of the desk joins, or changes role."""
        self._seats[operator] = role
        self._rewire()

    def unseat(self, operator: str) -> None:
        """Somebody of the desk leaves. Idempotent."""
        self._seats.pop(operator, None)
        self._rewire()

    def hears(self, ear: str) -> frozenset[str]:
        """Whose voices reach this ear now: CALLER, AGENT, operators. The table above."""
        with_agent = self.ear == "agent"
        on_hold = self.ear == "tone"
        barging = {each for each, role in self._seats.items() if role == "barge"}
        talking = (
            {each for each, role in self._seats.items() if role == "talk"}
            if self.ear == "operator"
            else set()
        )
        if ear == CALLER:
            voices = set() if on_hold else barging | talking | ({AGENT} if with_agent else set())
        elif ear == AGENT:
            voices = {CALLER} | barging if with_agent else set()
        elif ear in self._seats:
            voices = barging | talking | ({AGENT} if with_agent else set())
            if not on_hold:
                voices.add(CALLER)
        else:
            voices = set()
        return frozenset(voices - {ear})

    def from_caller(self, pcm: bytes) -> bytes | None:
        """20 ms of the caller's. Returns what the model hears of this moment, None where it is to hear nothing."""
        self._deliver(CALLER, pcm)
        if self.ear != "agent":
            return None
        return _mix([pcm, *self._pull(AGENT, but=CALLER)])

    def from_operator(self, operator: str, pcm: bytes) -> None:
        """20 ms of somebody's at the desk."""
        self._deliver(operator, pcm)

    def to_caller(self, agent: bytes | None) -> bytes | None:
        """What the caller hears next; None: nothing. `agent`: what the agent says at this moment."""
        if self.ear == "tone":
            return self._tone.frame()
        heard = self._pull(CALLER, but=AGENT)
        if agent is not None and self.ear == "agent":
            self._deliver(AGENT, agent)
            heard.append(agent)
        return _mix(heard)

    def to_operator(self, operator: str) -> bytes | None:
        """What this operator hears next; None: nothing."""
        return _mix(self._pull(operator))

    def _deliver(self, source: str, pcm: bytes) -> None:
        for (voice, _), pipe in self._pipes.items():
            if voice == source:
                pipe.push(pcm)

    def _pull(self, ear: str, *, but: str | None = None) -> list[bytes]:
        found = []
        for (voice, hearing), pipe in self._pipes.items():
            if hearing == ear and voice != but and (pcm := pipe.pull()) is not None:
                found.append(pcm)
        return found

    def _rewire(self) -> None:
        """Pipes for exactly who hears whom. Kept ones keep their frames; what passes by itself has none."""
        wanted = {
            (voice, ear)
            for ear in (CALLER, AGENT, *self._seats)
            for voice in self.hears(ear)
            if (voice, ear) not in ((CALLER, AGENT), (AGENT, CALLER))
        }
        self._pipes = {key: self._pipes.get(key) or _Pipe() for key in sorted(wanted)}


class _Pipe:
    """Frames between a source's tick and an ear's. Bounded; the oldest goes."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=FRAMES_BETWEEN)
        self._pulls = 0
        self._shallowest = FRAMES_BETWEEN

    def push(self, pcm: bytes) -> None:
        self._frames.append(pcm)

    def pull(self) -> bytes | None:
        left = max(0, len(self._frames) - 1)
        self._shallowest = min(self._shallowest, left)
        self._pulls += 1
        if self._pulls >= _LOOK_AFTER:
            if self._shallowest > 1:
                self._frames.popleft()
            self._pulls, self._shallowest = 0, FRAMES_BETWEEN
        return self._frames.popleft() if self._frames else None


def _mix(voices: list[bytes]) -> bytes | None:
    """All at once, clipped where they are too loud together."""
    if len(voices) < 2:
        return voices[0] if voices else None
    total = np.sum([np.frombuffer(each, "<i2") for each in voices], axis=0, dtype=np.int32)
    return np.clip(total, -32768, 32767).astype("<i2").tobytes()
