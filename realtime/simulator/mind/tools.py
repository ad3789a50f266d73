"""The offered functions, sorted by what they are for, and calls to them.

A function is recognised by its name and its parameters, never by a list of one application's tools.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.simulator.mind.instructions import goal_slots, stems
from realtime.simulator.mind.slots import Slot, slots_of
from realtime.simulator.script import FunctionCall

_HANDOFF = re.compile(r"hand_?off|hand_?over|operator|transfer|human", re.IGNORECASE)
_END = re.compile(r"^(end|finish|terminate)_|hang_?up", re.IGNORECASE)
_LOOKUP = re.compile(r"^(get|find|look_?up|fetch|search|check)_", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One offered function."""

    name: str
    slots: tuple[Slot, ...]
    stems: frozenset[str]  # of its name and description
    description: str = ""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to be collected: for a function, or (`tool` is None) only to be recorded."""

    tool: Tool | None
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What may be called for what.  None: nothing offered does that."""

    handoff: Tool | None = None
    end: Tool | None = None
    lookup: Tool | None = None
    record: Tool | None = None
    confirm: Tool | None = None
    tasks: tuple[Task, ...] = ()

    @property
    def all_slots(self) -> tuple[Slot, ...]:
        """Every slot of every task, each name once."""
        return tuple({slot.name: slot for task in reversed(self.tasks) for slot in task.slots}.values())

    def task_for(self, words: str) -> Task | None:
        """The task whose description shares most with the words; the first one when none does."""
        if not self.tasks:
            return None
        asked = stems(words)
        return max(self.tasks, key=lambda task: len(asked & task.tool.stems) if task.tool else 0)


def toolbox(offered: Sequence[Mapping[str, Any]], choice: Any, instructions: str) -> Toolbox:
    """Sort what is offered.  `choice` "none" offers nothing."""
    if choice == "none":
        offered = ()
    roles: dict[str, Tool] = {}
    tasks: list[Task] = []
    for wire in offered:
        if wire.get("type") != "function":
            continue
        tool = _tool(wire)
        role = _role(tool)
        if role == "task":
            tasks.append(Task(tool=tool, slots=tool.slots))
        else:
            roles.setdefault(role, tool)
    if not tasks and "record" in roles:
        collected = goal_slots(instructions) or _enumerated(roles["record"])
        if collected:
            tasks.append(Task(tool=None, slots=collected))
    return Toolbox(
        handoff=roles.get("handoff"),
        end=roles.get("end"),
        lookup=roles.get("lookup"),
        record=roles.get("record"),
        confirm=roles.get("confirm"),
        tasks=tuple(tasks),
    )


def _tool(wire: Mapping[str, Any]) -> Tool:
    parameters = wire.get("parameters") or {}
    description = str(wire.get("description", ""))
    return Tool(
        name=wire["name"],
        slots=slots_of(parameters),
        stems=stems(wire["name"].replace("_", " ") + " " + description),
        description=description,
        parameters=parameters,
    )


def _role(tool: Tool) -> str:
    if tool.name == "record_information":
        return "record"
    if tool.name == "confirm_information":
        return "confirm"
    if _HANDOFF.search(tool.name):
        return "handoff"
    if _END.search(tool.name):
        return "end"
    if _LOOKUP.search(tool.name) and any(slot.kind == "phone" for slot in tool.slots):
        return "lookup"
    return "task"


def _enumerated(record: Tool) -> tuple[Slot, ...]:
    names = next((slot.choices for slot in record.slots if slot.choices), ())
    wire = {"properties": {name: {"type": "string"} for name in names}, "required": list(names)}
    return slots_of(wire)


def call(tool: Tool, values: Mapping[str, Any]) -> FunctionCall:
    """A call with the values that are known; a required one that is not known is left empty."""
    arguments = {slot.name: values.get(slot.name, _empty(slot)) for slot in tool.slots if slot.required}
    arguments |= {slot.name: values[slot.name] for slot in tool.slots if slot.name in values}
    return FunctionCall(tool.name, arguments)


def _empty(slot: Slot) -> Any:
    if slot.choices:
        return slot.choices[0]
    return {"integer": 0, "boolean": False}.get(slot.kind, "")


def record_call(record: Tool, slot: str, value: Any) -> FunctionCall:
    """`record_information(slot, value)`."""
    return FunctionCall(record.name, {"slot": slot, "value": str(value)})


def confirm_call(confirm: Tool, values: Mapping[str, Any]) -> FunctionCall:
    """`confirm_information(slots)`, in the form its schema asks for."""
    parameter = next(iter(confirm.parameters.get("properties", {"slots": {}})), "slots")
    kind = confirm.parameters.get("properties", {}).get(parameter, {}).get("type")
    given: Any = ", ".join(values) if kind == "string" else dict(values) if kind == "object" else list(values)
    return FunctionCall(confirm.name, {parameter: given})


def read_output(output: str) -> Any:
    """A function's output as JSON value, or the text itself."""
    try:
        return json.loads(output)
    except ValueError:
        return output


def failure(output: Any) -> str | None:
    """What went wrong according to an output, None when it went well."""
    if isinstance(output, str):
        return output if re.match(r"\W*(error|failed|sorry)\b", output, re.IGNORECASE) else None
    if not isinstance(output, dict):
        return None
    flags = ("ok", "success", "booked", "found", "available")
    if output.get("error") or any(output.get(flag) is False for flag in flags):
        for key in ("message", "error", "reason"):
            text = output.get(key)
            if isinstance(text, dict):
                text = text.get("message")
            if isinstance(text, str) and text:
                return text
        return "That did not work."
    return None
