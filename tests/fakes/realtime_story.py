"""A call told as a story: the server's side of a session in GA event order, the shell's side with a real ledger.

What the core sends is checked against the SDK's client event types, what the story plays against its server
event types, so that neither can drift from the API. Time is a number that only the story moves.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from media.format import FRAME_MS, FRAME_SAMPLES, ms_to_bytes
from media.playout import PartKey, PlayoutLedger
from realtime import effects
from realtime.agent import Agent
from realtime.conversation import Conversation
from realtime.recorded_words import RecordedWords
from realtime.server_events import parse
from realtime.tool_spec import ToolOutcome, ToolSpec
from storage.events import EndReason, Event

CLIENT_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
STARTED = 100.0
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
PATIENT = {"idle_prompt_s": 600, "idle_hangup_s": 1200}
NOTICE_HEARD_S = 7.0  # the recorded notice is shorter
TOOLS = tuple(
    ToolSpec(name=name, description=f"{name}.", parameters={"type": "object", "properties": {}})
    for name in ("look_up", "book", "end_call")
)

E = TypeVar("E", bound=Event)


def receptionist(**changes: Any) -> Agent:
    """A patient one: whoever tells a story of silence says how long it may last."""
    document = {"id": "desk", "name": "Robin", "greeting": "Good morning.", "limits": PATIENT}
    return Agent.model_validate({**document, **changes})


def unknown_fields(value: Any, path: str = "") -> list[str]:
    """Paths of what the SDK's model does not know."""
    if isinstance(value, BaseModel):
        extra = [f"{path}.{name}" for name in value.model_extra or {}]
        fields = [(f"{path}.{name}", getattr(value, name)) for name in type(value).model_fields]
        return extra + [found for where, member in fields for found in unknown_fields(member, where)]
    if isinstance(value, list):
        return [found for member in value for found in unknown_fields(member, f"{path}[]")]
    return []


def checked_client_event(message: bytes) -> dict[str, Any]:
    """The event, if the API knows its type and each of its fields."""
    document: dict[str, Any] = json.loads(message)
    model = CLIENT_EVENTS.validate_json(message)
    assert model.type == document["type"]
    assert unknown_fields(model) == [], document
    return document


@dataclass
class _Response:
    """A response that the server is running."""

    id: str
    metadata: dict[str, str] | None
    output: list[dict[str, Any]] = field(default_factory=list)


class Story:
    """`effects` are carried out after each line; what came of them is in the lists."""

    def __init__(
        self,
        agent: Agent | None = None,
        *,
        tools: Sequence[ToolSpec] = TOOLS,
        rtt_ms: float = 0.0,
        check: bool = True,
    ) -> None:
        self.agent = agent or receptionist()
        self.now = STARTED
        self.ledger = PlayoutLedger()
        self.ledger.round_trip_measured(rtt_ms)
        self.sent: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.tool_runs: list[effects.RunTool] = []
        self.notes: list[effects.Note] = []
        self.asides: list[dict[str, Any]] = []  # asked for beside the conversation, and not answered
        self.opened: list[str] = []  # the model of each further session
        self.appended: list[effects.AppendAudio] = []
        self.recorded: list[RecordedWords] = []
        self.handoffs: list[effects.RequestHandoff] = []
        self.hung_up: EndReason | None = None
        self.closed: EndReason | None = None
        self.close: effects.Close | None = None
        self.flushes = 0
        self.paused = False
        self.heard_audio_ms = 0  # put on RTP
        self.conversation = Conversation(
            self.agent,
            model="gpt-realtime-2.1",
            instructions_text="Be brief.",
            tools=tools,
            origin=(STARTED, MIDNIGHT),
        )
        self._check = check
        self._queue: deque[list[Any]] = deque()  # [part, samples left]
        self._started: set[PartKey] = set()
        self._sounding = False
        self._ids = itertools.count(1)
        self._media_up = False
        self._appended_ms = 0
        self._asked: deque[dict[str, Any]] = deque()  # response.create that no response has answered
        self._previous_item: str | None = None

    @property
    def wall(self) -> datetime:
        """`now` on the clock on the wall."""
        return MIDNIGHT + timedelta(seconds=self.now - STARTED)

    # The shell.

    def drive(self) -> None:
        """Take effects until there are none left."""
        while taken := self.conversation.effects():
            for effect in taken:
                self._carry_out(effect)

    def _carry_out(self, effect: effects.Effect) -> None:
        assert self.closed is None, f"{effect} after Close"
        match effect:
            case effects.Send(message=message):
                event = checked_client_event(message) if self._check else json.loads(message)
                self.sent.append(event)
                if event["type"] == "response.create" and event["response"].get("conversation") == "none":
                    self.asides.append(event)
                elif event["type"] == "response.create":
                    self._asked.append(event)
            case effects.Play(part=part, pcm=pcm):
                self.ledger.queue(part, len(pcm) // 2)
                self._queue.append([part, len(pcm) // 2])
                self._sounding = True
            case effects.FinishPart(part=part):
                self.ledger.finish(part)
            case effects.Flush():
                self.flushes += 1
                self._queue.clear()
                self._sounding = False
                self.conversation.playout_cut(self.ledger.cut(self.now), self.now)
            case effects.PausePlayout():
                self.paused = True
            case effects.ResumePlayout():
                self.paused = False
            case effects.Publish(event=event):
                self.events.append(event)
            case effects.RunTool():
                self.tool_runs.append(effect)
            case effects.OpenSession(model=model):
                self.opened.append(model)
                self._asked.clear()
                self._previous_item = None
            case effects.AppendAudio():
                self.appended.append(effect)
                self.conversation.audio_appended(0, self.now)
            case effects.PlayRecorded(part=part, words=words):
                self.recorded.append(words)
                samples = words.ms * FRAME_SAMPLES // FRAME_MS
                self.ledger.queue(part, samples)
                self.ledger.finish(part)
                self._queue.append([part, samples])
                self._sounding = True
            case effects.RequestHandoff():
                self.handoffs.append(effect)
            case effects.Note():
                self.notes.append(effect)
            case effects.HangUp(reason=reason):
                assert self.hung_up is None
                self.hung_up = reason
                self._media_up = False
            case effects.Close(reason=reason):
                self.closed = reason
                self.close = effect

    def pass_time(self, seconds: float) -> None:
        """Packets leave, audio is appended and deadlines fall due, 20 ms at a time."""
        end = self.now + seconds
        while self.now + FRAME_MS / 1000 <= end + 1e-9:
            self.now = round(self.now + FRAME_MS / 1000, 6)
            if self._media_up:
                self._appended_ms += FRAME_MS
                self.conversation.audio_appended(self._appended_ms, self.now)
                self._send_packet()
            deadline = self.conversation.next_deadline()
            if deadline is not None and self.now >= deadline:
                self.conversation.wake(self.now)
            self.drive()

    def _send_packet(self) -> None:
        if self._queue and not self.paused:
            part, left = self._queue[0]
            samples = min(left, FRAME_SAMPLES)
            self._queue[0][1] -= samples
            if self._queue[0][1] <= 0:
                self._queue.popleft()
            self.ledger.sent(part, samples, self.now)
            self.heard_audio_ms += samples * FRAME_MS // FRAME_SAMPLES
            if part not in self._started:
                self._started.add(part)
                self.conversation.part_started(part, self.now, to_ear_ms=self.ledger.delay_ms)
        self.ledger.settle(self.now)
        if self._sounding and not self._queue and self.ledger.empty:
            self._sounding = False
            self.conversation.playout_drained(self.now)

    def media_connects(self) -> None:
        self._media_up = True
        self.conversation.media_connected(self.now)
        self.drive()

    def tool_returns(self, output: Any = None, *, run: effects.RunTool | None = None, **outcome: Any) -> None:
        run = run or self.tool_runs.pop(0)
        result = ToolOutcome(ok=outcome.pop("ok", True), output=output or {}, duration_ms=5, **outcome)
        self.conversation.tool_finished(run.call_id, result, self.now)
        self.drive()

    def caller_hangs_up(self) -> None:
        self.conversation.hang_up("caller_hangup", self.now)
        self.drive()

    def operator_joins(self, name: str = "Kim") -> None:
        self.conversation.operator_joined(name, self.now)
        self.drive()

    def operator_says(self, text: str, *, ago_s: float = 0.0) -> None:
        self.conversation.operator_said(self._id("operator"), text, self.now - ago_s, self.now)
        self.drive()

    def caller_tells_operator(self, text: str, *, ago_s: float = 0.0) -> None:
        self.conversation.caller_said(self._id("told"), text, self.now - ago_s, self.now)
        self.drive()

    def operator_leaves(self, note: str = "") -> None:
        self.conversation.operator_left(self.now, note)
        self.drive()

    # The server, one event.

    def server(self, type_: str, **fields: Any) -> None:
        event = {"type": type_, "event_id": self._id("event"), **fields}
        if self._check:
            assert SERVER_EVENTS.validate_python(event).type == type_
        self.conversation.receive(parse(json.dumps(event)), self.now)
        self.drive()

    def error(self, code: str, *, caused_by: str | None = None, message: str = "No.") -> None:
        detail = {"type": "invalid_request_error", "code": code, "message": message, "event_id": caused_by}
        self.server("error", error=detail)

    # The server, set-up.

    def session_created(self) -> None:
        self.server(
            "session.created", session={"type": "realtime", "id": "sess_1", "model": "gpt-realtime-2.1"}
        )

    def session_updated(self, **session: Any) -> None:
        asked = next(event for event in reversed(self.sent) if event["type"] == "session.update")
        self.server("session.updated", session={**asked["session"], "id": "sess_1", **session})

    def connect(self, *, greet: bool = True) -> Story:
        """Set up, and with `greet` let the greeting be heard to its end."""
        self.session_created()
        self.session_updated()
        self.media_connects()
        if greet:
            self.agent_says("Good morning.", ms=600)
            self.pass_time(1.0)
            self.sent.clear()
            self.events.clear()
        return self

    def drop(self, code: str = "closed_1011") -> None:
        """The session is gone; what it was doing will never be heard of again."""
        self.conversation.session_lost(code, "gone", self.now)
        self.drive()

    def restore(self) -> None:
        """The next session comes up at once."""
        self.session_created()
        self.session_updated()

    # The server, the agent's side.

    def refuse(self) -> None:
        """The oldest response.create loses against a response that is running."""
        self.error("conversation_already_has_active_response", caused_by=self._asked.popleft()["event_id"])

    def respond(self, *, created: bool = True, own: bool = False) -> _Response:
        """Begin the oldest response that was asked for, or (and with `own` in any case) one of the server's."""
        metadata = self._asked.popleft()["response"]["metadata"] if self._asked and not own else None
        response = _Response(id=self._id("resp"), metadata=metadata)
        if created:
            self.server("response.created", response=self._state(response, "in_progress"))
        return response

    def item(self, response: _Response, *, phase: str | None = None) -> PartKey:
        item_id = self._id("item")
        item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        if phase is not None:
            item["phase"] = phase
        place = {"response_id": response.id, "output_index": len(response.output)}
        self.server("response.output_item.added", item=item, **place)
        self._added(item)
        part = PartKey(response.id, item_id, 0)
        self.server(
            "response.content_part.added", **place, **_where(part), part={"type": "audio", "transcript": ""}
        )
        response.output.append(item)
        return part

    def voice(self, part: PartKey, text: str, ms: int) -> None:
        """Some of the words, and then some of the audio: the transcript runs ahead."""
        place = {"response_id": part.response_id, "output_index": 0, **_where(part)}
        self.server("response.output_audio_transcript.delta", delta=text, **place)
        self.audio(part, ms)

    def audio(self, part: PartKey, ms: int) -> None:
        place = {"response_id": part.response_id, "output_index": 0, **_where(part)}
        self.server(
            "response.output_audio.delta", delta=base64.b64encode(bytes(ms_to_bytes(ms))).decode(), **place
        )

    def item_ends(self, part: PartKey, text: str) -> None:
        place = {"response_id": part.response_id, "output_index": 0, **_where(part)}
        item = {
            "id": part.item_id,
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [],
        }
        self.server("response.output_audio.done", **place)
        self.server("response.output_audio_transcript.done", transcript=text, **place)
        self.server("response.content_part.done", part={"type": "audio", "transcript": text}, **place)
        self.server("conversation.item.done", item=item)
        self.server("response.output_item.done", item=item, response_id=part.response_id, output_index=0)

    def call(
        self, response: _Response, name: str, arguments: str = "{}", *, status: str = "completed"
    ) -> str:
        """A function call among the response's output; its call id."""
        item = {
            "id": self._id("item"),
            "type": "function_call",
            "name": name,
            "call_id": self._id("call"),
            "arguments": arguments,
            "status": status,
        }
        place = {"response_id": response.id, "output_index": len(response.output)}
        self.server(
            "response.output_item.added", item={**item, "status": "in_progress", "arguments": ""}, **place
        )
        self._added(item)
        about = {"call_id": item["call_id"], "item_id": item["id"], **place}
        self.server("response.function_call_arguments.delta", delta=arguments, **about)
        self.server("response.function_call_arguments.done", arguments=arguments, name=name, **about)
        self.server("response.output_item.done", item=item, **place)
        response.output.append(item)
        return str(item["call_id"])

    def response_ends(self, response: _Response, status: str = "completed", **fields: Any) -> None:
        usage = {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}
        self.server("response.done", response={**self._state(response, status), "usage": usage, **fields})
        self.server("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 9, "remaining": 8}])

    def response_fails(self, response: _Response, code: str) -> None:
        details = {"type": "failed", "error": {"type": "server_error", "code": code}}
        self.response_ends(response, "failed", status_details=details)

    def response_is_cancelled(self, response: _Response) -> None:
        details = {"type": "cancelled", "reason": "turn_detected"}
        self.response_ends(response, "cancelled", status_details=details)

    def agent_says(self, text: str, ms: int) -> PartKey:
        """A whole response with one item; its audio arrives at once, as it does."""
        response = self.respond()
        part = self.item(response)
        self.voice(part, text, ms)
        self.item_ends(part, text)
        self.response_ends(response)
        return part

    def writes(self, text: str, *, status: str = "completed", created: bool = True) -> dict[str, Any]:
        """The oldest response beside the conversation, whole; what had asked for it."""
        asked = self.asides.pop(0)
        response = _Response(id=self._id("resp"), metadata=asked["response"]["metadata"])
        state = {"conversation_id": None}
        if created:
            self.server("response.created", response={**self._state(response, "in_progress"), **state})
        item = {
            "id": self._id("item"),
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        place = {"response_id": response.id, "output_index": 0}
        self.server("response.output_item.added", item=item, **place)
        where = {"item_id": item["id"], "content_index": 0, **place}
        self.server("response.content_part.added", part={"type": "text", "text": ""}, **where)
        self.server("response.output_text.delta", delta=text, **where)
        self.server("response.output_text.done", text=text, **where)
        self.server("response.content_part.done", part={"type": "text", "text": text}, **where)
        self.server("response.output_item.done", item={**item, "status": "completed"}, **place)
        response.output.append(
            {**item, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        )
        usage = {"total_tokens": 12, "input_tokens": 10, "output_tokens": 2}
        self.server("response.done", response={**self._state(response, status), **state, "usage": usage})
        return asked

    def agent_calls(self, *names: str, arguments: str = "{}") -> list[str]:
        response = self.respond()
        call_ids = [self.call(response, name, arguments) for name in names]
        self.response_ends(response)
        return call_ids

    # The server, the caller's side.

    def caller_starts(self) -> str:
        item_id = self._id("user")
        self.server("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=self._appended_ms)
        return item_id

    def caller_stops(self, item_id: str) -> None:
        self.server("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=self._appended_ms)
        self.commits(item_id)

    def commits(self, item_id: str) -> None:
        self.server("input_audio_buffer.committed", item_id=item_id, previous_item_id=self._previous_item)
        item = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self._added(item)
        self.server("conversation.item.done", item=item)

    def transcribed(self, item_id: str, text: str) -> None:
        self.server(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": 1.0},
        )

    def caller_says(self, text: str | None, seconds: float = 1.0) -> str:
        """A whole turn; the server's own response to it is for the story to begin."""
        item_id = self.caller_starts()
        self.pass_time(seconds)
        self.caller_stops(item_id)
        if text is not None:
            self.transcribed(item_id, text)
        return item_id

    # What came of it.

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def only(self, kind: type[E]) -> E:
        (event,) = self.all(kind)
        return event

    def sent_types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    def sent_of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.sent if event["type"] == type_]

    def truncated(self) -> list[tuple[str, int]]:
        return [(e["item_id"], e["audio_end_ms"]) for e in self.sent_of("conversation.item.truncate")]

    def acknowledge_items(self) -> None:
        """The server adds what we created, in order."""
        for event in self.sent_of("conversation.item.create"):
            self._added(event["item"])

    def _added(self, item: dict[str, Any]) -> None:
        self.server("conversation.item.added", item=item, previous_item_id=self._previous_item)
        self._previous_item = item["id"]

    def _state(self, response: _Response, status: str) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": status,
            "conversation_id": "conv_1",
            "metadata": response.metadata,
            "output": response.output if status != "in_progress" else [],
        }

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._ids)}"


def _where(part: PartKey) -> dict[str, Any]:
    return {"item_id": part.item_id, "content_index": part.content_index}
