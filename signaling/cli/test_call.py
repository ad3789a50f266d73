"""What a test call knows: the events it has seen, whose turn it is, and what to report at its end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLatency:
    """One answer of the agent."""

    turn: int
    response_latency_ms: int | None  # None for a greeting
    tools: tuple[str, ...]


@dataclass(slots=True)
class TestCall:
    """Feed it every event of the call, in order; ask it between."""

    __test__ = False  # pytest: a call for testing, not a test

    call_id: str
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)  # transcript.final by item
    turns: list[TurnLatency] = field(default_factory=list)
    tools_running: int = 0
    ended: str | None = None  # reason

    def receive(self, event: Mapping[str, Any]) -> None:
        data = event["data"]
        match event["type"]:
            case "transcript.final":
                self.entries[data["item_id"]] = dict(data)
            case "turn.completed":
                self.turns.append(
                    TurnLatency(
                        turn=data["turn"],
                        response_latency_ms=data["response_latency_ms"],
                        tools=tuple(data["tools"]),
                    )
                )
            case "tool.called":
                self.tools_running += 1
            case "tool.finished":
                self.tools_running -= 1
            case "call.ended":
                self.ended = data["reason"]
            case _:
                pass

    @property
    def answers(self) -> int:
        """Turns that the agent has finished, the greeting included."""
        return len(self.turns)

    @property
    def transcript(self) -> list[dict[str, Any]]:
        """In spoken order."""
        return sorted(self.entries.values(), key=lambda entry: int(entry["position"]))

    def report(self, *, spoken: int, answered: int) -> dict[str, Any]:
        """The JSON of `cordboard call --json`."""
        return {
            "call_id": self.call_id,
            "turns_spoken": spoken,
            "turns_answered": answered,
            "answered": answered == spoken,
            "ended": self.ended,
            "transcript": self.transcript,
            "turns": [asdict(turn) for turn in self.turns],
        }
