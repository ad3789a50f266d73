"""What a call has found out for its goals, and how each goal ended.

Inputs fill, correct and confirm; after each, take `events()`. Every change of a value or of its confirmation is
an event, so the record can always be folded to what stands here. A goal is decided by the strongest evidence
there is, and the rung that decided goes on record; the last `goal.completed` of a goal holds:

    system_of_record   the tool that does it succeeded, with values that match the slots
    confirmed_slots    every required slot is valid, and confirmed after its last change (or only some: partial)
    facts_heard        every required slot is confirmed, or was heard by the caller after its last change
    model_judge        labels a goal that left no evidence; of the others it may only veto facts_heard
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from realtime import facts_heard
from realtime.agent import Agent, Goal, Slot
from realtime.slots import Problem, Value, normalise
from storage.events import Event, GoalCompleted, SlotConfirmed, SlotCorrected, SlotFilled

Status = Literal["achieved", "partial", "not_achieved", "not_applicable", "unknown"]
STATUSES: frozenset[str] = frozenset(get_args(Status))
# Their arguments speak of the call and not of what the caller wants; the first two have rules of their own.
_NOT_ABOUT_SLOTS = frozenset(
    {"record_information", "confirm_information", "request_operator_handoff", "end_call"}
)

Key = tuple[str, str]  # goal, slot


@dataclass(slots=True)
class _Fact:
    value: Value
    confirmed: bool = False
    heard: bool = False  # the caller has heard it since its last change


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A slot without a value."""

    goal: Goal
    slot: Slot


@dataclass(slots=True)
class _Deed:
    """The last run of a tool that does a goal."""

    values: dict[str, Value] = field(
        default_factory=dict
    )  # that it was done with; empty: it has not succeeded
    read_back: bool = True  # what it returned names the same values
    contradicted: set[str] = field(default_factory=set)  # slots that had been confirmed with another value


class GoalProgress:
    """One call's. `at` is the wall clock's time, aware: "tomorrow" is counted from it in the agent's zone."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._zone = ZoneInfo(agent.timezone)
        self._slots: dict[Key, Slot] = {
            (goal.id, slot.name): slot for goal in agent.goals for slot in goal.slots
        }
        self._facts: dict[Key, _Fact] = {}
        self._deeds: dict[str, _Deed] = {}
        self._doers = {goal.id: doers(goal, agent.tools) for goal in agent.goals}
        self._completed: dict[str, GoalCompleted] = {}
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """What has changed since the last time; empties the list."""
        taken, self._events = self._events, []
        return taken

    # What is known.

    @property
    def known(self) -> dict[str, Value]:
        """By the slot's name; where two goals share a name and not the value, the first goal's."""
        known: dict[str, Value] = {}
        for key in self._slots:
            if key in self._facts:
                known.setdefault(key[1], self._facts[key].value)
        return known

    @property
    def missing(self) -> list[str]:
        """Names of required slots without a value, of goals that are not achieved, in the document's order."""
        return list(dict.fromkeys(each.slot.name for each in self.open_slots() if each.slot.required))

    @property
    def unconfirmed(self) -> list[str]:
        """Names of filled slots whose document asks for the caller's confirmation, and which have none."""
        keys = [key for key, slot in self._slots.items() if slot.confirm and key in self._facts]
        return list(dict.fromkeys(slot for goal, slot in keys if not self._facts[goal, slot].confirmed))

    @property
    def confirmed(self) -> list[str]:
        return list(
            dict.fromkeys(key[1] for key in self._slots if key in self._facts and self._facts[key].confirmed)
        )

    @property
    def names(self) -> list[str]:
        """Every slot's name, once."""
        return list(dict.fromkeys(slot for _, slot in self._slots))

    def open_slots(self) -> list[Open]:
        """Slots without a value, optional ones too, of goals that are not achieved."""
        return [
            Open(goal=goal, slot=slot)
            for goal in self._agent.goals
            if not self._achieved(goal.id)
            for slot in goal.slots
            if (goal.id, slot.name) not in self._facts
        ]

    # What happens.

    def record(self, name: str, given: Any, *, at: datetime) -> Problem | None:
        """The model says that the caller said it. Fills every goal's slot of that name, or corrects it."""
        keys = self._named(name)
        if not keys:
            return Problem(message=f"There is no slot {name!r}. The slots are: {', '.join(self.names)}.")
        problem: Problem | None = None
        for key in keys:
            value = self._normalised(key, given, at)
            if isinstance(value, Problem):
                problem = problem or value
            else:
                self._set(key, value)
        self._judge_deeds()
        return problem

    def suggest(self, name: str, given: Any, *, at: datetime) -> bool:
        """Somebody who only listened believes it: fills what is empty, changes nothing. Whether it did."""
        filled = False
        for key in self._named(name):
            value = self._normalised(key, given, at) if key not in self._facts else None
            if value is not None and not isinstance(value, Problem):
                self._set(key, value)
                filled = True
        return filled

    def confirm(self, names: Sequence[str]) -> list[str]:
        """The caller agreed to these values as they stand; returns the names that have no value to agree to."""
        empty: list[str] = []
        for name in names:
            keys = [key for key in self._named(name) if key in self._facts]
            if not keys:
                empty.append(name)
            for key in keys:
                fact = self._facts[key]
                if not fact.confirmed:
                    fact.confirmed = True
                    self._events.append(SlotConfirmed(goal=key[0], slot=key[1], value=fact.value))
        self._judge_deeds()
        return empty

    def heard(self, text: str) -> None:
        """The caller has heard these words of the agent's."""
        for key, fact in self._facts.items():
            if not fact.heard:
                fact.heard = facts_heard.names(text, self._slots[key].type, fact.value)

    def tool_succeeded(self, name: str, arguments: Mapping[str, Any], output: Any, *, at: datetime) -> None:
        """Arguments that are named like slots are their values; a tool that does a goal may achieve it."""
        if name in _NOT_ABOUT_SLOTS:
            return
        returned = output if isinstance(output, dict) else {}
        for goal in self._agent.goals:
            deed = _Deed()
            for slot in goal.slots:
                key = (goal.id, slot.name)
                value = self._normalised(key, arguments[slot.name], at) if slot.name in arguments else None
                if value is None or isinstance(value, Problem):
                    continue
                deed.values[slot.name] = value
                if slot.name in returned and self._normalised(key, returned[slot.name], at) != value:
                    deed.read_back = False
                fact = self._facts.get(key)
                if fact is not None and fact.confirmed and fact.value != value:
                    deed.contradicted.add(slot.name)
                self._set(key, value)
            if name in self._doers[goal.id]:
                self._deeds[goal.id] = deed
        self._judge_deeds()

    def tool_failed(self, name: str) -> None:
        for goal_id, names in self._doers.items():
            if name in names:
                self._deeds.setdefault(goal_id, _Deed(read_back=False))

    def finish(self, judged: Mapping[str, str]) -> None:
        """The call is over: every goal is decided. `judged`: what a model made of the heard transcript."""
        for goal in self._agent.goals:
            label = judged.get(goal.id)
            self._complete(goal.id, *self._verdict(goal, label if label in STATUSES else None))

    # The ladder.

    def _verdict(self, goal: Goal, label: str | None) -> tuple[str, str | None]:
        required = [(goal.id, slot.name) for slot in goal.slots if slot.required]
        facts = [self._facts[key] for key in required if key in self._facts]
        complete = len(facts) == len(required)
        any_known = any((goal.id, slot.name) in self._facts for slot in goal.slots)
        if self._done(goal):
            return "achieved", "system_of_record"
        if goal.id in self._deeds:
            return ("partial" if any_known else "not_achieved"), "system_of_record"
        if required and complete and not self._doers[goal.id]:
            if all(fact.confirmed for fact in facts):
                return "achieved", "confirmed_slots"
            if all(fact.confirmed or fact.heard for fact in facts):
                vetoed = label is not None and label not in ("achieved", "unknown")
                return (label or "", "model_judge") if vetoed else ("achieved", "facts_heard")
        if any_known:
            return "partial", "confirmed_slots"
        if not required and not self._doers[goal.id]:
            return label or "unknown", "model_judge" if label is not None else None
        if label in ("not_applicable", "not_achieved"):
            return label, "model_judge"
        return "unknown", None

    def _done(self, goal: Goal) -> bool:
        deed = self._deeds.get(goal.id)
        if deed is None or not deed.read_back:
            return False
        if any(slot.required and (goal.id, slot.name) not in self._facts for slot in goal.slots):
            return False
        return all(
            self._facts[goal.id, name].value == value
            and (name not in deed.contradicted or self._facts[goal.id, name].confirmed)
            for name, value in deed.values.items()
        )

    def _judge_deeds(self) -> None:
        for goal in self._agent.goals:
            if goal.id in self._deeds and self._done(goal):
                self._complete(goal.id, "achieved", "system_of_record")

    def _complete(self, goal_id: str, status: str, rung: str | None) -> None:
        completed = GoalCompleted(goal=goal_id, status=status, rung=rung)
        if self._completed.get(goal_id) != completed:
            self._completed[goal_id] = completed
            self._events.append(completed)

    def _achieved(self, goal_id: str) -> bool:
        completed = self._completed.get(goal_id)
        return completed is not None and completed.status == "achieved"

    # Small things.

    def _named(self, name: str) -> list[Key]:
        wanted = re.sub(r"[\s-]+", "_", name.strip().casefold())
        return [key for key in self._slots if wanted in (key[1], ".".join(key))]

    def _normalised(self, key: Key, given: Any, at: datetime) -> Value | Problem:
        return normalise(self._slots[key], given, now=at.astimezone(self._zone), region=self._agent.region)

    def _set(self, key: Key, value: Value) -> None:
        goal, slot = key
        fact = self._facts.get(key)
        if fact is None:
            self._events.append(SlotFilled(goal=goal, slot=slot, value=value, confirmed=False))
        elif fact.value == value:
            return
        else:
            self._events.append(SlotCorrected(goal=goal, slot=slot, value=value, previous=fact.value))
        self._facts[key] = _Fact(value)


def doers(goal: Goal, tools: Sequence[str]) -> frozenset[str]:
    """The tools of the agent's that `on_complete` names: they are the goal's system of record."""
    words = frozenset(re.findall(r"\w+", goal.on_complete or ""))
    return frozenset(tools) & words - _NOT_ABOUT_SLOTS


def progress_lines(progress: GoalProgress) -> list[str]:
    """What the instructions of a call say of its progress; nothing while nothing is known."""
    if not progress.known:
        return []  # the goals' own section says what is to be found out
    lines = [f"Already known: {name} is {_spoken(value)}." for name, value in progress.known.items()]
    if progress.confirmed:
        lines.append(f"The caller has confirmed: {', '.join(progress.confirmed)}.")
    if progress.missing:
        lines.append(f"Still missing: {', '.join(progress.missing)}.")
    return lines


def _spoken(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
