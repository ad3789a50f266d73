"""What a conversation has established so far, read from its items in order.

The questions asked are not read from the assistant's words (a truncated item has none) but follow from the
rules: whatever is due is what was asked.
"""

import datetime
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.simulator.mind import intents
from realtime.simulator.mind.instructions import Fact, best_facts, facts, known_values, wants_confirmation
from realtime.simulator.mind.plain_text import plain
from realtime.simulator.mind.slots import Slot, extract
from realtime.simulator.mind.tools import Task, Toolbox, failure, read_output
from realtime.simulator.persona import Line

# What can be due besides the name of a slot.
CONFIRM, CHANGE, PHONE, MORE = "(confirm)", "(change)", "(phone)", "(more)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The caller's last words and what they mean."""

    words: str
    asked: str | None  # what was due when they were said
    found: dict[str, Any]  # values that are new or different
    answers: tuple[Fact, ...] = ()  # facts that answer a question in it
    wants_a_person: bool = False
    says_goodbye: bool = False
    wants_record: bool = False
    agrees: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A function's output that nobody has spoken about yet."""

    name: str
    arguments: dict[str, Any]
    output: Any
    problem: str | None


@dataclass(slots=True, kw_only=True)
class Memory:
    """The state that replaying the items leads to."""

    tools: Toolbox
    instructions: str
    today: datetime.date
    values: dict[str, Any] = field(default_factory=dict)
    task: Task | None = None
    confirmed: bool = False
    refused: bool = False
    wants_phone: bool = False
    phone: str | None = None
    looked_up: set[str] = field(default_factory=set)
    customer: dict[str, Any] | None = None
    recorded: dict[str, str] = field(default_factory=dict)
    done: int = 0  # tasks carried out
    turn: Turn | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    has_spoken: bool = False
    has_called: set[str] = field(default_factory=set)

    @property
    def missing(self) -> Slot | None:
        """The first required slot of the task without a value."""
        if self.task is None:
            return None
        return next(
            (slot for slot in self.task.slots if slot.required and slot.name not in self.values), None
        )

    @property
    def must_confirm(self) -> bool:
        """Whether the caller has to agree before the task is carried out."""
        if self.task is None:
            return False
        return wants_confirmation(self.instructions) or bool(
            self.tools.confirm or (self.task.tool and wants_confirmation(self.task.tool.description))
        )

    @property
    def due(self) -> str | None:
        """The question that stands."""
        if self.wants_phone:
            return PHONE
        if self.task is not None:
            missing = self.missing
            if missing is not None:
                return missing.name
            return CHANGE if self.refused else CONFIRM
        return MORE if self.done else None

    @property
    def collected(self) -> dict[str, Any]:
        """The task's values, in the order of its slots."""
        if self.task is None:
            return {}
        return {slot.name: self.values[slot.name] for slot in self.task.slots if slot.name in self.values}


def remember(lines: Sequence[Line], tools: Toolbox, instructions: str, today: datetime.date) -> Memory:
    """Read a conversation from its beginning."""
    memory = Memory(tools=tools, instructions=instructions, today=today)
    memory.values.update(known_values(instructions))
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    for line in lines:
        match line.kind:
            case "user":
                memory.outcomes.clear()
                _hear(memory, line.text)
            case "assistant":
                memory.has_spoken = True
                memory.outcomes.clear()
                memory.turn = None
            case "system":
                memory.values.update(known_values(line.text))
            case "function_call":
                arguments = _arguments(line.arguments)
                calls[line.call_id] = (line.name, arguments)
                memory.has_called.add(line.name)
                if memory.tools.record is not None and line.name == memory.tools.record.name:
                    memory.recorded[str(arguments.get("slot"))] = str(arguments.get("value"))
            case "function_call_output":
                name, arguments = calls.get(line.call_id, ("", {}))
                _learn(memory, name, arguments, read_output(line.output))
    return memory


def _hear(memory: Memory, words: str) -> None:
    text = plain(words)
    asked = memory.due
    wants_record = memory.tools.lookup is not None and intents.asks_for_own_record(text)
    books = intents.wants_to_book(text) and not wants_record
    answers, told = _questions(words, memory, aside=wants_record)
    found = extract(told, memory.tools.all_slots, asked, memory.today)
    kinds = {slot.name: slot.kind for slot in memory.tools.all_slots}
    phone = extract(words, (Slot(name="phone", kind="phone", required=True),), None, memory.today).get(
        "phone"
    )
    if phone is not None:
        memory.phone, memory.wants_phone = phone, False
    dated = any(kinds[name] in ("date", "time", "datetime") for name in found)
    if memory.task is None and (books or (dated and not wants_record)):
        memory.task = memory.tools.task_for(words)
    new = {name: value for name, value in found.items() if memory.values.get(name) != value}
    memory.values.update(new)
    agrees = asked == CONFIRM and not new and intents.says_yes(text)
    if new:
        memory.confirmed = memory.refused = False
    elif agrees:
        memory.confirmed = True
    elif asked == CONFIRM and intents.says_no(text):
        memory.refused = True
    nothing_more = intents.wants_nothing_more(text) and (asked in (MORE, None) and memory.task is None)
    if wants_record and phone is None:
        memory.wants_phone = memory.phone is None
    memory.turn = Turn(
        words=words,
        asked=asked,
        found=new,
        answers=answers,
        wants_a_person=intents.wants_a_person(text),
        says_goodbye=intents.says_goodbye(text) or nothing_more,
        wants_record=wants_record,
        agrees=agrees,
    )


def _questions(words: str, memory: Memory, *, aside: bool) -> tuple[tuple[Fact, ...], str]:
    """The facts that answer questions in the words, and the words without those questions.

    "Are you open on Saturday?" is not an answer to "Which day would suit you?".
    """
    if aside:
        return (), words
    known = facts(memory.instructions)
    answers: list[Fact] = []
    told: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", words):
        text = plain(sentence)
        is_question = intents.asks_a_question(text) and not intents.wants_to_book(text)
        found = best_facts(sentence, known) if is_question else []
        answers += [fact for fact in found if fact not in answers]
        if not found:
            told.append(sentence)
    return tuple(answers), " ".join(told)


def _learn(memory: Memory, name: str, arguments: dict[str, Any], output: Any) -> None:
    problem = failure(output)
    memory.outcomes.append(Outcome(name=name, arguments=arguments, output=output, problem=problem))
    lookup = memory.tools.lookup
    if lookup is not None and name == lookup.name:
        if memory.phone is not None:
            memory.looked_up.add(memory.phone)
        memory.wants_phone = problem is not None
        if problem is None and isinstance(output, dict):
            memory.customer = output
            _use_customer_name(memory, output)
        elif problem is not None:
            memory.phone = None
        return
    task = next((one for one in memory.tools.tasks if one.tool is not None and one.tool.name == name), None)
    confirms = memory.tools.confirm
    if task is None and confirms is not None and name == confirms.name and memory.task is not None:
        task = memory.task if memory.task.tool is None else None
    if task is None:
        return
    memory.confirmed = memory.refused = False
    # Who is calling stays known; when and what is asked for again.
    if problem is None:
        memory.done += 1
        memory.task = None
        forget = [slot for slot in task.slots if slot.kind not in ("name", "phone", "email")]
    else:
        memory.task = task
        forget = [slot for slot in task.slots if slot.kind in ("time", "datetime")] or list(task.slots[-1:])
    for slot in forget:
        memory.values.pop(slot.name, None)


def _use_customer_name(memory: Memory, customer: dict[str, Any]) -> None:
    name = customer_name(customer)
    slot = next((one for one in memory.tools.all_slots if one.kind == "name"), None)
    if name is not None and slot is not None:
        memory.values.setdefault(slot.name, name)


def customer_name(customer: dict[str, Any]) -> str | None:
    """The name in a customer's record, also one level down."""
    for value in (customer, *(value for value in customer.values() if isinstance(value, dict))):
        for key in ("name", "full_name", "customer_name"):
            if isinstance(value.get(key), str) and value[key]:
                return str(value[key])
    return None


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except ValueError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
