"""One response from `response.created` to `response.done`: the event order of a GA session.

    response.created
      response.output_item.added · conversation.item.added        (the latter not out of band)
        response.content_part.added
          response.output_audio_transcript.delta … response.output_audio.delta …
          response.output_audio.done · response.output_audio_transcript.done
        response.content_part.done
      conversation.item.done · response.output_item.done
    response.done · rate_limits.updated

All events of one step are put without awaiting, so `cancel` always finds a well-formed state and closes it.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from realtime.simulator.conversation import Conversation, Item
from realtime.simulator.faults import RESPONSE_FAULTS, Faults
from realtime.simulator.identifiers import new_id, padding
from realtime.simulator.persona import Chunk, Persona, Prompt
from realtime.simulator.script import Failure, FunctionCall, OutputItem, Reply, Silence
from realtime.simulator.usage import ASSISTANT_AUDIO_MS_PER_TOKEN, Piece, text_tokens, usage

ResponseStatus: TypeAlias = Literal["completed", "cancelled", "failed", "incomplete"]
Reason: TypeAlias = Literal["turn_detected", "client_cancelled", "max_output_tokens"]

# The service sends arguments in a few characters at a time.
ARGUMENT_PIECE = 24
RATE_LIMIT = Failure(
    "inference_rate_limit_exceeded", "Rate limit reached for this model. Please try again later."
)


class Host(Protocol):
    """What a response needs of its session."""

    persona: Persona
    faults: Faults
    conversation: Conversation
    conversation_id: str

    def send(self, event: dict[str, Any]) -> None: ...
    def send_prepared(self, event_type: str, payload: bytes) -> None: ...
    async def room(self) -> None: ...
    async def prompt(self, params: dict[str, Any]) -> Prompt: ...
    def context(self, params: dict[str, Any]) -> list[Piece]: ...
    def previous_context(self) -> list[Piece]: ...
    def response_is_over(self, response: "Response", context: list[Piece]) -> None: ...


class Response:
    """One response: `begin()`, then `run()` as a task once; `cancel()` ends it early."""

    def __init__(self, host: Host, params: dict[str, Any]) -> None:
        self.id = new_id("resp")
        self.params = params  # effective: the session's settings with the overrides of response.create
        self.out_of_band = params["conversation"] == "none"
        self.over = False
        self.audio_ms = 0  # sent so far, all items
        self._host = host
        self._output: list[Item] = []
        self._open: Item | None = None
        self._text_out = 0
        self._context: list[Piece] = []
        self._first_sound_at: float | None = None

    # -- the run ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Announce it, at once: what is cancelled before it runs has been created too."""
        self._host.send({"type": "response.created", "response": self._wire("in_progress")})
        self._context = self._host.context(self.params)

    async def run(self) -> None:
        """From there to `response.done`."""
        prompt = await self._host.prompt(self.params)
        # Whoever orders a fault means what the caller hears.
        wanted = frozenset() if self.out_of_band else RESPONSE_FAULTS - {"never_answer"}
        fault = self._host.faults.take(wanted)
        if fault is not None and fault.kind == "rate_limit_failure":
            return self._finish("failed", failure=RATE_LIMIT)
        if fault is not None and fault.kind == "server_error":
            return self._finish("failed", failure=Failure())
        outputs = await self._host.persona.think(prompt)
        if isinstance(outputs, Failure):
            return self._finish("failed", failure=outputs)
        if fault is not None and fault.kind == "slow_first_audio":
            await asyncio.sleep(fault.delay_ms / 1000)
        elif fault is not None and fault.kind == "two_items":
            outputs = (Reply(text="Let me see.", phase="commentary"), *map(_as_final, outputs))
        for output in outputs:
            complete = self._call(output) if isinstance(output, FunctionCall) else await self._message(output)
            if not complete:
                return self._finish("incomplete", reason="max_output_tokens")
        return self._finish("completed")

    def cancel(self, reason: Reason) -> None:
        """Close what is open and say so.  The caller also cancels the task of `run()`."""
        if self._open is not None:
            self._close_message(self._open, "incomplete")
        self._finish("cancelled", reason=reason)

    # -- items ------------------------------------------------------------------------------------------

    async def _message(self, output: Reply | Silence) -> bool:
        phase = output.phase if isinstance(output, Reply) else None
        audible = self.params["output_modalities"] == ["audio"]
        item = Item(id=new_id("item"), kind="assistant", status="in_progress", phase=phase)
        self._add(item)
        item.content_type = "output_audio" if audible else "output_text"
        item.text = ""
        self._open = item
        self._part("added", item)
        complete = await (self._sound(item, output) if audible else self._words(item, output))
        self._close_message(item, "completed" if complete else "incomplete")
        return complete

    async def _sound(self, item: Item, output: Reply | Silence) -> bool:
        pace = self._host.persona.pace
        wire_format = self.params["audio"]["output"]["format"]["type"]
        prefix, suffix = self._audio_delta_frame(item)
        wait_ms = output.first_audio_ms if isinstance(output, Reply) else None
        await asyncio.sleep((pace.first_audio_ms if wait_ms is None else wait_ms) / 1000)
        speech = self._host.persona.speak(
            output, wire_format, self.params["audio"]["output"]["speed"], pace.chunk_ms
        )
        async for chunk in speech:
            await self._keep_pace(pace.burst_ms, pace.speed)
            if self._tokens_after(chunk) > self._budget():
                return False
            if chunk.text:
                self._delta(item, "response.output_audio_transcript.delta", chunk.text)
            if chunk.data:
                event_id = new_id("event").encode()
                self._host.send_prepared(
                    "response.output_audio.delta", prefix(event_id) + chunk.base64 + suffix
                )
            item.audio.append(chunk.data)
            item.audio_ms += chunk.duration_ms
            self.audio_ms += chunk.duration_ms
            await self._host.room()
        return True

    async def _words(self, item: Item, output: Reply | Silence) -> bool:
        for word in (output.text if isinstance(output, Reply) else "").split(" "):
            piece = word if not item.text else f" {word}"
            if self._tokens() + text_tokens(piece) > self._budget():
                return False
            self._delta(item, "response.output_text.delta", piece)
            await self._host.room()
        return True

    def _call(self, output: FunctionCall) -> bool:
        arguments = output.arguments
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        item = Item(
            id=new_id("item"),
            kind="function_call",
            status="in_progress",
            name=output.name,
            call_id=output.call_id or new_id("call"),
        )
        self._text_out += text_tokens(output.name + arguments)
        if self._tokens() > self._budget():
            return False
        self._add(item)
        at = {**self._at(item), "call_id": item.call_id}
        for start in range(0, len(arguments), ARGUMENT_PIECE):
            piece = arguments[start : start + ARGUMENT_PIECE]
            self._host.send({"type": "response.function_call_arguments.delta", **at, "delta": piece})
        item.arguments = arguments
        done = {"type": "response.function_call_arguments.done", **at}
        self._host.send({**done, "name": item.name, "arguments": arguments})
        item.status = "completed"
        self._item_done(item)
        return True

    # -- events -----------------------------------------------------------------------------------------

    def _add(self, item: Item) -> None:
        self._output.append(item)
        previous = self._host.conversation.last_id
        if not self.out_of_band:
            self._host.conversation.append(item)
        added = {"type": "response.output_item.added", "response_id": self.id}
        self._host.send({**added, "output_index": len(self._output) - 1, "item": item.wire()})
        if not self.out_of_band:
            self._host.send(
                {"type": "conversation.item.added", "previous_item_id": previous, "item": item.wire()}
            )

    def _item_done(self, item: Item) -> None:
        if not self.out_of_band:
            # The client may have deleted it meanwhile: then it has no place any more.
            found = self._host.conversation.find(item.id) is not None
            previous = self._host.conversation.before(item.id) if found else None
            self._host.send(
                {"type": "conversation.item.done", "previous_item_id": previous, "item": item.wire()}
            )
        done = {"type": "response.output_item.done", "response_id": self.id}
        self._host.send({**done, "output_index": self._output.index(item), "item": item.wire()})

    def _close_message(self, item: Item, status: Literal["completed", "incomplete"]) -> None:
        self._open = None
        at = {**self._at(item), "content_index": 0}
        if item.content_type == "output_audio":
            self._host.send({"type": "response.output_audio.done", **at})
            self._host.send(
                {"type": "response.output_audio_transcript.done", **at, "transcript": item.text or ""}
            )
        else:
            self._host.send({"type": "response.output_text.done", **at, "text": item.text or ""})
        self._part("done", item)
        item.status = status
        self._item_done(item)

    def _part(self, what: Literal["added", "done"], item: Item) -> None:
        words = item.text or ""
        audible = item.content_type == "output_audio"
        part = {"type": "audio", "transcript": words} if audible else {"type": "text", "text": words}
        at = {**self._at(item), "content_index": 0}
        self._host.send({"type": f"response.content_part.{what}", **at, "part": part})

    def _delta(self, item: Item, event_type: str, piece: str) -> None:
        # After a truncate of the running item its words stay out of the context.
        if item.cut_at_ms is None:
            item.text = (item.text or "") + piece
        self._text_out += text_tokens(piece)
        event: dict[str, Any] = {"type": event_type, **self._at(item), "content_index": 0, "delta": piece}
        if event_type == "response.output_audio_transcript.delta":
            event["obfuscation"] = padding(piece)
        self._host.send(event)

    def _at(self, item: Item) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": item.id, "output_index": self._output.index(item)}

    def _audio_delta_frame(self, item: Item) -> tuple[Callable[[bytes], bytes], bytes]:
        """The one event that is frequent and big is put together from bytes."""
        at = msgspec.json.encode({**self._at(item), "content_index": 0})
        head = b'{"type":"response.output_audio.delta",' + at[1:-1] + b',"event_id":"'
        return lambda event_id: head + event_id + b'","delta":"', b'"}'

    # -- pace and budget --------------------------------------------------------------------------------

    async def _keep_pace(self, burst_ms: int, speed: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._first_sound_at is None:
            self._first_sound_at = now
        if math.isinf(speed):
            return
        due = self._first_sound_at + max(0, self.audio_ms - burst_ms) / 1000 / speed
        if due > now:
            await asyncio.sleep(due - now)

    def _budget(self) -> float:
        limit = self.params["max_output_tokens"]
        return math.inf if limit == "inf" else float(limit)

    def _tokens(self) -> int:
        return self._text_out + math.ceil(self.audio_ms / ASSISTANT_AUDIO_MS_PER_TOKEN)

    def _tokens_after(self, chunk: Chunk) -> int:
        audio = math.ceil((self.audio_ms + chunk.duration_ms) / ASSISTANT_AUDIO_MS_PER_TOKEN)
        return self._text_out + text_tokens(chunk.text) + audio

    # -- the end ----------------------------------------------------------------------------------------

    def _finish(
        self, status: ResponseStatus, *, reason: Reason | None = None, failure: Failure | None = None
    ) -> None:
        self.over = True
        details: dict[str, Any] | None = None
        if failure is not None:
            code = failure.code
            kind = "server_error" if code == "server_error" else "tokens" if "rate_limit" in code else code
            details = {"type": "failed", "error": {"type": kind, "code": code, "message": failure.message}}
        elif reason is not None:
            details = {"type": status, "reason": reason}
        wire = self._wire(status)
        wire["status_details"] = details
        wire["usage"] = usage(
            [] if self.out_of_band else self._host.previous_context(),
            self._context if failure is None else [],
            text_out=self._text_out,
            audio_out=math.ceil(self.audio_ms / ASSISTANT_AUDIO_MS_PER_TOKEN),
        )
        self._host.send({"type": "response.done", "response": wire})
        self._host.response_is_over(self, self._context)

    def _wire(self, status: str) -> dict[str, Any]:
        output = self.params["audio"]["output"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [item.wire() for item in self._output],
            "conversation_id": None if self.out_of_band else self._host.conversation_id,
            "output_modalities": self.params["output_modalities"],
            "max_output_tokens": self.params["max_output_tokens"],
            "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
            "usage": None,
            "metadata": self.params["metadata"],
        }


def _as_final(output: OutputItem) -> OutputItem:
    return (
        Reply(text=output.text, audio_ms=output.audio_ms, phase="final_answer")
        if isinstance(output, Reply)
        else output
    )
