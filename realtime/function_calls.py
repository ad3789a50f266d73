"""The model's function calls: which are running, and which of them are answered together.

All calls of one response are answered before the model is asked to go on, once. A call that ends the
conversation only does so while the caller has not spoken since.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from realtime.server_events import Item
from realtime.tool_output import for_the_record
from realtime.tool_spec import ToolOutcome
from storage.events import EndReason, ToolFinished

REMEMBERED = 256  # ids of calls, so that one that is announced twice runs once


@dataclass(slots=True)
class CallGroup:
    """The calls of one response."""

    spoke: bool  # the response also said something
    overtaken: bool  # the caller has spoken since the model made them
    open: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)  # item ids of the answers sent
    hang_up: EndReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCall:
    """One call, from the response that made it to its answer."""

    item_id: str
    name: str
    group: CallGroup
    began_at: float

    def ended(self, outcome: ToolOutcome) -> ToolFinished:
        """For the record."""
        return ToolFinished(
            name=self.name,
            call_item_id=self.item_id,
            ok=outcome.ok,
            duration_ms=outcome.duration_ms,
            output=for_the_record(outcome.output),
            error=outcome.error,
        )


@dataclass(slots=True)
class FunctionCalls:
    """`begin` when a response is done, `finished` for each call; a group is answered when its `open` is empty.
    `abandon` what still runs when the call is over."""

    _running: dict[str, RunningCall] = field(default_factory=dict)  # by call_id
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def idle(self) -> bool:
        return not self._running

    def begin(
        self, items: Iterable[Item], *, spoke: bool, overtaken: bool, now: float
    ) -> list[tuple[str, Item]]:
        """(call_id, item) of the complete calls among a response's output that were not seen before."""
        group = CallGroup(spoke=spoke, overtaken=overtaken)
        begun: list[tuple[str, Item]] = []
        for item in items:
            call_id = item.call_id
            if item.type != "function_call" or not call_id or item.status not in (None, "completed"):
                continue
            if call_id in self._seen:
                continue
            self._seen.append(call_id)
            group.open.add(call_id)
            self._running[call_id] = RunningCall(
                item_id=item.id or call_id, name=item.name or "", group=group, began_at=now
            )
            begun.append((call_id, item))
        return begun

    def caller_speaks(self) -> None:
        for call in self._running.values():
            call.group.overtaken = True

    def finished(self, call_id: str) -> RunningCall | None:
        """None for a call that is not running."""
        call = self._running.pop(call_id, None)
        if call is not None:
            call.group.open.discard(call_id)
        return call

    def abandon(self, now: float) -> list[ToolFinished]:
        """The call is over: those that still run, for the record. Whatever they come to, nobody is told."""
        abandoned = [
            ToolFinished(
                name=call.name,
                call_item_id=call.item_id,
                ok=False,
                duration_ms=round((now - call.began_at) * 1000),
                output=None,
                error="call_ended",
            )
            for call in self._running.values()
        ]
        self._running.clear()
        return abandoned


def parse_arguments(text: str | None) -> dict[str, Any] | None:
    """The JSON object that the model wrote; None where it is none."""
    try:
        value = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
