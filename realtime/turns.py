"""Turns: the caller speaks, the agent answers. When each began, how long the answer took, what it used.

A turn begins with the caller's speech and ends when the answer has been heard or cut. Speech that goes on
before any of the answer was audible is the same turn. Turn 0 is the greeting: the agent's alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.events import Event, LatencyBreakdown, Speaker, TurnCompleted, TurnStarted


@dataclass(slots=True)
class Turns:
    """Pure bookkeeping; each method returns the events that follow from it."""

    _next: int = 0
    _open: Speaker | None = None  # who began the turn that is open
    _answer_audible: bool = False
    _speech_ended_at: float | None = None
    _proven_at: float | None = None
    _told_at: float | None = None
    _answer_came_at: float | None = None
    _latency_ms: int | None = None
    _breakdown: LatencyBreakdown | None = None
    _tools: list[str] = field(default_factory=list)

    def agent_speaks(self, item_id: str) -> list[Event]:
        """An item of the agent's began: its answer, or a turn of its own where nobody spoke before."""
        return [] if self._open else [self._start("agent", item_id)]

    def caller_speaks(self, item_id: str) -> list[Event]:
        if self._open == "caller" and not self._answer_audible:
            self._speech_ended_at = self._answer_came_at = None
            return []
        return [*self.close(), self._start("caller", item_id)]

    def caller_stopped(
        self, ended_at: float, *, proven_at: float | None = None, told_at: float | None = None
    ) -> None:
        """`ended_at`: when the last speech was sent, without the silence that proved it; `proven_at`: with it;
        `told_at`: when we learnt of it."""
        self._speech_ended_at = ended_at
        self._proven_at, self._told_at = proven_at, told_at
        self._answer_came_at = None

    def answer_comes(self, now: float) -> None:
        """Audio of the agent's has come; the first after the caller's words begins the answer."""
        if self._answer_came_at is None and self._speech_ended_at is not None:
            self._answer_came_at = now

    @property
    def awaits_answer(self) -> bool:
        """The caller has finished, and nothing of the answer is audible yet."""
        return self._open == "caller" and not self._answer_audible and self._speech_ended_at is not None

    def answer_audible(self, now: float, to_ear_ms: float | None = None) -> None:
        """The first packet of an answer left. Only the first of a turn counts for its latency."""
        if self._open and not self._answer_audible and self._speech_ended_at is not None:
            self._latency_ms = max(0, round((now - self._speech_ended_at) * 1000))
            self._breakdown = self._parts(self._speech_ended_at, now, to_ear_ms)
        self._answer_audible = True

    def tool_called(self, name: str) -> None:
        self._tools.append(name)

    def close(self) -> list[Event]:
        """The answer has been heard or cut, or the call is over."""
        if self._open is None:
            return []
        self._open = None
        completed = TurnCompleted(
            turn=self._next - 1,
            response_latency_ms=self._latency_ms,
            tools=list(self._tools),
            latency_breakdown=self._breakdown,
        )
        self._tools.clear()
        return [completed]

    def _start(self, speaker: Speaker, item_id: str) -> TurnStarted:
        self._open = speaker
        self._answer_audible = False
        self._speech_ended_at = None
        self._proven_at = self._told_at = self._answer_came_at = None
        self._latency_ms = None
        self._breakdown = None
        self._next += 1
        return TurnStarted(turn=self._next - 1, speaker=speaker, item_id=item_id)

    def _parts(self, ended_at: float, now: float, to_ear_ms: float | None) -> LatencyBreakdown | None:
        """Where the latency went; None where one of its stations was not seen, or not in its order."""
        stations = (ended_at, self._proven_at, self._told_at, self._answer_came_at, now)
        if to_ear_ms is None or any(at is None for at in stations):
            return None
        # Rounded from the beginning, so that the parts add up to what is rounded as a whole.
        ms = [round(((at or 0.0) - ended_at) * 1000) for at in stations]
        if ms != sorted(ms):
            return None
        return LatencyBreakdown(
            endpointing_ms=ms[1] - ms[0],
            transport_in_ms=ms[2] - ms[1],
            model_ms=ms[3] - ms[2],
            playout_ms=ms[4] - ms[3],
            transport_out_ms=round(to_ear_ms),
        )
