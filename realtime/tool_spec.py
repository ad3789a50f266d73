"""What a tool looks like to the model, and what it gives back. Values only; running is `tools/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.events import EndReason, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """Name, description and JSON Schema of the arguments; what to say while it runs is ours, not the model's."""

    name: str
    description: str
    parameters: dict[str, Any]
    speak_while: str | None = None  # None: the agent's own words; "": nothing

    def as_session_tool(self) -> dict[str, Any]:
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """What running a tool came to."""

    ok: bool
    output: Any  # JSON value; what the model is told, worded for it where something failed
    duration_ms: int
    error: str | None = None  # code, where not ok
    events: tuple[Event, ...] = ()  # facts to put on record
    hang_up: EndReason | None = None  # end the call once the agent has said goodbye


def refusal(code: str, message: str) -> ToolOutcome:
    """What a call that is not run comes to; `message` is worded for the model."""
    return ToolOutcome(ok=False, output={"error": code, "message": message}, duration_ms=0, error=code)
