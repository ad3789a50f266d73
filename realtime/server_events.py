"""The Realtime API's server events that a conversation acts on, parsed strictly where we read, loosely elsewhere.

`parse()` never raises for what a server may send: an event of another type is `Ignored`, a message that is
not JSON or lacks a field we need is `Malformed`. Fields that we do not read are not looked at, so a new one
breaks nothing. Source: API reference, "Realtime server events" (GA).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from media.playout import PartKey


class _Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Read what we know; pass over the rest."""


class SessionState(_Struct, frozen=True, kw_only=True):
    id: str | None = None
    model: str | None = None
    audio: Any = None
    expires_at: int | None = None


class SessionCreated(_Struct, frozen=True, kw_only=True):
    session: SessionState


class SessionUpdated(_Struct, frozen=True, kw_only=True):
    session: SessionState


class ErrorDetail(_Struct, frozen=True, kw_only=True):
    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None  # of the client event that caused it


class ErrorEvent(_Struct, frozen=True, kw_only=True):
    error: ErrorDetail


class SpeechStarted(_Struct, frozen=True, kw_only=True):
    item_id: str  # of the user item that this speech will become
    audio_start_ms: int | None = None  # of all audio appended; includes the padding before the speech


class SpeechStopped(_Struct, frozen=True, kw_only=True):
    item_id: str
    audio_end_ms: int  # of all audio appended; includes the silence that ended the speech


class Committed(_Struct, frozen=True, kw_only=True):
    item_id: str
    previous_item_id: str | None = None


class Item(_Struct, frozen=True, kw_only=True):
    id: str | None = None
    type: str | None = None
    role: str | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    status: str | None = None
    phase: str | None = None


class ItemAdded(_Struct, frozen=True, kw_only=True):
    item: Item
    previous_item_id: str | None = None


class ItemDone(_Struct, frozen=True, kw_only=True):
    item: Item


class ItemTruncated(_Struct, frozen=True, kw_only=True):
    item_id: str
    content_index: int
    audio_end_ms: int


class TranscriptionDelta(_Struct, frozen=True, kw_only=True):
    item_id: str
    delta: str | None = None


class TranscriptionCompleted(_Struct, frozen=True, kw_only=True):
    item_id: str
    transcript: str


class TranscriptionFailed(_Struct, frozen=True, kw_only=True):
    item_id: str
    error: ErrorDetail = ErrorDetail()  # no message is needed to know that no words will come


class CachedTokens(_Struct, frozen=True, kw_only=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None


class TokenDetails(_Struct, frozen=True, kw_only=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


class UsageState(_Struct, frozen=True, kw_only=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: TokenDetails | None = None
    output_token_details: TokenDetails | None = None


class StatusDetails(_Struct, frozen=True, kw_only=True):
    type: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


class ResponseState(_Struct, frozen=True, kw_only=True):
    id: str
    status: str | None = None
    conversation_id: str | None = None
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET  # the API has it always, null or not
    output: list[Item] | None = None
    status_details: StatusDetails | None = None
    usage: UsageState | None = None

    @property
    def request_id(self) -> str | None:
        """Of the `response.create` that asked for it (see client_events); None for the server's own."""
        request_id = (self.metadata or {}).get("request")
        return request_id if isinstance(request_id, str) else None

    @property
    def tells_request(self) -> bool:
        """False: by a server that never says what a response answers."""
        return self.metadata is not msgspec.UNSET

    @property
    def should_have_spoken(self) -> bool:
        """Without audio this is a reply that nobody heard: one that was filtered, or that was only written."""
        wrote = any(item.type == "message" for item in self.output or ())
        return self.status == "incomplete" or (self.status == "completed" and wrote)

    @property
    def failure(self) -> tuple[str, str]:
        """(code, message) of a response that failed, or that nobody heard."""
        error = self.status_details.error if self.status_details is not None else None
        code = (error.code or error.type) if error is not None else None
        nameless = "response_not_spoken" if self.status == "completed" else f"response_{self.status}"
        return code or nameless, (error.message or "") if error is not None else ""


class ResponseCreated(_Struct, frozen=True, kw_only=True):
    response: ResponseState


class ResponseDone(_Struct, frozen=True, kw_only=True):
    response: ResponseState


class OutputItemAdded(_Struct, frozen=True, kw_only=True):
    response_id: str
    item: Item
    output_index: int = 0


class OutputItemDone(_Struct, frozen=True, kw_only=True):
    response_id: str
    item: Item
    output_index: int = 0


class PartEvent(_Struct, frozen=True, kw_only=True):
    """What every event about one part of an item has."""

    response_id: str
    item_id: str
    content_index: int = 0

    @property
    def part(self) -> PartKey:
        return PartKey(response_id=self.response_id, item_id=self.item_id, content_index=self.content_index)


class AudioDelta(PartEvent, frozen=True, kw_only=True):
    delta: bytes  # base64 on the wire, decoded by msgspec


class AudioDone(PartEvent, frozen=True, kw_only=True):
    pass


class AudioTranscriptDelta(PartEvent, frozen=True, kw_only=True):
    delta: str


class AudioTranscriptDone(PartEvent, frozen=True, kw_only=True):
    transcript: str


class TextDelta(PartEvent, frozen=True, kw_only=True):
    delta: str


class TextDone(PartEvent, frozen=True, kw_only=True):
    text: str


class FunctionArgumentsDone(_Struct, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str


class Ignored(_Struct, frozen=True, kw_only=True):
    """A type that a conversation does not act on, or does not know."""

    type: str
    known: bool


class Malformed(_Struct, frozen=True, kw_only=True):
    """Not JSON, not an object, or a field that we need is missing or of another type."""

    type: str | None
    problem: str


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ErrorEvent
    | SpeechStarted
    | SpeechStopped
    | Committed
    | ItemAdded
    | ItemDone
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | AudioDelta
    | AudioDone
    | AudioTranscriptDelta
    | AudioTranscriptDone
    | TextDelta
    | TextDone
    | FunctionArgumentsDone
    | Ignored
    | Malformed
)

EVENT_TYPES: dict[str, type[Any]] = {
    "session.created": SessionCreated,
    "session.updated": SessionUpdated,
    "error": ErrorEvent,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    "input_audio_buffer.committed": Committed,
    "conversation.item.added": ItemAdded,
    "conversation.item.created": ItemAdded,  # the beta name; compatible servers still send it
    "conversation.item.done": ItemDone,
    "conversation.item.truncated": ItemTruncated,
    "conversation.item.input_audio_transcription.delta": TranscriptionDelta,
    "conversation.item.input_audio_transcription.completed": TranscriptionCompleted,
    "conversation.item.input_audio_transcription.failed": TranscriptionFailed,
    "response.created": ResponseCreated,
    "response.done": ResponseDone,
    "response.output_item.added": OutputItemAdded,
    "response.output_item.done": OutputItemDone,
    "response.output_audio.delta": AudioDelta,
    "response.output_audio.done": AudioDone,
    "response.output_audio_transcript.delta": AudioTranscriptDelta,
    "response.output_audio_transcript.done": AudioTranscriptDone,
    "response.output_text.delta": TextDelta,
    "response.output_text.done": TextDone,
    "response.function_call_arguments.done": FunctionArgumentsDone,
}

# Known and of no consequence here: named so that an unknown type can be told from them in the log.
IGNORED_TYPES: frozenset[str] = frozenset(
    {
        "conversation.created",
        "conversation.item.deleted",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "output_audio_buffer.cleared",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
    }
)


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head)
_decoders = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}


def parse(message: bytes | str) -> ServerEvent:
    """One text frame → one event. Never raises for any input."""
    try:
        name = _head.decode(message).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(type=None, problem=str(error)[:200])
    decoder = _decoders.get(name)
    if decoder is None:
        return Ignored(type=name, known=name in IGNORED_TYPES)
    try:
        event: ServerEvent = decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(type=name, problem=str(error)[:200])
    return event


ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
