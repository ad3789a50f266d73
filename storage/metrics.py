"""The quality of one call, measured from its event log alone.

`measure` reads the events of a call, in any order and however often each was delivered, and says what came of it.
The definitions are those of metric_definitions.py; what each needs to know of the call, and nothing else, is
gathered first (`CallLog`), then one small calculator a subject makes its figures. What was not measured is None or
counts nowhere: an older log, without times of speech, gives fewer figures and never wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storage import events as e
from storage.call_log import CallLog, read_log
from storage.closing_figures import percentile
from storage.envelope import Envelope
from storage.media_quality import Media, media_of
from storage.prices import PRICES, PriceTable
from storage.repair import asks_again
from storage.speech import Span, broken_into, gaps, joined, overlap_ms, segments, total_ms

# Shorter, and nobody said a word: no conversation to judge.
NO_CONVERSATION_MS = 10_000
# A sound of the caller's that is shorter does not ask for the floor (tau-voice).
INTERRUPTION_MS = 500
BACKCHANNEL_MS, BACKCHANNEL_WORDS = 1_000, 2
# An agent that goes on for longer has not yielded (tau-voice's no-yield window).
YIELD_MS = 2_000
# Words that belong to an interruption come at the latest so long after the agent has stopped.
WORDS_WITHIN_MS = 2_000
DEAD_AIR_MS = 3_000
SILENCE_MS = 5_000  # Google Insights' border
# How far the parts of a latency may be from their sum before the turn counts as wrongly measured.
BREAKDOWN_WITHIN_MS = 20

_LATENCY_PARTS = e.LatencyBreakdown.__struct_fields__
STATUSES = ("achieved", "partial", "not_achieved", "not_applicable", "unknown")


class _Figures(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Answer(_Figures, frozen=True, kw_only=True):
    """One answer of the agent's to the caller."""

    turn: int
    tools: bool  # some were used on the way
    first_packet_ms: int  # the caller's last sound → our first packet
    response_ms: int | None  # the same → what the caller hears; None: the way out was not measured
    breakdown: e.LatencyBreakdown | None


class Latency(_Figures, frozen=True, kw_only=True):
    """Percentiles of this call's answers, nearest rank, as heard; None without any."""

    n: int
    p50_ms: int | None
    p90_ms: int | None
    p95_ms: int | None


class Interruptions(_Figures, frozen=True, kw_only=True):
    """Who spoke while the other did."""

    by_caller: int
    yields_ms: list[int]  # of these, how long until the agent was silent
    not_yielded: int  # of these, how many took longer than 2 s
    by_agent: int
    overlap_ms: int  # of agent and caller, whoever began


class Stops(_Figures, frozen=True, kw_only=True):
    """How often the agent fell silent for a sound."""

    count: int
    judged: int  # of these, those of which it is known when they were
    without_words: int  # of the judged, those that were false: nobody's words came within 2 s


class DeadAir(_Figures, frozen=True, kw_only=True):
    """Nobody spoke, and the agent had the call."""

    gaps_ms: list[int]  # each longer than 3 s
    total_ms: int
    longest_ms: int
    silence_ms: int  # gaps of more than 5 s
    silence_share: float | None
    listened_ms: int  # from the answer to the end of the call, without holds, people and lost lines


class Speech(_Figures, frozen=True, kw_only=True):
    agent_ms: int
    caller_ms: int
    talk_ratio: float | None  # the agent's share; what both say at once counts for both


class Heard(_Figures, frozen=True, kw_only=True):
    generated_chars: int
    heard_chars: int
    ratio: float | None


class Slots(_Figures, frozen=True, kw_only=True):
    required: int | None  # None: the log does not say
    filled: int  # of the required ones; of all where that is not known
    confirmed: int  # of these: by the caller after its last change, or by the system of record


class Goal(_Figures, frozen=True, kw_only=True):
    goal: str
    status: str
    rung: str | None  # what decided


class Handoffs(_Figures, frozen=True, kw_only=True):
    requested: int
    methods: list[str]  # of each request, in order
    connected: int
    waits_ms: list[int]  # of those connected
    abandoned: int
    offered: int
    declined: int
    returned: int  # to the agent, after a person had the call


class Usage(_Figures, frozen=True, kw_only=True):
    responses: int  # of which the provider told the tokens
    input_text_tokens: int
    input_audio_tokens: int
    cached_tokens: int  # of the input
    output_text_tokens: int
    output_audio_tokens: int
    cost_micro_usd: int | None  # None: nothing was told, or of one model at least the price is not known
    price_table: str  # date of the table


class Metrics(_Figures, frozen=True, kw_only=True):
    """Everything that is measured of one call. Nothing in it depends on when or how the events came."""

    complete: bool  # every event from 0 to the last is there, and the call has ended
    agent: str | None
    agent_version: str | None
    started_at: str | None
    duration_ms: int | None  # to the end of the line
    no_conversation: bool
    user_turns: int
    turns: int  # of these, those that were answered
    answers: list[Answer]
    latency: Latency
    interruptions: Interruptions | None  # None: without times of speech
    stops: Stops
    dead_air: DeadAir | None
    speech: Speech | None
    heard: Heard
    repairs: int  # user turns in which the caller asked again, or was asked for the same again
    slots: Slots
    goals: list[Goal]
    handoffs: Handoffs
    human: bool  # a person had the call
    contained: bool | None  # raw: it ended without a person; None: no conversation
    resolved: (
        bool | None
    )  # and what was to be done was done, or rightly not; None: no goals, or no conversation
    tools_called: int
    tools_failed: int
    usage: Usage
    media: Media | None
    outcome: str | None
    rating: float | None


def measure(envelopes: Iterable[Envelope], prices: PriceTable = PRICES) -> Metrics:
    """The figures of the one call that these events are of. No event, in no order, raises."""
    log = read_log(envelopes)
    agent_speech, caller_speech = segments(log.agent_speech), segments(log.caller_speech)
    timed = bool(agent_speech or caller_speech)
    user_turns = sum(turn.speaker == "caller" for turn in log.turns_started)
    answers = _answers(log)
    duration_ms = log.hung_up_ms if log.hung_up_ms is not None else log.duration_ms
    spoke = bool(user_turns or any(said.speaker == "caller" for said in log.said))
    no_conversation = duration_ms is not None and duration_ms < NO_CONVERSATION_MS and not spoke
    goals = _goals(log)
    return Metrics(
        complete=log.complete,
        agent=log.started.agent if log.started else None,
        agent_version=log.started.agent_version if log.started else None,
        started_at=log.started_at,
        duration_ms=duration_ms,
        no_conversation=no_conversation,
        user_turns=user_turns,
        turns=len(answers),
        answers=answers,
        latency=_latency([each.response_ms for each in answers if each.response_ms is not None]),
        interruptions=_interruptions(log, agent_speech, caller_speech) if timed else None,
        stops=_stops(log),
        dead_air=_dead_air(log, [*agent_speech, *caller_speech], duration_ms) if timed else None,
        speech=_speech(agent_speech, caller_speech) if timed else None,
        heard=_heard(log),
        repairs=min(user_turns, _repairs(log)),
        slots=_slots(log, goals),
        goals=goals,
        handoffs=_handoffs(log),
        human=log.human,
        contained=None if no_conversation else not log.human,
        resolved=None if no_conversation or not goals else not log.human and _resolved(goals),
        tools_called=len(log.tools_called),
        tools_failed=sum(not tool.ok for tool in log.tools_finished),
        usage=_usage(log, prices),
        media=media_of(log.quality),
        outcome=log.outcome,
        rating=log.rating,
    )


# Latency.


def _answers(log: CallLog) -> list[Answer]:
    """The caller's turns that were answered. Turn 0, a greeting, has no latency."""
    found = []
    for turn in log.turns_completed:
        latency_ms = turn.response_latency_ms
        if latency_ms is None:
            continue
        parts = turn.latency_breakdown
        found.append(
            Answer(
                turn=turn.turn,
                tools=bool(turn.tools),
                first_packet_ms=latency_ms,
                response_ms=None if parts is None else latency_ms + parts.transport_out_ms,
                breakdown=parts,
            )
        )
    return found


def adds_up(answer: Answer) -> bool:
    """The parts of a latency make the whole, within 20 ms."""
    if answer.breakdown is None or answer.response_ms is None:
        return False
    parts = sum(getattr(answer.breakdown, name) for name in _LATENCY_PARTS)
    return bool(abs(parts - answer.response_ms) <= BREAKDOWN_WITHIN_MS)


def _latency(values: list[int]) -> Latency:
    return Latency(
        n=len(values),
        p50_ms=percentile(values, 50),
        p90_ms=percentile(values, 90),
        p95_ms=percentile(values, 95),
    )


# Who spoke when.


def _interruptions(log: CallLog, agent: Sequence[Span], caller: Sequence[Span]) -> Interruptions:
    yields: list[int] = []
    for span, words in log.caller_segments(caller):
        into = broken_into(span.start, agent)
        if into is None or span.ms < INTERRUPTION_MS:
            continue
        agent_kept_talking = into.end >= span.end
        if span.ms <= BACKCHANNEL_MS and words <= BACKCHANNEL_WORDS and agent_kept_talking:
            continue
        yields.append(into.end - span.start)
    return Interruptions(
        by_caller=len(yields),
        yields_ms=yields,
        not_yielded=sum(ms > YIELD_MS for ms in yields),
        by_agent=sum(broken_into(span.start, caller) is not None for span in agent),
        overlap_ms=overlap_ms(agent, caller),
    )


def _stops(log: CallLog) -> Stops:
    items = log.agent_items
    stopped = [items[item_id] for item_id in log.interrupted if item_id in items]
    windows = [Span(span.start, span.end + WORDS_WITHIN_MS) for span in stopped]
    answered = [
        any(said.start <= window.end and said.end > window.start for said in log.caller_speech)
        for window in windows
    ]
    return Stops(
        count=len(log.interrupted) + log.resumed,
        judged=len(windows) + log.resumed,
        without_words=answered.count(False) + log.resumed,
    )


def _dead_air(log: CallLog, speech: Sequence[Span], duration_ms: int | None) -> DeadAir:
    ended = log.hung_up_ms if log.hung_up_ms is not None else max(span.end for span in speech)
    if duration_ms is not None:
        ended = min(ended, duration_ms)
    window = Span(log.answered_ms, max(ended, log.answered_ms))
    quiet = [gap.ms for gap in gaps([*speech, *log.elsewhere], window)]
    dead = [ms for ms in quiet if ms > DEAD_AIR_MS]
    silence_ms = sum(ms for ms in quiet if ms > SILENCE_MS)
    away = [Span(max(s.start, window.start), min(s.end, window.end)) for s in log.elsewhere]
    listened_ms = window.ms - total_ms(joined(away))
    return DeadAir(
        gaps_ms=dead,
        total_ms=sum(dead),
        longest_ms=max(dead, default=0),
        silence_ms=silence_ms,
        silence_share=_share(silence_ms, listened_ms),
        listened_ms=listened_ms,
    )


def _speech(agent: Sequence[Span], caller: Sequence[Span]) -> Speech:
    agent_ms, caller_ms = total_ms(agent), total_ms(caller)
    return Speech(agent_ms=agent_ms, caller_ms=caller_ms, talk_ratio=_share(agent_ms, agent_ms + caller_ms))


# What was said.


def _heard(log: CallLog) -> Heard:
    lines = [said for said in log.said if said.speaker == "agent"]
    generated, heard = sum(len(line.text) for line in lines), sum(len(line.heard_text) for line in lines)
    return Heard(generated_chars=generated, heard_chars=heard, ratio=_share(heard, generated))


def _repairs(log: CallLog) -> int:
    asked = sum(said.speaker == "caller" and asks_again(said.text) for said in log.said)
    # A value that was refused has to be asked for again.
    refused = {
        tool.call_item_id for tool in log.tools_finished if not tool.ok and tool.name == "record_information"
    }
    return asked + len(refused)


# What came of it.


def _slots(log: CallLog, goals: Sequence[Goal]) -> Slots:
    by_record = {each.goal for each in goals if each.status == "achieved" and each.rung == "system_of_record"}
    filled = {key: confirmed or key[0] in by_record for key, confirmed in log.slots.items()}
    required = log.required_slots
    if required is not None:
        filled = {key: confirmed for key, confirmed in filled.items() if key in required}
    return Slots(
        required=None if required is None else len(required),
        filled=len(filled),
        confirmed=sum(filled.values()),
    )


def _goals(log: CallLog) -> list[Goal]:
    return [
        Goal(goal=goal, status=status if status in STATUSES else "unknown", rung=rung)
        for goal, (status, rung) in sorted(log.goals.items())
    ]


def _resolved(goals: Sequence[Goal]) -> bool:
    """Everything that came up was achieved; what did not apply was rightly left."""
    applicable = [each.status for each in goals if each.status != "not_applicable"]
    return all(status == "achieved" for status in applicable)


def _handoffs(log: CallLog) -> Handoffs:
    each = list(log.handoffs.values())
    return Handoffs(
        requested=len(each),
        methods=[handoff.method for handoff in each],
        connected=sum(handoff.connected_ms is not None for handoff in each),
        waits_ms=[handoff.wait_ms for handoff in each if handoff.wait_ms is not None],
        abandoned=sum(log.abandoned(handoff) for handoff in each),
        offered=sum(handoff.offered for handoff in each),
        declined=sum(handoff.declined for handoff in each),
        returned=sum(handoff.returned for handoff in each),
    )


def _usage(log: CallLog, prices: PriceTable) -> Usage:
    used = [usage for usage, _ in log.usage]
    costs = [prices.cost(usage, day) for usage, day in log.usage]
    known = [cost for cost in costs if cost is not None]
    return Usage(
        responses=len(used),
        input_text_tokens=sum(usage.input_text_tokens for usage in used),
        input_audio_tokens=sum(usage.input_audio_tokens for usage in used),
        cached_tokens=sum(usage.cached_tokens for usage in used),
        output_text_tokens=sum(usage.output_text_tokens for usage in used),
        output_audio_tokens=sum(usage.output_audio_tokens for usage in used),
        cost_micro_usd=round(sum(known)) if costs and len(known) == len(costs) else None,
        price_table=prices.date,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole > 0 else None


def as_json(metrics: Metrics) -> dict[str, Any]:
    """As plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(metrics)
    return plain
