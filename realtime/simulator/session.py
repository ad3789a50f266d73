"""One client's session: checks and carries out its events, and keeps the one conversation they speak of.

The reading loop, the writer and every response are tasks of one group that ends with the socket.
"""

import asyncio
import base64
import binascii
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from realtime.simulator import client_messages
from realtime.simulator.conversation import Conversation, Item, from_client
from realtime.simulator.faults import Fault, Faults, SocketFault
from realtime.simulator.identifiers import new_id
from realtime.simulator.input_audio import Recording
from realtime.simulator.listening import Listening
from realtime.simulator.outbox import ClientTooSlow, Outbox
from realtime.simulator.persona import Line, Persona, Prompt
from realtime.simulator.record import Record
from realtime.simulator.refusal import Refusal
from realtime.simulator.response import Response
from realtime.simulator.session_config import SAMPLE_RATES, SessionConfig, SessionKind
from realtime.simulator.usage import Piece, text_tokens

# Events whose departure times are kept, for tests of reaction times.
KEPT_SENT = 2000
# A call updates its session a few times an hour.
KEPT_CONFIGURATIONS = 100
# RFC 6455, 7.4.1: what a socket that ended without a close frame counts as.
ABNORMAL_CLOSURE = 1006


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One `session.update` that was obeyed."""

    sent: dict[str, Any]  # its `session`: only what it changes
    in_force: dict[str, Any]  # the whole session after it


class SimulatedSession:
    """What the server knows of one connection.

    For tests: `client_events`, `configurations`, `received_audio_ms`, `append_count`, `items`, `sent`,
    `close_code`, `client_event()` and `strike()`.
    """

    def __init__(
        self,
        *,
        kind: SessionKind = "realtime",
        model: str,
        persona: Persona,
        faults: Faults,
        max_session_s: float,
        request: web.Request,
        socket_: web.WebSocketResponse[bool],
    ) -> None:
        self.id = new_id("sess")
        self.conversation_id = new_id("conv")
        self.persona = persona
        self.faults = faults
        self.conversation = Conversation()
        self.config = SessionConfig(
            kind=kind, session_id=self.id, model=model, expires_at=int(time.time() + max_session_s)
        )
        self.close_code: int | None = None
        self.request_headers = {
            name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"
        }
        # (type, loop time) of the newest events that have left, audio not counted.
        self.sent: deque[tuple[str, float]] = deque(maxlen=KEPT_SENT)
        # What the client made of it, update by update; the newest are kept.
        self.configurations: deque[Configuration] = deque(maxlen=KEPT_CONFIGURATIONS)
        self._record = Record()
        self._request = request
        self._socket = socket_
        self._max_session_s = max_session_s
        self._outbox = Outbox()
        self._listening = Listening(self)
        self._active: Response | None = None
        self._running: dict[str, tuple[Response, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._context: list[Piece] = []
        self._answers_close = True
        self._has_spoken = False
        self._ended = asyncio.Event()

    # -- for tests --------------------------------------------------------------------------------------

    @property
    def client_events(self) -> list[dict[str, Any]]:
        """Events received, in order, without the appends (they are counted: `append_count`)."""
        return self._record.events

    @property
    def append_count(self) -> int:
        """How many `input_audio_buffer.append` have arrived."""
        return self._record.append_count

    @property
    def received_audio_ms(self) -> int:
        """Caller audio received."""
        return self._listening.clock_ms

    @property
    def items(self) -> list[Item]:
        """The default conversation as the model would see it now."""
        return list(self.conversation)

    async def client_event(self, kind: str, *, count: int = 1, timeout: float = 5.0) -> dict[str, Any]:
        """Wait for the `count`-th event of this type, counted from the start.  TimeoutError says what came."""
        return await self._record.wait(kind, count, timeout)

    async def strike(self, kind: SocketFault) -> None:
        """This fault now, to this session and to no other."""
        await self._strike(Fault(kind=kind))

    async def ended(self, *, timeout: float = 5.0) -> int | None:
        """Wait for the end of the socket; its close code."""
        async with asyncio.timeout(timeout):
            await self._ended.wait()
        return self.close_code

    # -- life -------------------------------------------------------------------------------------------

    async def run(self, *, announce: bool) -> None:
        """Serve the socket until it ends.  `announce=False`: the fault of a missing `session.created`."""
        if announce:
            self.send({"type": "session.created", "session": self.config.wire})
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.spawn(self._outbox.write(self._send_frame, self._sent))
                self.spawn(self._expire())
                try:
                    await self._read()
                finally:
                    for task in self._tasks:
                        task.cancel()
        except* ClientTooSlow:
            await self._close(1008)  # RFC 6455: policy violation
        finally:
            self._group = None
            self._listening.close()
            for item in self.conversation:
                item.release_audio()
            if self.close_code is None:
                self.close_code = ABNORMAL_CLOSURE
            self._ended.set()

    async def stop(self) -> None:
        """The server shuts down."""
        await self._close(1001)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the session does."""
        self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None, "a session spawns only while it runs"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                self.receive(message.data)
            elif message.type is WSMsgType.CLOSE:
                self.close_code = message.data
                await self._answer_close()
                return
            else:  # the connection is gone, or we closed it ourselves
                return

    async def _answer_close(self) -> None:
        if self._answers_close:
            await self._socket.close(code=self.close_code or 1000)
            return
        # The fault `silent_close`: keep the connection open and say nothing until the client gives up.
        # Nothing tells of it but the transport itself, hence the polling.
        while (transport := self._request.transport) is not None and not transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _close(self, code: int, reason: bytes = b"") -> None:
        if self.close_code is None:
            self.close_code = code
        with contextlib.suppress(ConnectionError):
            await self._socket.close(code=code, message=reason)

    async def _expire(self) -> None:
        """ "Your session hit the maximum duration": the error, then 1001."""
        await asyncio.sleep(self._max_session_s)
        await self._say_expired()

    async def _say_expired(self) -> None:
        minutes = max(1, round(self._max_session_s / 60))
        refusal = Refusal("session_expired", f"Your session hit the maximum duration of {minutes} minutes.")
        await self._send_frame(self._encode({"type": "error", "error": refusal.error(None)}))
        await self._close(1001)

    # -- out --------------------------------------------------------------------------------------------

    def send(self, event: dict[str, Any]) -> None:
        """Queue one server event; the event id is added here."""
        self._outbox.put(event["type"], self._encode(event))

    def send_prepared(self, event_type: str, payload: bytes) -> None:
        """Queue an event that is encoded already."""
        self._outbox.put(event_type, payload)

    async def room(self) -> None:
        """Wait while the client is behind."""
        await self._outbox.room()

    @staticmethod
    def _encode(event: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"type": event["type"], "event_id": new_id("event"), **event})

    async def _send_frame(self, payload: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.send_frame(payload, WSMsgType.TEXT)

    async def _sent(self, event_type: str) -> None:
        if event_type != "response.output_audio.delta":
            self.sent.append((event_type, asyncio.get_running_loop().time()))
        fault = self.faults.after_event(event_type)
        if fault is not None:
            await self._strike(fault)

    async def _strike(self, fault: Fault) -> None:
        match fault.kind:
            case "drop_1011":
                await self._close(1011, b"internal error")
            case "abort":
                self._reset_connection()
            case "session_expired":
                await self._say_expired()
            case "malformed_json":
                await self._send_frame(b'{"type":"response.output_audio.delta","delta":')
            case "unknown_event":
                await self._send_frame(
                    self._encode({"type": "simulator.unheard_of", "note": "never sent before"})
                )
            case "huge_event":
                await self._send_frame(self._encode({"type": "simulator.huge", "padding": "x" * fault.bytes}))
            case "silent_close":
                self._answers_close = False
            case "stall":
                await asyncio.Event().wait()
            case "hang":
                if self._request.transport is not None:
                    self._request.transport.pause_reading()
                await asyncio.Event().wait()

    def _reset_connection(self) -> None:
        """RST instead of FIN: what a crashed peer or a middlebox that has forgotten the flow looks like."""
        transport = self._request.transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    # -- in ---------------------------------------------------------------------------------------------

    def receive(self, frame: str | bytes) -> None:
        """One frame of the client.  What is wrong with it becomes an `error` event."""
        event_id: str | None = None
        try:
            message = client_messages.parse(frame)
            given = message.get("event_id")
            event_id = given if isinstance(given, str) else None
            self._record.add(str(message.get("type")), message)
            kind = client_messages.check(message)
            if kind == "input_audio_buffer.append":
                self._append(message["audio"])
            else:
                self._obey(kind, message)
        except Refusal as refusal:
            self.send({"type": "error", "error": refusal.error(event_id)})

    def _obey(self, kind: str, message: dict[str, Any]) -> None:
        match kind:
            case "session.update":
                self.config.update(message["session"], voice_is_fixed=self._has_spoken)
                self.configurations.append(Configuration(sent=message["session"], in_force=self.config.wire))
                self._listening.configure()
                self.send({"type": "session.updated", "session": self.config.wire})
            case "input_audio_buffer.commit":
                self._listening.commit()
            case "input_audio_buffer.clear":
                self._listening.clear()
            case "conversation.item.create":
                self._create_item(message)
            case "conversation.item.delete":
                self.conversation.delete(message["item_id"])
                self.send({"type": "conversation.item.deleted", "item_id": message["item_id"]})
            case "conversation.item.retrieve":
                item = self.conversation.retrieve(message["item_id"])
                self.send({"type": "conversation.item.retrieved", "item": item.retrieved()})
            case "conversation.item.truncate":
                at = {name: message[name] for name in ("item_id", "content_index", "audio_end_ms")}
                self.conversation.truncate(**at)
                self.send({"type": "conversation.item.truncated", **at})
            case "response.create":
                self._create_response(message.get("response") or {})
            case "response.cancel":
                self._cancel(message.get("response_id"))
            case "output_audio_buffer.clear":
                raise Refusal(
                    "invalid_value",
                    "output_audio_buffer.clear is only supported for WebRTC and SIP sessions.",
                    "type",
                )
            case _:
                raise AssertionError(f"{kind} passed the check but nobody obeys it")

    def _append(self, audio: str) -> None:
        if len(audio) > client_messages.MAX_APPEND_BYTES:
            raise Refusal("invalid_value", "Invalid 'audio'. An append holds at most 15 MiB.", "audio")
        self._listening.append(_decoded(audio, "audio"))

    def _create_item(self, message: dict[str, Any]) -> None:
        wire = message["item"]
        item, recording = self._item(wire)
        self.conversation.insert(item, message.get("previous_item_id"))
        previous = self.conversation.before(item.id)
        for what in ("added", "done"):
            self.send(
                {"type": f"conversation.item.{what}", "previous_item_id": previous, "item": item.wire()}
            )
        if recording is not None:
            self._listening.understand(item, recording)

    def _item(self, wire: dict[str, Any]) -> tuple[Item, Recording | None]:
        item_id = wire.get("id") or new_id("item")
        encoded = "".join(part["audio"] for part in wire.get("content", ()) if part["type"] == "input_audio")
        if not encoded:
            return from_client(wire, item_id), None
        wire_format = self.config.input_format
        data = _decoded(encoded, "item.content[0].audio")
        per_ms = SAMPLE_RATES[wire_format] * (2 if wire_format == "audio/pcm" else 1) // 1000
        recording = Recording(data=data, wire_format=wire_format, start_ms=0, end_ms=len(data) // per_ms)
        return from_client(wire, item_id, recording.duration_ms, data), recording

    # -- responses --------------------------------------------------------------------------------------

    def _create_response(self, overrides: dict[str, Any]) -> None:
        if self.config.kind == "transcription":
            raise Refusal("invalid_value", "Responses cannot be created in a transcription session.", "type")
        conversation = overrides.get("conversation", "auto")
        if conversation not in ("auto", "none"):
            raise Refusal(
                "invalid_value",
                f"Invalid value: '{conversation}'. Supported values are: 'auto' and 'none'.",
                "response.conversation",
            )
        for index, entry in enumerate(overrides.get("input", ())):
            if entry["type"] == "item_reference" and self.conversation.find(entry["id"]) is None:
                raise Refusal(
                    "invalid_value",
                    f"Item with item_id '{entry['id']}' does not exist.",
                    f"response.input[{index}].id",
                )
        if conversation == "auto" and self._active is not None:
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if conversation == "auto" and self.faults.take(frozenset({"never_answer"})) is not None:
            return
        response = Response(self, self._effective(overrides))
        if not response.out_of_band:
            self._active = response
            self._has_spoken = self._has_spoken or response.params["output_modalities"] == ["audio"]
        response.begin()
        task = self._spawn(response.run())
        self._running[response.id] = (response, task)

    def _effective(self, overrides: dict[str, Any]) -> dict[str, Any]:
        session = self.config.wire
        output = {**session["audio"]["output"], **overrides.get("audio", {}).get("output", {})}
        return {
            "conversation": "auto",
            "metadata": None,
            "output_modalities": session["output_modalities"],
            "max_output_tokens": session["max_output_tokens"],
            "tools": session["tools"],
            "tool_choice": session["tool_choice"],
            "parallel_tool_calls": session.get("parallel_tool_calls", True),
            **{name: value for name, value in overrides.items() if name != "audio"},
            "audio": {"output": output},
        }

    def _cancel(self, response_id: str | None) -> None:
        if response_id is None and self._active is not None:
            response_id = self._active.id
        running = self._running.get(response_id or "")
        if running is None:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        response, task = running
        task.cancel()
        response.cancel("client_cancelled")

    def caller_began_to_speak(self) -> None:
        """Barge-in: only a response of the default conversation is cancelled."""
        if self._active is not None:
            response, task = self._running[self._active.id]
            task.cancel()
            response.cancel("turn_detected")

    def caller_turn_is_over(self) -> None:
        """Turn detection asks for a response."""
        try:
            self._create_response({})
        except Refusal as refusal:  # "may fail to create a response if the model is already responding"
            self.send({"type": "error", "error": refusal.error(None)})

    def is_responding(self) -> bool:
        """Whether a response of the default conversation is running."""
        return self._active is not None

    def response_is_over(self, response: Response, context: list[Piece]) -> None:
        """Called by the response when its `response.done` is queued."""
        self._running.pop(response.id, None)
        if not response.out_of_band:
            self._active = None
            self._context = context
            self._listening.response_was_spoken(response.audio_ms)
        limits = (("requests", 1000, 999), ("tokens", 50_000, 49_950))
        rate_limits = [
            {"name": name, "limit": limit, "remaining": left, "reset_seconds": 60}
            for name, limit, left in limits
        ]
        self.send({"type": "rate_limits.updated", "rate_limits": rate_limits})

    # -- context ----------------------------------------------------------------------------------------

    def previous_context(self) -> list[Piece]:
        """The context of the last response: what the cache holds."""
        return self._context

    def context(self, params: dict[str, Any]) -> list[Piece]:
        """What a response with these settings reads, as tokens."""
        instructions = params.get("instructions", self.config.wire["instructions"])
        tools = msgspec.json.encode(params["tools"]).decode() if params["tools"] else ""
        # Tools first, as in the service's other APIs; a paragraph that changes keeps those before it cached.
        head = [Piece(text, text_tokens(text), 0) for text in (tools, *instructions.split("\n\n")) if text]
        return [*head, *(item.piece() for item in self._input_items(params))]

    async def prompt(self, params: dict[str, Any]) -> Prompt:
        """The same as words; waits until the caller's words are known."""
        items = self._input_items(params)
        for item in items:
            await self._listening.heard(item.id)
        return Prompt(
            instructions=self.config.wire["instructions"],
            response_instructions=params.get("instructions"),
            tools=params["tools"],
            tool_choice=params["tool_choice"],
            parallel_tool_calls=params["parallel_tool_calls"],
            lines=[_line(item) for item in items],
            out_of_band=params["conversation"] == "none",
        )

    def _input_items(self, params: dict[str, Any]) -> list[Item]:
        if "input" not in params:
            return list(self.conversation)
        items: list[Item] = []
        for wire in params["input"]:
            found = self.conversation.find(wire["id"]) if wire["type"] == "item_reference" else None
            if found is not None:
                items.append(found)
            elif wire["type"] != "item_reference":
                items.append(self._item(wire)[0])
        return items


def _decoded(encoded: str, path: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{path}'. Expected base64-encoded audio bytes, but got an invalid value."
        raise Refusal("invalid_value", message, path) from None


def _line(item: Item) -> Line:
    return Line(
        kind=item.kind,
        text=item.text or "",
        name=item.name,
        arguments=item.arguments,
        output=item.output,
        call_id=item.call_id,
        spoken=item.content_type == "input_audio",
        cut=item.cut_at_ms is not None,
    )
