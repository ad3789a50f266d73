"""What one call adds to the hourly figures: counters that sum up, and histograms that sum up.

A contribution is kept beside its call, so that it can be taken away again, exactly, when the call's figures change.
The names are the columns of the roll-up; COUNTERS may only be added to, at its end, for their positions are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from storage.events import LatencyBreakdown
from storage.histogram import dense, histogram
from storage.metrics import STATUSES, Answer, Metrics, adds_up

METHODS = ("ai", "caller", "operator", "policy", "failure")
RUNGS = ("system_of_record", "confirmed_slots", "facts_heard", "model_judge", "caller_signal", "human_review")
TOKENS = (
    "input_text_tokens",
    "input_audio_tokens",
    "cached_tokens",
    "output_text_tokens",
    "output_audio_tokens",
)
_PARTS = LatencyBreakdown.__struct_fields__

COUNTERS = (
    "calls",
    "no_conversation",
    "conversations",
    "incomplete",
    "duration_ms",
    "user_turns",
    "turns",
    "breakdowns",
    "breakdowns_off",
    *_PARTS,
    "timed_conversations",
    "timed_user_turns",
    "interruptions",
    "not_yielded",
    "agent_interruptions",
    "overlap_ms",
    "stops",
    "stops_judged",
    "false_interruptions",
    "dead_air_calls",
    "dead_air_gaps",
    "dead_air_ms",
    "silence_ms",
    "listened_ms",
    "agent_speech_ms",
    "caller_speech_ms",
    "spoken_answers",
    "generated_chars",
    "heard_chars",
    "repairs",
    "slot_calls",
    "slots_required",
    "slots_filled",
    "slots_confirmed",
    *(f"goals_{status}" for status in STATUSES),
    *(f"decided_by_{rung}" for rung in RUNGS),
    "handoff_calls",
    "handoffs",
    *(f"handoffs_by_{method}" for method in METHODS),
    "handoffs_connected",
    "handoffs_abandoned",
    "handoffs_offered",
    "handoffs_declined",
    "handoffs_returned",
    "contained",
    "goal_calls",
    "resolved",
    "tools_called",
    "tools_failed",
    *TOKENS,
    "priced_calls",
    "unpriced_calls",
    "cost_micro_usd",
    "priced_goals_achieved",
    "media_calls",
    "packets_received",
    "packets_lost",
    "concealed_ms",
    "rated_lines",
    "r_factor_tenths",
    "ratings",
    "rating_hundredths",
)

# Milliseconds, but for the two of the line, which are small and counted in microseconds.
HISTOGRAMS = (
    "response_ms",
    "response_with_tool_ms",
    "first_packet_ms",
    "yield_ms",
    "gap_ms",
    "handoff_wait_ms",
    "duration_ms",
    "jitter_us",
    "rtt_us",
)


class Key(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One row of the roll-up."""

    tenant: str
    agent: str
    agent_version: str
    hour: str  # RFC 3339, the full hour in which the call began, UTC


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """Only what is not nought. `histograms`: name → bucket → how many."""

    counters: dict[str, int]
    histograms: dict[str, dict[int, int]]


def contribution_of(metrics: Metrics) -> Contribution:
    """What the call adds to its hour."""
    counters = _counts(metrics)
    histograms = {name: histogram(values) for name, values in _values(metrics).items()}
    return Contribution(
        counters={name: counters[name] for name in COUNTERS if counters.get(name)},
        histograms={name: found for name, found in histograms.items() if found},
    )


def key_of(metrics: Metrics, tenant: str) -> Key | None:
    """None where the log does not say who answered the call, or when."""
    if metrics.agent is None or metrics.agent_version is None or metrics.started_at is None:
        return None
    return Key(
        tenant=tenant,
        agent=metrics.agent,
        agent_version=metrics.agent_version,
        hour=f"{metrics.started_at[:13]}:00:00Z",
    )


class Sum:
    """Contributions added up, and taken away."""

    def __init__(self) -> None:
        self.counters: list[int] = [0] * len(COUNTERS)
        self.histograms: dict[str, dict[int, int]] = {name: {} for name in HISTOGRAMS}

    def add(self, contribution: Contribution, sign: int = 1) -> None:
        """`sign` -1 takes it away. Names that this program does not know, from a newer one, are left out."""
        for name, count in contribution.counters.items():
            if name in _POSITION:
                self.counters[_POSITION[name]] += sign * count
        for name, buckets in contribution.histograms.items():
            into = self.histograms.get(name)
            if into is not None:
                for bucket, count in buckets.items():
                    into[bucket] = into.get(bucket, 0) + sign * count

    def join(self, other: Sum) -> None:
        """Add another sum."""
        for position, count in enumerate(other.counters):
            self.counters[position] += count
        for name, buckets in other.histograms.items():
            into = self.histograms[name]
            for bucket, count in buckets.items():
                into[bucket] = into.get(bucket, 0) + count

    @property
    def empty(self) -> bool:
        """Nothing was added that was not taken away."""
        return not any(self.counters) and not any(
            count for buckets in self.histograms.values() for count in buckets.values()
        )

    def dense_histograms(self) -> dict[str, list[int]]:
        """By name, as they are stored."""
        return {name: dense(buckets) for name, buckets in self.histograms.items()}


_POSITION: Mapping[str, int] = {name: position for position, name in enumerate(COUNTERS)}


def counter(counters: Sequence[int], name: str) -> int:
    """One counter of a stored row; 0 where the row is older than the counter."""
    position = _POSITION[name]
    return counters[position] if position < len(counters) else 0


def _counts(metrics: Metrics) -> dict[str, int]:
    counts = {"calls": 1, "incomplete": int(not metrics.complete), **_tokens(metrics), **_line(metrics)}
    if metrics.no_conversation:
        return {**counts, "no_conversation": 1}
    return {
        **counts,
        "conversations": 1,
        "duration_ms": metrics.duration_ms or 0,
        "user_turns": metrics.user_turns,
        "turns": metrics.turns,
        **_breakdowns(metrics.answers),
        **_floor(metrics),
        "generated_chars": metrics.heard.generated_chars,
        "heard_chars": metrics.heard.heard_chars,
        "spoken_answers": int(metrics.heard.generated_chars > 0),
        "repairs": metrics.repairs,
        **_results(metrics),
        **_handoffs(metrics),
        "tools_called": metrics.tools_called,
        "tools_failed": metrics.tools_failed,
        "ratings": int(metrics.rating is not None),
        "rating_hundredths": round((metrics.rating or 0) * 100),
    }


def _breakdowns(answers: Iterable[Answer]) -> dict[str, int]:
    measured = [each for each in answers if each.breakdown is not None]
    parts = {name: sum(getattr(each.breakdown, name) for each in measured) for name in _PARTS}
    return {
        "breakdowns": len(measured),
        "breakdowns_off": sum(not adds_up(each) for each in measured),
        **parts,
    }


def _floor(metrics: Metrics) -> dict[str, int]:
    """Who had the floor: only of calls whose log says when who spoke."""
    stops = metrics.stops
    counts = {
        "stops": stops.count,
        "stops_judged": stops.judged,
        "false_interruptions": stops.without_words,
    }
    if metrics.interruptions is None or metrics.dead_air is None or metrics.speech is None:
        return counts
    return {
        **counts,
        "timed_conversations": 1,
        "timed_user_turns": metrics.user_turns,
        "interruptions": metrics.interruptions.by_caller,
        "not_yielded": metrics.interruptions.not_yielded,
        "agent_interruptions": metrics.interruptions.by_agent,
        "overlap_ms": metrics.interruptions.overlap_ms,
        "dead_air_calls": int(bool(metrics.dead_air.gaps_ms)),
        "dead_air_gaps": len(metrics.dead_air.gaps_ms),
        "dead_air_ms": metrics.dead_air.total_ms,
        "silence_ms": metrics.dead_air.silence_ms,
        "listened_ms": metrics.dead_air.listened_ms,
        "agent_speech_ms": metrics.speech.agent_ms,
        "caller_speech_ms": metrics.speech.caller_ms,
    }


def _results(metrics: Metrics) -> dict[str, int]:
    counts = {f"goals_{status}": 0 for status in STATUSES}
    for goal in metrics.goals:
        counts[f"goals_{goal.status}"] += 1
        if goal.rung in RUNGS:
            counts[f"decided_by_{goal.rung}"] = counts.get(f"decided_by_{goal.rung}", 0) + 1
    if metrics.slots.required:
        counts |= {
            "slot_calls": 1,
            "slots_required": metrics.slots.required,
            "slots_filled": metrics.slots.filled,
            "slots_confirmed": metrics.slots.confirmed,
        }
    return {
        **counts,
        "contained": int(bool(metrics.contained)),
        "goal_calls": int(metrics.resolved is not None),
        "resolved": int(bool(metrics.resolved)),
    }


def _handoffs(metrics: Metrics) -> dict[str, int]:
    handoffs = metrics.handoffs
    return {
        "handoff_calls": int(handoffs.requested > 0),
        "handoffs": handoffs.requested,
        **{f"handoffs_by_{method}": handoffs.methods.count(method) for method in METHODS},
        "handoffs_connected": handoffs.connected,
        "handoffs_abandoned": handoffs.abandoned,
        "handoffs_offered": handoffs.offered,
        "handoffs_declined": handoffs.declined,
        "handoffs_returned": handoffs.returned,
    }


def _tokens(metrics: Metrics) -> dict[str, int]:
    """Money is spent on calls without a conversation, too."""
    usage = metrics.usage
    priced = usage.cost_micro_usd is not None
    achieved = sum(goal.status == "achieved" for goal in metrics.goals)
    return {
        **{name: getattr(usage, name) for name in TOKENS},
        "priced_calls": int(priced),
        "unpriced_calls": int(not priced and usage.responses > 0),
        "cost_micro_usd": usage.cost_micro_usd or 0,
        "priced_goals_achieved": achieved if priced else 0,
    }


def _line(metrics: Metrics) -> dict[str, int]:
    media = metrics.media
    if media is None:
        return {}
    return {
        "media_calls": 1,
        "packets_received": media.packets_received,
        "packets_lost": max(0, media.packets_lost),
        "concealed_ms": media.concealed_ms,
        "rated_lines": int(media.r_factor is not None),
        "r_factor_tenths": round((media.r_factor or 0) * 10),
    }


def _values(metrics: Metrics) -> dict[str, list[float]]:
    media = metrics.media
    line: dict[str, list[float]] = (
        {}
        if media is None
        else {
            "jitter_us": [ms * 1000 for ms in media.jitter_ms],
            "rtt_us": [ms * 1000 for ms in media.rtt_ms],
        }
    )
    if metrics.no_conversation:
        return line
    heard = [each for each in metrics.answers if each.response_ms is not None]
    return {
        **line,
        "response_ms": [each.response_ms or 0 for each in heard],
        "response_with_tool_ms": [each.response_ms or 0 for each in heard if each.tools],
        "first_packet_ms": [each.first_packet_ms for each in metrics.answers],
        "yield_ms": [] if metrics.interruptions is None else [*metrics.interruptions.yields_ms],
        "gap_ms": [] if metrics.dead_air is None else [*metrics.dead_air.gaps_ms],
        "handoff_wait_ms": [*metrics.handoffs.waits_ms],
        "duration_ms": [] if metrics.duration_ms is None else [metrics.duration_ms],
    }
