"""The items of one session, in order: insert, delete, truncate, and what each looks like on the wire.

Knows nothing of sockets or of time.  Refuses in the service's words.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from realtime.simulator.refusal import Refusal
from realtime.simulator.usage import ASSISTANT_AUDIO_MS_PER_TOKEN, USER_AUDIO_MS_PER_TOKEN, Piece, text_tokens

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]
Kind: TypeAlias = Literal["user", "assistant", "system", "function_call", "function_call_output"]


@dataclass(slots=True, kw_only=True)
class Item:
    """One item.  `text` is what was said or written; of caller audio, what was understood (None: not yet)."""

    id: str
    kind: Kind
    status: Status = "completed"
    content_type: str | None = None  # input_text, input_audio, output_text, output_audio; None: not a message
    text: str | None = None
    transcript: str | None = None  # of caller audio: what the transcription told the client
    audio_ms: int = 0
    audio: list[bytes] = field(default_factory=list)  # in the wire's format, in pieces
    cut_at_ms: int | None = None  # truncated: the words are gone, the audio after this is gone
    phase: str | None = None
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""

    def wire(self) -> dict[str, Any]:
        """The item as events carry it: without audio, without `object`, as captured from the service."""
        if self.kind == "function_call":
            return {
                "id": self.id,
                "type": "function_call",
                "status": self.status,
                "name": self.name,
                "call_id": self.call_id,
                "arguments": self.arguments,
            }
        if self.kind == "function_call_output":
            return {
                "id": self.id,
                "type": "function_call_output",
                "status": self.status,
                "call_id": self.call_id,
                "output": self.output,
            }
        wire = {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": self.kind,
            "content": self._content(),
        }
        if self.phase is not None:
            wire["phase"] = self.phase
        return wire

    def _content(self) -> list[dict[str, Any]]:
        if self.content_type is None:
            return []
        if self.content_type == "input_audio":
            return [{"type": "input_audio", "transcript": self.transcript}]
        if self.content_type == "output_audio":
            return [{"type": "output_audio", "transcript": self.text or ""}]
        return [{"type": self.content_type, "text": self.text or ""}]

    def retrieved(self) -> dict[str, Any]:
        """The item as `conversation.item.retrieved` carries it: with its audio."""
        wire = {**self.wire(), "object": "realtime.item"}
        if self.content_type in ("input_audio", "output_audio"):
            data = b"".join(self.audio)
            if self.cut_at_ms is not None and self.audio_ms:
                data = data[: len(data) * self.cut_at_ms // self.audio_ms // 2 * 2]
            wire["content"][0]["audio"] = base64.b64encode(data).decode("ascii")
        return wire

    def piece(self) -> Piece:
        """What the item costs as context."""
        audio_ms = self.audio_ms if self.cut_at_ms is None else self.cut_at_ms
        per_token = USER_AUDIO_MS_PER_TOKEN if self.kind == "user" else ASSISTANT_AUDIO_MS_PER_TOKEN
        words = "" if self.content_type == "input_audio" else (self.text or "")
        words += self.name + self.arguments + self.output
        return Piece(
            f"{self.id}/{self.cut_at_ms}/{self.status}", text_tokens(words), -(-audio_ms // per_token)
        )

    def release_audio(self) -> None:
        """Forget the sound, keep the words."""
        self.audio.clear()


# Items that keep their sound: a long call would otherwise hold all of it, 3 MB a minute of speech.
SOUNDING_ITEMS = 20


class Conversation:
    """The default conversation of a session.  Only the newest SOUNDING_ITEMS keep their audio."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """The `previous_item_id` of an item that is appended now."""
        return self._items[-1].id if self._items else None

    def find(self, item_id: str) -> Item | None:
        """The item, None when there is none with this id."""
        return next((item for item in self._items if item.id == item_id), None)

    def before(self, item_id: str) -> str | None:
        """The id of the item in front, None at the start."""
        index = self._index(item_id)
        return self._items[index - 1].id if index else None

    def append(self, item: Item) -> None:
        """Put an item at the end."""
        self._items.append(item)
        if len(self._items) > SOUNDING_ITEMS:
            self._items[-SOUNDING_ITEMS - 1].release_audio()

    def insert(self, item: Item, previous_item_id: str | None) -> None:
        """Put a client's item behind `previous_item_id` (None: at the end, "root": at the start)."""
        if self.find(item.id) is not None:
            raise Refusal("invalid_value", f"Item with item_id '{item.id}' already exists.", "item.id")
        if item.kind == "function_call_output" and not self._has_call(item.call_id):
            raise Refusal(
                "invalid_tool_call_id",
                f"Tool call ID '{item.call_id}' not found in conversation.",
                "item.call_id",
            )
        if previous_item_id is None:
            self._items.append(item)
        elif previous_item_id == "root":
            self._items.insert(0, item)
        elif self.find(previous_item_id) is None:
            raise Refusal(
                "invalid_value",
                f"Previous item with item_id '{previous_item_id}' does not exist.",
                "previous_item_id",
            )
        else:
            self._items.insert(self._index(previous_item_id) + 1, item)

    def delete(self, item_id: str) -> None:
        """Remove an item."""
        item = self.find(item_id)
        if item is None:
            raise Refusal(
                "item_delete_invalid_item_id",
                f"Error deleting item: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        self._items.remove(item)

    def retrieve(self, item_id: str) -> Item:
        """The item, or the service's refusal."""
        item = self.find(item_id)
        if item is None:
            raise Refusal(
                "item_retrieve_invalid_item_id",
                f"Error retrieving item: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        return item

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an assistant message's audio.

        "Truncating audio will delete the server-side text transcript": there is not enough information to say
        which words were heard.
        """
        item = self.find(item_id)
        if item is None:
            raise Refusal(
                "item_truncate_invalid_item_id",
                f"Error truncating item: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        if item.kind != "assistant" or item.content_type != "output_audio":
            raise Refusal("invalid_value", "Only model output audio messages can be truncated.", "item_id")
        if content_index != 0:
            raise Refusal(
                "invalid_value", f"Content part at index {content_index} does not exist.", "content_index"
            )
        length_ms = item.audio_ms if item.cut_at_ms is None else item.cut_at_ms
        if audio_end_ms > length_ms:
            raise Refusal(
                "invalid_value",
                f"Audio content of {length_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.cut_at_ms = audio_end_ms
        item.text = ""

    def _has_call(self, call_id: str) -> bool:
        return any(item.kind == "function_call" and item.call_id == call_id for item in self._items)

    def _index(self, item_id: str) -> int:
        return next(index for index, item in enumerate(self._items) if item.id == item_id)


def from_client(wire: dict[str, Any], item_id: str, audio_ms: int = 0, audio: bytes = b"") -> Item:
    """An item from a checked client object.  `audio` and `audio_ms`: its decoded input_audio, if it has any."""
    if wire["type"] == "function_call":
        return Item(
            id=item_id,
            kind="function_call",
            name=wire["name"],
            call_id=wire.get("call_id", item_id),
            arguments=wire["arguments"],
        )
    if wire["type"] == "function_call_output":
        return Item(id=item_id, kind="function_call_output", call_id=wire["call_id"], output=wire["output"])
    content = wire["content"]
    types = [part["type"] for part in content]
    if audio:
        return Item(
            id=item_id,
            kind=wire["role"],
            content_type="input_audio",
            transcript=next(
                (part.get("transcript") for part in content if part["type"] == "input_audio"), None
            ),
            audio_ms=audio_ms,
            audio=[audio],
        )
    words = "\n".join(part["text"] for part in content if "text" in part)
    return Item(id=item_id, kind=wire["role"], content_type=types[0] if types else None, text=words)
