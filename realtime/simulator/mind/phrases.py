"""The receptionist's wording."""

import re
from collections.abc import Mapping
from typing import Any

from realtime.simulator.mind.aloud import aloud, date_aloud, digits_aloud, time_aloud
from realtime.simulator.mind.memory import CHANGE, CONFIRM, MORE, PHONE, Memory, customer_name
from realtime.simulator.mind.slots import Slot
from realtime.simulator.mind.tools import Task, Toolbox

GREETING = "Hello, how can I help you?"
GOODBYE = "Thank you for calling. Goodbye!"
ANYTHING_ELSE = "Is there anything else I can do for you?"
BACK = "Thank you for waiting, I am with you again."
NOT_HEARD = "I'm sorry, I did not catch that."
STILL_THERE = "Are you still there?"
ASK_PHONE = "What is your phone number?"

# An output is written for the model: what tells it what to do is not for the caller's ears.
_ORDER = re.compile(
    r"^(ask|tell|say|offer|call|go on|use|do not|don't|never|always|speak|keep|read|apologi[sz]e|let|inform|repeat|"
    r"explain|continue|try|book|collect)\b",
    re.IGNORECASE,
)


def ask(slot: Slot) -> str:
    """The question for one slot."""
    match slot.kind:
        case "name":
            return "May I have your name, please?"
        case "date":
            return "Which day would suit you?"
        case "time":
            return "What time would suit you?"
        case "datetime":
            return "Which day and time would suit you?"
        case "phone":
            return ASK_PHONE
        case "email":
            return "What is your e-mail address?"
        case "choice":
            *first, last = slot.choices
            return (
                f"Which would you like: {', '.join(first)} or {last}?" if first else f"Would {last} be right?"
            )
        case _:
            return f"Could you tell me the {slot.name.replace('_', ' ')}, please?"


def question(memory: Memory) -> str | None:
    """The question that stands, in words."""
    due = memory.due
    if due is None:
        return None
    if due == PHONE:
        return ASK_PHONE
    if due == MORE:
        return ANYTHING_ELSE
    if due == CHANGE:
        return "What should I change?"
    if due == CONFIRM:
        return read_back(memory) if memory.must_confirm else None
    slot = memory.missing
    return ask(slot) if slot is not None else None


def read_back(memory: Memory) -> str:
    """What was understood, for the caller to agree to."""
    assert memory.task is not None
    return f"So that is {described(memory.task, memory.collected)}. Is that right?"


def described(task: Task, values: Mapping[str, Any]) -> str:
    """The collected values as one phrase."""
    by_kind = {slot.kind: values[slot.name] for slot in reversed(task.slots) if slot.name in values}
    if "datetime" in by_kind:
        by_kind["date"], _, by_kind["time"] = str(by_kind["datetime"]).partition("T")
    if "date" not in by_kind and "time" not in by_kind:
        return ", ".join(f"{name.replace('_', ' ')} {aloud(str(value))}" for name, value in values.items())
    phrase = "an appointment"
    if "name" in by_kind:
        phrase += f" for {by_kind['name']}"
    if "date" in by_kind:
        phrase += f" on {date_aloud(str(by_kind['date']))}"
    if "time" in by_kind:
        phrase += f" at {time_aloud(str(by_kind['time']))}"
    if "phone" in by_kind:
        phrase += f", phone number {digits_aloud(str(by_kind['phone']))}"
    return phrase


def for_the_caller(message: str) -> str:
    """The sentences of a function's message that are not orders to the model."""
    sentences = re.split(r"(?<=[.!?])\s+", message.strip())
    return aloud(" ".join(sentence for sentence in sentences if not _ORDER.match(sentence)))


def done(output: Any, arguments: Mapping[str, Any], task: Task) -> str:
    """A task was carried out: say so with what the function returned."""
    values = dict(arguments)
    if isinstance(output, dict):
        values |= {
            slot.name: output[slot.name] for slot in task.slots if isinstance(output.get(slot.name), str)
        }
        message = output.get("confirmation") or output.get("message")
        if isinstance(message, str) and for_the_caller(message):
            return f"{for_the_caller(message)} {ANYTHING_ELSE}"
    elif isinstance(output, str) and for_the_caller(output):
        return f"{for_the_caller(output)} {ANYTHING_ELSE}"
    what = described(task, values)
    if what.startswith("an appointment"):
        return f"I have booked {what}. {ANYTHING_ELSE}"
    return f"That is done: {what}. {ANYTHING_ELSE}" if what else f"That is done. {ANYTHING_ELSE}"


def customer(record: dict[str, Any]) -> str:
    """A customer's record, as far as it is for the caller."""
    name = customer_name(record)
    said = [f"Thank you, {name}." if name else "Thank you, I have found your record."]
    inner = next((value for value in record.values() if isinstance(value, dict)), record)
    for key, value in {**record, **inner}.items():
        wanted = "appointment" in key or "visit" in key
        if wanted and isinstance(value, str) and value.lower() not in ("", "none", "null"):
            said.append(f"Your {key.replace('_', ' ')} is on {aloud(value)}.")
        elif wanted and value in (None, "none", "None"):
            said.append(f"I see no {key.replace('_', ' ')} for you.")
    return " ".join(said)


def offers(tools: Toolbox) -> str:
    """What can be done here, for a caller who asks for something else."""
    can = []
    if tools.tasks:
        task = tools.tasks[0]
        kinds = {slot.kind for slot in task.slots}
        can.append("book an appointment for you" if kinds & {"date", "datetime"} else "take your details")
    if tools.handoff is not None:
        can.append("connect you with a person")
    if not can:
        return "I'm sorry, I cannot help you with that."
    return f"I'm sorry, I don't know that. I can {' or '.join(can)}."
