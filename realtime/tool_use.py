"""The model's function calls: run by the shell, answered together, and not left in silence meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from realtime import client_events, instructions
from realtime.effects import AuditUnknownTool, RunTool
from realtime.ending import Ending
from realtime.fillers import Fillers
from realtime.function_calls import CallGroup, parse_arguments
from realtime.outgoing import Outgoing
from realtime.phase import Standing
from realtime.server_events import ResponseState
from realtime.spoken_record import SpokenRecord
from realtime.tool_output import for_the_model
from realtime.tool_spec import ToolOutcome, ToolSpec, refusal
from realtime.wishes import Wishes
from storage.events import ToolCalled


@dataclass(slots=True, kw_only=True)
class ToolUse:
    """`begin` when a response is over, `finished` for each `RunTool`, `fill_silence` after everything."""

    out: Outgoing
    standing: Standing
    record: SpokenRecord
    wishes: Wishes
    ending: Ending
    tools: Mapping[str, ToolSpec]
    fillers: Fillers = field(default_factory=Fillers)
    _filler: str | None = None  # request_id of the last words for a tool's silence

    def begin(self, response: ResponseState, *, spoke: bool, overtaken: bool, now: float) -> bool:
        """Run what the response calls; whether it calls anything."""
        begun = self.wishes.calls.begin(response.output or (), spoke=spoke, overtaken=overtaken, now=now)
        for call_id, item in begun:
            name, item_id = item.name or "", item.id or call_id
            arguments = parse_arguments(item.arguments)
            self.record.turns.tool_called(name)
            self.record.history.called(call_id, name, item.arguments or "{}", now)
            self.record.notes.tool_called(call_id, name, arguments or {})
            self.out.publish(ToolCalled(name=name, call_item_id=item_id, arguments=arguments or {}))
            tool = self.tools.get(name)
            if tool is None:
                self.out.add(AuditUnknownTool(item_id=item_id, name=name))
                self.finished(call_id, refusal("unknown_tool", f"There is no tool {name[:64]!r}."), now)
            elif arguments is None:
                self.finished(
                    call_id, refusal("invalid_arguments", "The arguments are not a JSON object."), now
                )
            else:
                self.fillers.began(call_id, tool.speak_while, now)
                self.out.add(RunTool(call_id=call_id, item_id=item_id, name=name, arguments=arguments))
        return bool(begun)

    def finished(self, call_id: str, outcome: ToolOutcome, now: float) -> None:
        """What a call came to; the second time it is nothing."""
        call = self.wishes.calls.finished(call_id)
        if call is None:
            return
        self.fillers.over(call_id)
        self.record.notes.tool_finished(call_id, outcome.ok, outcome.output, now)
        self.record.take_notes()
        self.out.publish(*outcome.events, call.ended(outcome))
        group = call.group
        group.hang_up = group.hang_up or outcome.hang_up
        text = for_the_model(outcome.output)
        self.record.history.returned(call_id, text, now)
        if self.standing.ready:
            output_id = self.out.new_id("out")
            group.outputs.add(output_id)
            self.wishes.responses.item_sent(output_id)
            self.out.send(client_events.function_call_output(self.out.new_id("ev"), output_id, call_id, text))
        if not group.open and self.standing.under_way:
            self._answered(group, now)

    def fill_silence(self, now: float) -> None:
        """Something is said where a tool has run in silence for too long."""
        quiet = (
            self.wishes.responses.quiet
            and not self.standing.playing
            and not self.standing.peer_lost
            and self.standing.ending is None
        )
        filler = self.fillers.due(now, quiet=quiet)
        if filler is not None:
            self._filler = self.wishes.words(instructions.still_looking(filler.words))

    def is_filler(self, request_id: str) -> bool:
        """Whether these are words of ours for a tool's silence: a second later the answer may be there."""
        return request_id == self._filler

    def _answered(self, group: CallGroup, now: float) -> None:
        if self.standing.person is not None:
            return  # the model knows what they came to; it is not the one who goes on
        overtaken = group.overtaken and group.hang_up == "agent_hangup"
        if group.hang_up is None or overtaken:
            # A caller who has spoken since is not done yet: the model goes on with what they said.
            self.wishes.answer(group.outputs)
            return
        self.ending.after_words(group.hang_up, now)
        if not group.spoke:
            self.ending.goodbye(instructions.GOODBYE_AFTER_TOOL)
