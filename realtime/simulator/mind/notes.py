"""What is written when a response out of band asks for JSON: facts that the caller stated, or a summary.

Recognised by the order's own words, as a model would: nothing of one application is known here.
"""

import datetime
import json
import re
from typing import Any

from realtime.simulator.mind.instructions import goal_slots, stems
from realtime.simulator.mind.intents import wants_a_person
from realtime.simulator.mind.memory import remember
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.tools import Task, Toolbox
from realtime.simulator.persona import Prompt

_TOOLS = re.compile(r"^Tools that succeeded: (.*?)\.?$", re.MULTILINE)
_LISTED = re.compile(r"^- (\w+): (.*)$", re.MULTILINE)
_PERSON = re.compile(
    r"\bperson\b|\bhuman\b|\boperator\b|\bcolleague\b|hand(?:ed)?[_ -]?(?:over|off)", re.IGNORECASE
)
_ANSWER = re.compile(r"\banswer|\bquestion|\binformation", re.IGNORECASE)
_BESIDE = re.compile(r"^(?:record|confirm|get|find|look_?up|end|request)_")


def written(prompt: Prompt, order: str, day: datetime.date) -> str | None:
    """The JSON that the order asks for; None where it asks for none."""
    if not prompt.out_of_band or "json" not in order.casefold():
        return None
    document = _summary(prompt, order, day) if '"summary"' in order else _stated(prompt, order, day)
    return json.dumps(document, ensure_ascii=False)


def _stated(prompt: Prompt, order: str, day: datetime.date) -> dict[str, Any]:
    slots = goal_slots(order)
    # A task from the beginning: a short answer is an answer to the question before it.
    tools = Toolbox(tasks=(Task(tool=None, slots=slots),))
    memory = remember(prompt.lines, tools, order, day)
    return {slot.name: memory.values[slot.name] for slot in slots if slot.name in memory.values}


def _summary(prompt: Prompt, order: str, day: datetime.date) -> dict[str, Any]:
    found = _TOOLS.search(order)
    done = [name for name in (found[1].split(", ") if found else []) if name != "none"]
    outcomes = _listed(order, '"outcome"')
    goals = _listed(order, '"goals"')
    caller = [line.text for line in prompt.lines if line.kind == "user" and line.text]
    said = f'The caller said: "{caller[0]}"' if caller else "The caller said nothing."
    acted = f" Done: {', '.join(name.replace('_', ' ') for name in done)}." if done else ""
    return {
        "summary": said + acted,
        "outcome": _outcome(outcomes, done, prompt),
        "goals": {goal: _status(text, done, order) for goal, text in goals.items()},
    }


def _listed(order: str, key: str) -> dict[str, str]:
    """The `- id: description` lines that follow the line which explains `key`."""
    _, _, after = order.partition(f"\n{key}")
    block = re.match(r"[^\n]*\n((?:- [^\n]*(?:\n|$))*)", after)
    return dict(_LISTED.findall(block[1])) if block else {}


def _outcome(outcomes: dict[str, str], done: list[str], prompt: Prompt) -> str | None:
    acts = stems(" ".join(name.replace("_", " ") for name in done if not _BESIDE.search(name)))
    if acts:
        best = max(outcomes, key=lambda name: len(acts & stems(outcomes[name])), default=None)
        if best is not None and acts & stems(outcomes[best]):
            return best
    person = any(line.kind == "user" and wants_a_person(plain(line.text)) for line in prompt.lines)
    wanted = _PERSON if person else _ANSWER
    return next((name for name, text in outcomes.items() if wanted.search(f"{name} {text}")), None)


def _status(description: str, done: list[str], order: str) -> str:
    if stems(description) & stems(" ".join(name.replace("_", " ") for name in done)):
        return "achieved"
    return "partial" if "Already known:" in order else "not_applicable"
