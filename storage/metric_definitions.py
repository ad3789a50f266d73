"""What each figure means, and how it is read from sums of calls.

The definitions are the contract of the numbers: two people who read the same one must get the same figure. All times
are at our end of the line; calls shorter than 10 s without a word of the caller's are counted as `no_conversation`
and are in no other figure but the number of calls, tokens, money and the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from storage.contribution import METHODS, RUNGS, TOKENS, counter
from storage.events import LatencyBreakdown
from storage.histogram import added, percentile
from storage.metric_sums import Sums
from storage.metrics import STATUSES
from storage.wilson import wilson

FEW = 30  # below that many cases a figure is flagged: one call more may turn it over

Unit = Literal["calls", "count", "ms", "share", "tokens", "micro_usd", "r", "points", "per_call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A counter; n is `of`."""

    name: str
    of: str = "calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many of so many cases, with its Wilson interval."""

    part: str
    whole: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A sum divided by the sum of `whole`; n is another counter: what was measured. No interval: no yes or no."""

    part: str
    whole: tuple[str, ...]
    n: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A sum over n cases, divided by `scale`."""

    total: str
    n: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """Of all raw values, from a histogram, within 5 %; `less` takes another histogram away first."""

    histogram: str
    share: float
    scale: float = 1.0
    less: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A figure: its id is what the API, the CSV and the pages call it."""

    id: str
    unit: Unit
    reading: Count | Rate | Ratio | Mean | Percentile
    text: str


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Where the true rate lies, in 95 of 100 cases."""

    low: float
    high: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number with what it takes to believe it."""

    id: str
    definition: str  # id of the definition: GET /v1/metrics/definitions
    unit: str
    value: float | None  # None: nothing was measured
    n: int  # cases that the value is of
    few: bool  # n below 30
    interval: Interval | None  # of rates


def _percentiles(
    id: str, histogram: str, shares: Sequence[int], text: str, *, scale: float = 1.0, less: str | None = None
) -> list[Definition]:
    return [
        Definition(
            id=f"{id}_p{share}",
            unit="ms",
            reading=Percentile(histogram=histogram, share=share, scale=scale, less=less),
            text=f"{text} The {share}th percentile of all raw values, within 5 %.",
        )
        for share in shares
    ]


def _rate(id: str, part: str, whole: str, text: str) -> Definition:
    return Definition(id=id, unit="share", reading=Rate(part=part, whole=whole), text=text)


def _ratio(id: str, part: str, whole: tuple[str, ...], n: str, text: str) -> Definition:
    return Definition(id=id, unit="share", reading=Ratio(part=part, whole=whole, n=n), text=text)


def _mean(id: str, unit: Unit, total: str, n: str, text: str, *, scale: float = 1.0) -> Definition:
    return Definition(id=id, unit=unit, reading=Mean(total=total, n=n, scale=scale), text=text)


def _count(id: str, unit: Unit, text: str, *, name: str = "", of: str = "calls") -> Definition:
    return Definition(id=id, unit=unit, reading=Count(name=name or id, of=of), text=text)


_RESPONSE = (
    "From the caller's last sound (without the silence by which voice detection proves the end) to the first sample "
    "of the answer that the caller hears. Greetings have none."
)
_PARTS = {
    "endpointing_ms": "the silence that proves the end of the caller's words",
    "transport_in_ms": "from the end of that silence until we are told of it",
    "model_ms": "from then until the first audio of the answer, tools included",
    "playout_ms": "from then until the first packet leaves",
    "transport_out_ms": "from then until it is heard: half the round trip and 40 ms of the receiver's buffer",
}
assert tuple(_PARTS) == LatencyBreakdown.__struct_fields__, "a part of the latency has no definition"

DEFINITIONS: tuple[Definition, ...] = (
    _count("calls", "calls", "Calls that began in the window and are over."),
    _count("no_conversation", "calls", "Of these, shorter than 10 s without a word of the caller's."),
    _count("conversations", "calls", "Calls without those: what every other rate is of."),
    _count("incomplete", "calls", "Calls whose log has gaps: measured with what there is."),
    *_percentiles("call_duration", "duration_ms", (50, 90), "From the offer to the end of the line."),
    _mean(
        "turns_per_call", "per_call", "turns", "conversations",
        "Turns: what the caller said up to the agent's first sound, and the agent's answer. Greetings (turn 0) and "
        "back-channels are none.",
    ),
    _mean("user_turns_per_call", "per_call", "user_turns", "conversations", "The same with those left unanswered."),
    *_percentiles("response_latency", "response_ms", (50, 90, 95), _RESPONSE),
    *_percentiles(
        "response_latency_with_tool", "response_with_tool_ms", (50, 90, 95), f"{_RESPONSE} Answers that used a tool."
    ),
    *_percentiles(
        "response_latency_without_tool", "response_ms", (50, 90, 95), f"{_RESPONSE} Answers that used no tool.",
        less="response_with_tool_ms",
    ),
    *_percentiles(
        "first_packet_latency", "first_packet_ms", (50, 90, 95),
        "From the caller's last sound to the first packet of the answer that leaves us: what the agent can help.",
    ),
    *(
        _mean(
            f"latency_{part.removesuffix('_ms')}", "ms", part, "breakdowns",
            f"The mean part of the response latency that is {text}. The five parts add up to the latency.",
        )
        for part, text in _PARTS.items()
    ),
    _rate(
        "latency_breakdown_off", "breakdowns_off", "breakdowns",
        "Answers whose five parts differ from their latency by more than 20 ms.",
    ),
    _ratio(
        "interruption_rate", "interruptions", ("timed_user_turns",), "timed_user_turns",
        "Interruptions for each turn of the caller's: speech of 500 ms or more with words that begins while the "
        "agent is heard, and is no back-channel (1 s and two words at the most, and the agent kept talking).",
    ),
    *_percentiles(
        "yield_time", "yield_ms", (50, 95), "From the beginning of an interruption until the agent is silent."
    ),
    _rate(
        "not_yielded_rate", "not_yielded", "interruptions", "Interruptions after which the agent spoke on for > 2 s."
    ),
    _rate(
        "false_interruption_rate", "false_interruptions", "stops_judged",
        "Of the times that the agent fell silent for a sound: those where no words of the caller's came within 2 s.",
    ),
    _ratio(
        "agent_interruption_rate", "agent_interruptions", ("timed_user_turns",), "timed_user_turns",
        "Times that the agent began to speak while the caller did, for each turn of the caller's.",
    ),
    _mean("overlap", "ms", "overlap_ms", "timed_conversations", "How long both speak at once, each call."),
    _rate(
        "dead_air_rate", "dead_air_calls", "timed_conversations",
        "Calls with dead air: more than 3 s in which neither speaks while the agent has the call on a good line.",
    ),
    _mean("dead_air_per_call", "ms", "dead_air_ms", "timed_conversations", "Dead air in all, each call."),
    _mean("dead_air_gaps_per_call", "per_call", "dead_air_gaps", "timed_conversations", "Such gaps, each call."),
    *_percentiles("dead_air_gap", "gap_ms", (50, 95), "How long a gap of dead air lasts."),
    _ratio(
        "silence_share", "silence_ms", ("listened_ms",), "timed_conversations",
        "Gaps of more than 5 s, as a share of the time that the agent had the call.",
    ),
    _ratio(
        "talk_ratio", "agent_speech_ms", ("agent_speech_ms", "caller_speech_ms"), "timed_conversations",
        "The agent's share of all speech; what both say at once counts for both.",
    ),
    _ratio(
        "heard_ratio", "heard_chars", ("generated_chars",), "spoken_answers",
        "Letters that the caller heard, of all that the agent generated. n is calls.",
    ),
    _rate(
        "repair_rate", "repairs", "user_turns",
        "Turns in which the caller asked again (what? once more?), or was asked again for a value that was refused.",
    ),
    _rate("slots_filled_rate", "slots_filled", "slots_required", "Required information that was found out."),
    _rate(
        "slots_confirmed_rate", "slots_confirmed", "slots_required",
        "Required pieces that the caller confirmed after their last change, or that the system of record holds.",
    ),
    *(_count(f"goals_{status}", "count", f"Goals that ended as {status}.", of="goal_calls") for status in STATUSES),
    *(_count(f"decided_by_{rung}", "count", f"Goals decided by {rung}.", of="goal_calls") for rung in RUNGS),
    Definition(
        id="goal_completion_rate", unit="share", reading=Rate(part="goals_achieved", whole="goals_decided"),
        text="achieved / (achieved + partial + not_achieved), over all goals of all conversations.",
    ),
    _rate("handoff_rate", "handoff_calls", "conversations", "Calls in which a person was asked for."),
    *(
        _rate(f"handoff_by_{method}_share", f"handoffs_by_{method}", "handoffs", f"Requests made by: {method}.")
        for method in METHODS
    ),
    _rate("handoff_connect_rate", "handoffs_connected", "handoffs", "Requests after which a person had the call."),
    *_percentiles("handoff_wait", "handoff_wait_ms", (50, 95), "From the request until a person has the call."),
    _rate(
        "handoff_abandon_rate", "handoffs_abandoned", "handoffs", "Requests whose caller left before a person came."
    ),
    _rate("handoff_decline_rate", "handoffs_declined", "handoffs_offered", "Offers that an operator did not take."),
    _rate("handoff_return_rate", "handoffs_returned", "handoffs_connected", "Connected calls that came back."),
    _rate(
        "containment_raw", "contained", "conversations",
        "Conversations that ended without a person. Callers who gave up are among them.",
    ),
    _rate(
        "containment_resolved", "resolved", "goal_calls",
        "Conversations of agents with goals that ended without a person, every goal that came up achieved.",
    ),
    _rate("tool_error_rate", "tools_failed", "tools_called", "Tool calls that failed or were refused."),
    *(
        _count(name, "tokens", f"All {name.replace('_', ' ')} that were billed; cached ones are of the input.")
        for name in TOKENS
    ),
    _count("cost", "micro_usd", "What the model cost, millionths of a USD, of calls whose price is known.",
           name="cost_micro_usd", of="priced_calls"),
    _mean("cost_per_call", "micro_usd", "cost_micro_usd", "priced_calls", "The same for each such call."),
    _mean(
        "cost_per_achieved_goal", "micro_usd", "cost_micro_usd", "priced_goals_achieved",
        "The same for each goal that was achieved: failed calls cost, too.",
    ),
    _count("unpriced_calls", "calls", "Calls with a model that the price table does not know."),
    _ratio(
        "packet_loss", "packets_lost", ("packets_received", "packets_lost"), "media_calls",
        "Packets of the callers' that did not come, of all that were sent. n is calls.",
    ),
    *_percentiles("jitter", "jitter_us", (95,), "Unevenness of arrival (RFC 3550, 6.4.1), every 15 s.", scale=1000),
    *_percentiles("round_trip", "rtt_us", (50, 95), "There and back on the callers' lines, every 15 s.", scale=1000),
    _mean("concealed_per_call", "ms", "concealed_ms", "media_calls", "Audio made up for what was lost, each call."),
    _mean(
        "r_factor", "r", "r_factor_tenths", "rated_lines",
        "Estimate of ITU-T G.107 from loss, delay and jitter: above 80 people are content, below 60 nearly nobody.",
        scale=10,
    ),
    _mean("rating", "points", "rating_hundredths", "ratings", "What callers gave, where they were asked.", scale=100),
)  # fmt: skip

BY_ID: Mapping[str, Definition] = {each.id: each for each in DEFINITIONS}


def histograms_of(definition: Definition) -> tuple[str, ...]:
    """Which histograms the figure is read from; the counters are always there."""
    reading = definition.reading
    if not isinstance(reading, Percentile):
        return ()
    return (reading.histogram,) if reading.less is None else (reading.histogram, reading.less)


def figure(definition: Definition, sums: Sums) -> Figure:
    """The figure of these sums."""
    value, n, interval = _read(definition.reading, sums)
    return Figure(
        id=definition.id,
        definition=definition.id,
        unit=definition.unit,
        value=None if value is None else round(value, 4),
        n=n,
        few=n < FEW,
        interval=None
        if interval is None
        else Interval(low=round(interval[0], 4), high=round(interval[1], 4)),
    )


def _read(
    reading: Count | Rate | Ratio | Mean | Percentile, sums: Sums
) -> tuple[float | None, int, tuple[float, float] | None]:
    match reading:
        case Count(name=name, of=of):
            return float(_counter(sums, name)), _counter(sums, of), None
        case Rate(part=part, whole=whole):
            n = _counter(sums, whole)
            cases = min(_counter(sums, part), n)
            return (cases / n if n > 0 else None), n, wilson(cases, n)
        case Ratio(part=part, whole=wholes, n=counted):
            divisor = sum(_counter(sums, name) for name in wholes)
            return (_counter(sums, part) / divisor if divisor > 0 else None), _counter(sums, counted), None
        case Mean(total=total, n=counted, scale=scale):
            n = _counter(sums, counted)
            return (_counter(sums, total) / n / scale if n > 0 else None), n, None
        case Percentile(histogram=name, share=share, scale=scale, less=less):
            counts = list(sums.histograms.get(name, ()))
            if less is not None:
                counts = added(counts, sums.histograms.get(less, ()), -1)
            value = percentile(counts, share)
            return (None if value is None else value / scale), sum(counts), None


def _counter(sums: Sums, name: str) -> int:
    if name == "goals_decided":
        return sum(
            counter(sums.counters, f"goals_{status}") for status in ("achieved", "partial", "not_achieved")
        )
    return counter(sums.counters, name)
