"""The figures that the media server knows when a call ends: what `call.ended.metrics` carries.

Everything else is measured from the whole log afterwards (metrics.py).

Percentiles are over the agent's answers in this call: caller's last speech to the agent's first packet.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from storage.events import Event, ToolCalled, ToolFinished, TurnCompleted, TurnInterrupted, UsageRecorded


class CallMetrics:
    """Add every event of a call as it is published; `summary()` at its end.

    Bounded: one number a turn, one counter a tool name.
    """

    def __init__(self) -> None:
        self._turns = 0
        self._interruptions = 0
        self._latencies_ms: list[int] = []
        self._tools_called: Counter[str] = Counter()
        self._tools_failed: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def add(self, event: Event) -> None:
        """Take in one event; types without figures change nothing."""
        match event:
            case TurnCompleted():
                self._turns += 1
                if event.response_latency_ms is not None:
                    self._latencies_ms.append(event.response_latency_ms)
            case TurnInterrupted():
                self._interruptions += 1
            case ToolCalled():
                self._tools_called[event.name] += 1
            case ToolFinished() if not event.ok:
                self._tools_failed[event.name] += 1
            case UsageRecorded():
                for name in _TOKENS:
                    self._tokens[name] += getattr(event, name)
            case _:
                pass

    def summary(self) -> dict[str, Any]:
        """JSON-shaped figures; latencies are None in a call without an answer."""
        return {
            "turns": self._turns,
            "interruptions": self._interruptions,
            "latency_p50_ms": percentile(self._latencies_ms, 50),
            "latency_p95_ms": percentile(self._latencies_ms, 95),
            "tools": {
                name: {"called": self._tools_called[name], "failed": self._tools_failed[name]}
                for name in sorted(self._tools_called | self._tools_failed)
            },
            "tokens": {name.removesuffix("_tokens"): self._tokens[name] for name in _TOKENS},
        }


_TOKENS = (
    "input_tokens",
    "output_tokens",
    "input_audio_tokens",
    "input_text_tokens",
    "cached_tokens",
    "output_audio_tokens",
    "output_text_tokens",
)


def percentile(values: list[int], share: int) -> int | None:
    """Nearest-rank percentile: the smallest value that at least `share` % of the values do not exceed."""
    if not values:
        return None
    rank = -(-len(values) * share // 100)  # ceiling
    return sorted(values)[max(rank, 1) - 1]
