"""A conversation with the mind in writing: what the caller says in, what is said and called out."""

import datetime
import json
from dataclasses import replace
from typing import Any

from realtime.simulator.mind.receptionist import think
from realtime.simulator.persona import Line, Prompt
from realtime.simulator.script import FunctionCall, Reply

TODAY = datetime.date(2026, 11, 22)  # a Sunday

PRACTICE = """# Role and objective
You are Emma, the receptionist of Harbour Dental, speaking on the telephone. The caller hears every word you say.
Your goal: Book an appointment for the caller.

# Personality and tone
Keep each reply to one or two short sentences, then let the caller speak.

# Instructions
Harbour Dental is a dental practice at 12 Harbour Street. Parking is free behind the house.
A check-up takes 30 minutes. A cleaning takes 45 minutes and costs 90 dollars.
New patients are welcome. All major dental insurances are accepted.
For severe pain offer the next free time, and say that emergencies are seen the same day.

# This call
Today is Sunday, 2026-11-22; the time is 20:36 (America/New_York).
Opening hours: Monday to Friday from 8 in the morning to 6 in the evening, closed at weekends.
"""
CONFIRMING = PRACTICE + "Read it back, and once the caller agrees call schedule_appointment.\n"


def function(
    tool: str, description: str = "", required: tuple[str, ...] = (), /, **properties: Any
) -> dict[str, Any]:
    """A function tool as `session.update` carries it."""
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "name": tool, "description": description, "parameters": parameters}


TEXT = {"type": "string"}
SCHEDULE = function(
    "schedule_appointment",
    "Book an appointment.",
    ("name", "date", "time"),
    name={"type": "string", "description": "The caller's full name"},
    date={"type": "string", "format": "date", "description": "The day wanted, as YYYY-MM-DD"},
    time={"type": "string", "format": "time", "description": "The time of day wanted, as HH:MM in 24 hours"},
    reason={"anyOf": [{"type": "string"}, {"type": "null"}], "description": "What it is for"},
)
CUSTOMER = function(
    "get_customer_info", "Look up a customer by telephone number.", ("phone_number",), phone_number=TEXT
)
HANDOFF = function(
    "request_operator_handoff", "Ask for a human.", ("reason", "summary"), reason=TEXT, summary=TEXT
)
END = function("end_call", "End the call.", ("reason",), reason=TEXT)
RECORD = function("record_information", "Note a value.", ("slot", "value"), slot=TEXT, value=TEXT)
CONFIRM = function(
    "confirm_information",
    "The caller agreed.",
    ("slots",),
    slots={"type": "array", "items": {"type": "string"}},
)
ALL_TOOLS = (SCHEDULE, CUSTOMER, HANDOFF, END)


class Chat:
    """One conversation.  `says` and `calls` are those of the last response."""

    def __init__(self, *tools: dict[str, Any], instructions: str = PRACTICE, **prompt: Any) -> None:
        self.prompt = Prompt(
            instructions=instructions,
            response_instructions=None,
            tools=tools,
            tool_choice=prompt.pop("tool_choice", "auto"),
            parallel_tool_calls=prompt.pop("parallel_tool_calls", True),
            lines=(),
            out_of_band=False,
        )
        self.says = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._open_calls: list[str] = []

    def answer(self, **overrides: Any) -> str:
        """`response.create`: the mind's next response."""
        outputs = think(replace(self.prompt, **overrides), TODAY)
        self.says = " ".join(output.text for output in outputs if isinstance(output, Reply))
        self.calls = []
        for output in outputs:
            if isinstance(output, Reply):
                self._add(Line(kind="assistant", text=output.text))
            elif isinstance(output, FunctionCall):
                assert isinstance(output.arguments, dict)
                call_id = f"call_{len(self.prompt.lines)}"
                self.calls.append((output.name, dict(output.arguments)))
                self._open_calls.append(call_id)
                arguments = json.dumps(output.arguments)
                self._add(Line(kind="function_call", name=output.name, arguments=arguments, call_id=call_id))
        return self.says

    def say(self, words: str) -> str:
        """The caller says something; what the mind says to that."""
        self._add(Line(kind="user", text=words, spoken=True))
        return self.answer()

    def give(self, *outputs: Any) -> str:
        """The outputs of the open function calls, in their order; what the mind says to them."""
        for output in outputs:
            text = output if isinstance(output, str) else json.dumps(output)
            self._add(Line(kind="function_call_output", call_id=self._open_calls.pop(0), output=text))
        return self.answer()

    def cut(self) -> None:
        """The last assistant message is truncated: its words are gone."""
        lines = list(self.prompt.lines)
        index = max(index for index, line in enumerate(lines) if line.kind == "assistant")
        lines[index] = replace(lines[index], text="", cut=True)
        self.prompt = replace(self.prompt, lines=tuple(lines))

    def _add(self, line: Line) -> None:
        self.prompt = replace(self.prompt, lines=(*self.prompt.lines, line))
