"""What to say or to call next: the rules, in the order in which they apply."""

import datetime
import json
import re
from collections.abc import Sequence
from typing import Any

from realtime.simulator.mind import phrases
from realtime.simulator.mind.aloud import aloud
from realtime.simulator.mind.instructions import caller_number, extra, todays_date, verbatim
from realtime.simulator.mind.memory import CONFIRM, Memory, Outcome, Turn, remember
from realtime.simulator.mind.notes import written
from realtime.simulator.mind.tools import Tool, Toolbox, call, confirm_call, record_call, toolbox
from realtime.simulator.persona import Prompt
from realtime.simulator.script import FunctionCall, OutputItem, Reply

_TELL = re.compile(r"\b(?:tell|inform) the caller(?: that)?[: ]+(.+?)(?:\.|$)", re.IGNORECASE)
_GOODBYE = re.compile(r"\bgoodbye\b|\bsay bye\b|\bend the call\b", re.IGNORECASE)
_GREET = re.compile(r"\bgreet", re.IGNORECASE)
_SILENT = re.compile(
    r"\bstill (?:there|on the line)\b|\bsilen(?:t|ce)\b|\bnot (?:said|spoken)\b", re.IGNORECASE
)
_STRING = r'"(?:[^"\\]|\\.)*"'
_RETURNED = re.compile(r"\bgiven the call back to you\b", re.IGNORECASE)
_NOTE = re.compile(rf"\bnote for you: ({_STRING})")
_WHISPERED = re.compile(rf"\bsupervisor has just told you: ({_STRING})", re.IGNORECASE)
_SUMMARY = re.compile(r"\bsummar", re.IGNORECASE)


def think(prompt: Prompt, today: datetime.date) -> Sequence[OutputItem]:
    """The items of the next response.  `today` serves when the instructions do not tell the date."""
    instructions = prompt.response_instructions or prompt.instructions
    day = todays_date(instructions) or todays_date(prompt.instructions) or today
    tools = toolbox(prompt.tools, prompt.tool_choice, instructions)
    memory = remember(prompt.lines, tools, instructions, day)
    outputs = _forced(prompt, memory) or _answer(
        prompt, memory, extra(prompt.instructions, prompt.response_instructions)
    )
    return outputs if prompt.parallel_tool_calls else _one_call(outputs)


def _answer(prompt: Prompt, memory: Memory, order: str) -> list[OutputItem]:
    note = written(prompt, order or prompt.instructions, memory.today)
    if note is not None:
        return [Reply(text=note)]
    if prompt.out_of_band and _SUMMARY.search(order or prompt.instructions + _last_words(prompt)):
        return [Reply(text=summary(memory, prompt))]
    if _RETURNED.search(order):
        return _say(phrases.BACK, _noted(prompt), phrases.question(memory) or phrases.ANYTHING_ELSE)
    ordered = _ordered(memory, order)
    if ordered is not None:
        return [Reply(text=ordered)]
    if memory.outcomes:
        return _after_functions(memory, prompt)
    if memory.turn is not None:
        return _to_the_caller(memory, memory.turn, prompt)
    if not memory.has_spoken:
        return [Reply(text=verbatim(prompt.instructions) or phrases.GREETING)]
    return [Reply(text=phrases.question(memory) or phrases.ANYTHING_ELSE)]


def _ordered(memory: Memory, order: str) -> str | None:
    """What this response's own instructions ask for."""
    if not order:
        return None
    said = verbatim(order)
    if said is not None:
        return said
    whispered = _WHISPERED.search(order)
    if whispered is not None:
        told = str(json.loads(whispered[1]))
        return aloud(
            re.sub(r"^(?:say|tell them|mention) (?:that )?", "", told, flags=re.IGNORECASE).capitalize()
        )
    if _GOODBYE.search(order):
        sorry = "I'm sorry, I have to end the call now. " if "pologi" in order else ""
        return sorry + phrases.GOODBYE
    if _GREET.search(order):
        return phrases.GREETING
    if _SILENT.search(order):
        return " ".join(filter(None, (phrases.STILL_THERE, phrases.question(memory))))
    tell = _TELL.search(order)
    return aloud(tell[1][:1].upper() + tell[1][1:]) + "." if tell else None


def _noted(prompt: Prompt) -> str:
    """What the colleague who had the call wants to be known, as a sentence."""
    for line in reversed(prompt.lines):
        note = _NOTE.search(line.text)
        if note is not None:
            return str(json.loads(note[1])).rstrip(". ") + "."
    return ""


# -- the caller has spoken ------------------------------------------------------------------------------


def _to_the_caller(memory: Memory, turn: Turn, prompt: Prompt) -> list[OutputItem]:
    if not turn.words.strip():
        return _say(phrases.NOT_HEARD, phrases.question(memory))
    if turn.wants_a_person:
        return _hand_over(memory, prompt)
    if turn.says_goodbye:
        return _say_goodbye(memory)
    lookup = _look_up(memory, turn)
    if lookup:
        return lookup
    answer = " ".join(aloud(fact.sentence) for fact in turn.answers)
    if answer and not turn.found and not turn.agrees:
        return _say(answer, phrases.question(memory))
    if memory.task is not None:
        return _joined(answer, _go_on(memory))
    if turn.found:
        name = next((str(value) for key, value in turn.found.items() if "name" in key), None)
        return _say(f"Nice to meet you, {name}." if name else "Thank you.", "How can I help you?")
    return _say(phrases.offers(memory.tools), phrases.question(memory))


def _go_on(memory: Memory) -> list[OutputItem]:
    """The task: record what is new, ask for what is missing, read back, carry out."""
    assert memory.task is not None
    recording = _record(memory)
    if recording:
        return recording
    if memory.missing is not None:
        return _say(_thanks(memory), phrases.question(memory))
    if memory.must_confirm and not memory.confirmed:
        return _say(phrases.question(memory))
    calls: list[OutputItem] = []
    confirm = memory.tools.confirm
    if confirm is not None and not any(outcome.name == confirm.name for outcome in memory.outcomes):
        calls.append(confirm_call(confirm, memory.collected))
    if memory.task.tool is not None:
        calls.append(call(memory.task.tool, memory.collected))
    return calls or _say("Thank you, I have noted that.", phrases.ANYTHING_ELSE)


def _record(memory: Memory) -> list[OutputItem]:
    record = memory.tools.record
    if record is None:
        return []
    new = {name: value for name, value in memory.collected.items() if memory.recorded.get(name) != str(value)}
    return [record_call(record, name, value) for name, value in new.items()]


def _thanks(memory: Memory) -> str:
    turn = memory.turn
    if turn is None or not turn.found:
        return "" if turn is None or turn.asked is None or turn.asked == CONFIRM else phrases.NOT_HEARD
    name = next((str(value) for key, value in turn.found.items() if "name" in key), None)
    return f"Thank you, {name.split()[0]}." if name else "All right."


def _look_up(memory: Memory, turn: Turn) -> list[OutputItem]:
    lookup = memory.tools.lookup
    if lookup is None:
        return []
    phone_slot = next(slot.name for slot in lookup.slots if slot.kind == "phone")
    if memory.phone is not None and memory.phone not in memory.looked_up:
        return [call(lookup, {phone_slot: memory.phone})]
    if not turn.wants_record:
        return _say(phrases.NOT_HEARD, phrases.ASK_PHONE) if memory.wants_phone and not turn.answers else []
    if memory.customer is not None:
        return _say(phrases.customer(memory.customer), phrases.question(memory) or phrases.ANYTHING_ELSE)
    number = caller_number(memory.instructions)
    if number is not None and number not in memory.looked_up:
        return [call(lookup, {phone_slot: number})]
    return _say("I can look that up.", phrases.ASK_PHONE)


def _hand_over(memory: Memory, prompt: Prompt) -> list[OutputItem]:
    handoff = memory.tools.handoff
    if handoff is None:
        return _say("I'm sorry, nobody else can come to the phone right now.", phrases.question(memory))
    values = {"reason": "The caller asks for a person.", "summary": summary(memory, prompt)}
    reasons = next((slot.choices for slot in handoff.slots if slot.name == "reason" and slot.choices), ())
    if reasons:
        values["reason"] = next(
            (one for one in reasons if re.search("person|human|caller|request", one)), reasons[0]
        )
    return [Reply(text="Of course, one moment please."), call(handoff, values)]


def _say_goodbye(memory: Memory) -> list[OutputItem]:
    outputs: list[OutputItem] = [Reply(text=phrases.GOODBYE)]
    if memory.tools.end is not None:
        outputs.append(call(memory.tools.end, {"reason": "The caller said goodbye."}))
    return outputs


# -- functions have answered ----------------------------------------------------------------------------


def _after_functions(memory: Memory, prompt: Prompt) -> list[OutputItem]:
    said: list[str] = []
    for outcome in memory.outcomes:
        text, is_last_word = _about(outcome, memory)
        if text:
            said.append(text)
        if is_last_word:
            return _say(*said)
    if memory.task is None:
        return _say(*said) if said else _say(phrases.ANYTHING_ELSE)
    return _joined(" ".join(said), _go_on(memory))


def _about(outcome: Outcome, memory: Memory) -> tuple[str, bool]:
    """What to say of one output, and whether nothing follows it."""
    tools: Toolbox = memory.tools
    if _is(outcome, tools.handoff):
        if outcome.problem:
            return f"I'm sorry. {phrases.for_the_caller(outcome.problem)}", False
        return "I have asked a colleague to take over. Please stay on the line.", True
    if _is(outcome, tools.end):
        return "Goodbye!", True
    if _is(outcome, tools.lookup):
        if outcome.problem:
            return (
                f"I could not find you. {phrases.for_the_caller(outcome.problem)} {phrases.ASK_PHONE}",
                True,
            )
        record = outcome.output if isinstance(outcome.output, dict) else {}
        text = phrases.customer(record) if record else phrases.for_the_caller(str(outcome.output))
        return (text if memory.task is not None else f"{text} How can I help you?"), memory.task is None
    if _is(outcome, tools.record) or (_is(outcome, tools.confirm) and memory.task is not None):
        return "", False
    task = next((one for one in tools.tasks if _is(outcome, one.tool)), None)
    if task is None and _is(outcome, tools.confirm):
        # Nothing is called beside it: what was collected is all there is to do.
        own = any(one.tool is None for one in tools.tasks)
        return (f"Thank you, I have noted everything. {phrases.ANYTHING_ELSE}", True) if own else ("", False)
    if task is None:
        return phrases.for_the_caller(_text(outcome.output)), False
    if outcome.problem:
        return f"I'm sorry. {phrases.for_the_caller(outcome.problem)}", False
    return phrases.done(outcome.output, outcome.arguments, task), True


def _is(outcome: Outcome, tool: Tool | None) -> bool:
    return tool is not None and outcome.name == tool.name


def _text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


# -- the rest -------------------------------------------------------------------------------------------


def _forced(prompt: Prompt, memory: Memory) -> list[OutputItem]:
    """`tool_choice` names a function, or requires any."""
    choice = prompt.tool_choice
    if not prompt.tools or choice in ("auto", "none") or memory.outcomes:
        return []
    wanted = choice.get("name") if isinstance(choice, dict) else None
    if wanted is None:
        natural = _answer(prompt, memory, "")
        if any(isinstance(output, FunctionCall) for output in natural):
            return natural
    box = memory.tools
    known = [tool for tool in (box.handoff, box.end, box.lookup, box.record, box.confirm) if tool is not None]
    known += [task.tool for task in box.tasks if task.tool is not None]
    chosen = next((tool for tool in reversed(known) if wanted in (None, tool.name)), None)
    if chosen is None:
        return []
    values = {"reason": "The conversation asks for it.", "summary": summary(memory, prompt), **memory.values}
    return [call(chosen, {slot.name: values[slot.name] for slot in chosen.slots if slot.name in values})]


def _one_call(outputs: Sequence[OutputItem]) -> list[OutputItem]:
    """`parallel_tool_calls: false`: the first call and what stands before it."""
    kept: list[OutputItem] = []
    for output in outputs:
        kept.append(output)
        if isinstance(output, FunctionCall):
            break
    return kept


def summary(memory: Memory, prompt: Prompt) -> str:
    """The conversation in a few sentences, for a colleague."""
    said = [line.text for line in prompt.lines if line.kind == "user" and line.text]
    known = [f"{name}: {value}" for name, value in memory.values.items()]
    parts = [f"Known so far: {', '.join(known)}." if known else "Nothing is known of the caller yet."]
    if memory.done:
        parts.append("An appointment was booked.")
    if said:
        parts.append(f'Last words: "{said[-1]}"')
    return " ".join(parts)


def _last_words(prompt: Prompt) -> str:
    return prompt.lines[-1].text if prompt.lines else ""


def _joined(said: str, following: list[OutputItem]) -> list[OutputItem]:
    """One message instead of two when words come before words."""
    if said and following and isinstance(following[0], Reply):
        return [*_say(said, following[0].text), *following[1:]]
    return [*_say(said), *following]


def _say(*parts: str | None) -> list[OutputItem]:
    text = " ".join(part for part in parts if part)
    return [Reply(text=text)] if text else []
