"""The parts of a conversation, joined: who may use whom, from the bottom up.

Each part is given what it may use and nothing else; none knows a part that comes after it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from realtime.agent import Agent
from realtime.agent_speech import AgentSpeech
from realtime.caller_words import CallerWords
from realtime.continuity import Continuity, Rotation, SessionSpan
from realtime.ending import Ending
from realtime.false_interruptions import FalseInterruptions
from realtime.function_calls import FunctionCalls
from realtime.goals import GoalProgress, progress_lines
from realtime.human_stretch import HumanStretch
from realtime.idle_caller import IdleCaller
from realtime.interruptions import Interruptions
from realtime.longest_duration import LongestDuration
from realtime.never_silent import NeverSilent
from realtime.note_taker import NoteTaker
from realtime.outgoing import Outgoing
from realtime.phase import SETUP_S, Standing
from realtime.session_life import SessionLife
from realtime.session_seed import SessionSeed
from realtime.speaking_times import SpeakingTimes
from realtime.spoken_record import SpokenRecord
from realtime.tool_spec import ToolSpec
from realtime.tool_use import ToolUse
from realtime.watchdog import Watchdog
from realtime.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One conversation's."""

    out: Outgoing
    standing: Standing
    record: SpokenRecord
    wishes: Wishes
    words: CallerWords
    ending: Ending
    interruptions: Interruptions
    tools: ToolUse
    speech: AgentSpeech
    sessions: SessionLife
    silence: NeverSilent
    stretch: HumanStretch


def joined(
    agent: Agent,
    goals: GoalProgress,
    *,
    model: str,
    instructions_text: str,
    tools: Sequence[ToolSpec],
    origin: tuple[float, datetime],
    span: SessionSpan,
) -> Parts:
    """`origin`: the same instant on the monotonic and the wall clock."""
    started, wall_started = origin

    def render() -> str:
        # What is known by now stands at the end, so that whatever caches prefixes keeps the rest.
        return "\n".join([instructions_text, *progress_lines(goals)])

    def wall(at: float) -> datetime:
        return wall_started.astimezone(UTC) + timedelta(seconds=at - started)

    out = Outgoing()
    standing = Standing()
    notes = NoteTaker(agent, goals, model=model, render=render, wall=wall)
    times = SpeakingTimes(zero=started)
    record = SpokenRecord(out=out, standing=standing, notes=notes, wall=wall, times=times)
    wishes = Wishes(agent=agent, out=out, standing=standing, calls=FunctionCalls(), render=render)
    idle = IdleCaller(agent.limits.idle_prompt_s, agent.limits.idle_hangup_s)
    words = CallerWords(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        responses=wishes.responses,
        seed=SessionSeed(record.history),
        idle=idle,
        sounds=FalseInterruptions(agent),
        started=started,
    )
    watchdog = Watchdog()
    ending = Ending(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        words=words,
        wishes=wishes,
        watchdog=watchdog,
    )
    interruptions = Interruptions(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        words=words,
        wishes=wishes,
        ending=ending,
    )
    tool_use = ToolUse(
        out=out,
        standing=standing,
        record=record,
        wishes=wishes,
        ending=ending,
        tools={tool.name: tool for tool in tools},
    )
    continuity = Continuity([model, *(name for name in agent.fallback if name != model)])
    speech = AgentSpeech(
        out=out,
        standing=standing,
        record=record,
        wishes=wishes,
        tools=tool_use,
        ending=ending,
        continuity=continuity,
    )
    sessions = SessionLife(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        words=words,
        wishes=wishes,
        ending=ending,
        continuity=continuity,
        rotation=Rotation(span),
        tools=tuple(tools),
        started=started,
        setup_by=started + SETUP_S,
        wall=wall,
    )
    silence = NeverSilent(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        wishes=wishes,
        ending=ending,
        sessions=sessions,
        watchdog=watchdog,
        idle=idle,
        duration=LongestDuration.counted(started, agent.limits.max_duration_s),
    )
    stretch = HumanStretch(
        agent=agent,
        out=out,
        standing=standing,
        record=record,
        words=words,
        wishes=wishes,
        ending=ending,
        sessions=sessions,
    )
    return Parts(
        out=out,
        standing=standing,
        record=record,
        wishes=wishes,
        words=words,
        ending=ending,
        interruptions=interruptions,
        tools=tool_use,
        speech=speech,
        sessions=sessions,
        silence=silence,
        stretch=stretch,
    )
