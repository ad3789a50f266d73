"""What a new session must be told: who said what, as it was heard, and what the tools did.

The Realtime API cannot resume a session; a new one is given the conversation as items: a caller's words as
`input_text`, the agent's as `output_text` (assistant audio cannot be given back) and only those that were heard,
function calls with what they returned, so that nothing is asked or done twice. Bounded: the newest LINES, and of
those what fits CHARACTERS.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from storage.events import Speaker

LINES = 80
# About 4,000 tokens. A long seed also biases the model towards answering in text.
CHARACTERS = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item to restate; `at`: when it was said or done, on the conversation's clock."""

    at: float
    item: dict[str, Any]  # as `conversation.item.create` takes it, without an id
    within: Line | None = None  # the marker that must stand before it: it is told again where it fell out

    @property
    def characters(self) -> int:
        return sum(len(text) for text in _texts(self.item))


@dataclass(slots=True)
class History:
    """Add in any order: a caller's transcript comes after the answer to it. `lines` are in spoken order."""

    _lines: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES))

    def said(self, speaker: Speaker, heard_text: str, at: float) -> Line | None:
        """Words that were heard; None where there were none."""
        if not heard_text:
            return None
        agent = speaker == "agent"
        item = {
            "type": "message",
            "role": "assistant" if agent else "user",
            "content": [{"type": "output_text" if agent else "input_text", "text": heard_text}],
        }
        return self.add(Line(at=at, item=item))

    def called(self, call_id: str, name: str, arguments: str, at: float) -> None:
        """The model called a function."""
        item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        self.add(Line(at=at, item=item))

    def returned(self, call_id: str, output: str, at: float) -> None:
        """What it returned."""
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        self.add(Line(at=at, item=item))

    def lines(self) -> list[Line]:
        """What to restate, oldest first. Never an output without its call."""
        kept: list[Line] = []
        characters = 0
        in_order = sorted(self._lines, key=lambda line: line.at)
        for line in in_order[::-1]:
            characters += line.characters
            if characters > CHARACTERS and kept:
                break
            kept.append(line)
        kept.reverse()
        if kept and kept[0].within is not None:
            kept.insert(0, kept[0].within)
        calls = {line.item["call_id"] for line in kept if line.item["type"] == "function_call"}
        return [
            line
            for line in kept
            if line.item["type"] != "function_call_output" or line.item["call_id"] in calls
        ]

    def add(self, line: Line) -> Line:
        """Any other item."""
        self._lines.append(line)
        return line


def _texts(item: dict[str, Any]) -> list[str]:
    if item["type"] == "message":
        return [part["text"] for part in item["content"]]
    return [text for text in (item.get("arguments"), item.get("output")) if text]
