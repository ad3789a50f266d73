"""A call whose session is real and whose caller is not: the conversation's shell without a media leg.

The conversation, the line and the socket are the product's own; time is the clock's. Whatever there is to play is
heard at once, and nobody speaks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from media.playout import PartKey
from realtime import effects
from realtime.agent import Agent
from realtime.client.endpoint import Endpoint
from realtime.conversation import Conversation
from realtime.server_events import parse
from realtime.tool_spec import ToolOutcome, ToolSpec
from signaling.server.session_line import SessionLine
from storage.events import EndReason, Event

Tool = Callable[[dict[str, Any]], Any]


class WireCall:
    """What happened is in the lists, in order; `until` waits for it."""

    def __init__(
        self, endpoint: Endpoint, agent: Agent, *, model: str, tools: Sequence[ToolSpec], run: dict[str, Tool]
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.notes: list[effects.Note] = []
        self.closings: list[tuple[str, str]] = []
        self.opened: list[str] = [model]
        self.played: list[PartKey] = []
        self.handoffs: list[effects.RequestHandoff] = []
        self.closed: EndReason | None = None
        self._loop = asyncio.get_running_loop()
        self._run = run
        self._more = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._driving = False
        self.line = SessionLine(endpoint, self)
        self.conversation = Conversation(
            agent,
            model=model,
            instructions_text=f"You are {agent.name}. {agent.instructions}",
            tools=tools,
            origin=(self._loop.time(), datetime.now(UTC)),
        )

    # LineListener.

    def message_received(self, message: bytes) -> None:
        self.received.append(json.loads(message))
        self.conversation.receive(parse(message), self._loop.time())
        self.drive()

    def session_closed(self, code: str, reason: str) -> None:
        self.closings.append((code, reason))
        self.conversation.session_lost(code, reason, self._loop.time())
        self.drive()

    # The caller.

    def caller_is_there(self) -> None:
        self.conversation.media_connected(self._loop.time())
        self.drive()

    def caller_presses(self, digit: str) -> None:
        """The one thing that a caller can say to a server that does not listen."""
        self.conversation.digit_received(digit, 100, self._loop.time())
        self.drive()

    def goodbye(self) -> None:
        self.conversation.say_goodbye("the office closes", "agent_hangup", self._loop.time())
        self.drive()

    # What happens then.

    async def until(self, true: Callable[[], Any], *, within_s: float = 5.0) -> None:
        """As soon as it is; AssertionError with the whole story where it never is."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            came = [event["type"] for event in self.received]
            went = [event["type"] for event in self.sent]
            raise AssertionError(
                f"not within {within_s} s; sent {went}; received {came}; {self.notes}"
            ) from None

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.received if event["type"] == kind]

    def asked(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.sent if event["type"] == kind]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    # The shell.

    def drive(self) -> None:
        if self._driving:
            return
        self._driving = True
        try:
            while taken := self.conversation.effects():
                for effect in taken:
                    self._carry_out(effect)
        finally:
            self._driving = False
        self._more.set()
        if self._timer is not None:
            self._timer.cancel()
        due = self.conversation.next_deadline()
        self._timer = None if due is None else self._loop.call_at(due, self._wake)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        self.conversation.wake(self._loop.time())
        self.drive()

    def _carry_out(self, effect: effects.Effect) -> None:
        now = self._loop.time()
        match effect:
            case effects.Send(message=message):
                self.sent.append(json.loads(message))
                self.line.send(message)
            case effects.OpenSession(model=model):
                self.opened.append(model)
                self.line.reopen(model)
            case effects.AppendAudio():
                self.conversation.audio_appended(self.line.appended_ms, now)
            case effects.Play(part=part) | effects.PlayRecorded(part=part):
                self.played.append(part)
                self.conversation.part_started(part, now)
                self.conversation.playout_drained(now)
            case effects.Flush():
                self.conversation.playout_cut((), now)
            case effects.Publish(event=event):
                self.events.append(event)
            case effects.RunTool(call_id=call_id, name=name, arguments=arguments):
                outcome = ToolOutcome(ok=True, output=self._run[name](arguments), duration_ms=1)
                self.conversation.tool_finished(call_id, outcome, now)
            case effects.RequestHandoff():
                self.handoffs.append(effect)
            case effects.Note():
                self.notes.append(effect)
            case effects.Close(reason=reason):
                self.closed = reason


@asynccontextmanager
async def wire_call(
    endpoint: Endpoint,
    agent: Agent,
    *,
    model: str = "gpt-realtime-2.1",
    tools: Sequence[ToolSpec] = (),
    run: dict[str, Tool] | None = None,
) -> AsyncIterator[WireCall]:
    """A call that has been answered; raises ConnectFailed where no session is to be had."""
    call = WireCall(endpoint, agent, model=model, tools=tools, run=run or {})
    try:
        await call.line.open(model)
        call.caller_is_there()
        yield call
    finally:
        call.stop()
        await call.line.close()
