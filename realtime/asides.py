"""Responses beside the conversation: the model writes something down that nobody hears.

`response.create {conversation: "none"}` runs in parallel with the conversation's own response: it is never the
active one, is not cancelled by a caller who speaks, and must not be voiced, whatever a server makes of it. So
every event of such a response is taken out here, before anybody else looks at it. Source: API guide, "Creating
responses outside the default conversation".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from realtime import client_events, server_events

Purpose = Literal["extraction", "summary"]

# One extraction in the air and a summary behind it; what is older has been given up.
UNDER_WAY_LIMIT = 8
# A few short facts, or three sentences: what is longer is not what was asked for.
TOKENS_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An aside that is over. `values` is empty where it failed or was not a JSON object."""

    purpose: Purpose
    request_id: str
    values: dict[str, Any]
    response: server_events.ResponseState


@dataclass(slots=True)
class _UnderWay:
    request_id: str
    event_id: str
    purpose: Purpose
    response_id: str | None = None
    text: str = ""


@dataclass(slots=True)
class Asides:
    """`ask` gives the message to send; give `receive` every server event, and take `written()` after it."""

    refused: str | None = None  # why the server takes none: no more are asked for in this session
    _under_way: dict[str, _UnderWay] = field(default_factory=dict)  # by request_id
    _written: list[Written] = field(default_factory=list)
    _over: deque[str] = field(default_factory=lambda: deque(maxlen=UNDER_WAY_LIMIT))  # response ids
    _asked: int = 0

    def ask(self, purpose: Purpose, instructions: str, lines: Sequence[dict[str, Any]]) -> tuple[str, bytes]:
        """(request_id, message). `lines` are all that the model sees beside `instructions`: messages."""
        self._asked += 1
        aside = _UnderWay(f"aside_{self._asked}", f"aside_ev_{self._asked}", purpose)
        if len(self._under_way) >= UNDER_WAY_LIMIT:
            del self._under_way[next(iter(self._under_way))]
        self._under_way[aside.request_id] = aside
        body = {
            "conversation": "none",
            "output_modalities": ["text"],
            "instructions": instructions,
            "tools": [],
            "tool_choice": "none",
            "max_output_tokens": TOKENS_LIMIT,
            "input": list(lines),
            "metadata": {"purpose": purpose},
        }
        return aside.request_id, client_events.create_response(aside.event_id, aside.request_id, body)

    def receive(self, event: server_events.ServerEvent) -> bool:
        """Whether the event belongs to an aside: then nobody else may see it."""
        match event:
            case server_events.ResponseCreated(response=response):
                aside = self._of(response)
                if aside is not None:
                    aside.response_id = response.id
                return aside is not None
            case server_events.ResponseDone(response=response):
                return self._done(response)
            case server_events.ErrorEvent(error=error):
                return self._error(error)
            case _:
                aside = self._by_response(getattr(event, "response_id", None))
                if aside is not None and isinstance(event, server_events.TextDone):
                    aside.text = event.text
                return aside is not None or getattr(event, "response_id", None) in self._over

    def written(self) -> list[Written]:
        """What has been written since the last time; empties the list."""
        taken, self._written = self._written, []
        return taken

    def waits_for(self, request_id: str | None) -> bool:
        return request_id in self._under_way

    def forget(self) -> None:
        """The session is gone, and with it what it was writing. A new one may take asides again."""
        self._under_way.clear()
        self.refused = None

    def _of(self, response: server_events.ResponseState) -> _UnderWay | None:
        request_id = (response.metadata or {}).get("request")
        found = self._under_way.get(request_id) if isinstance(request_id, str) else None
        return found or self._by_response(response.id)

    def _by_response(self, response_id: Any) -> _UnderWay | None:
        if response_id is None:
            return None
        return next((each for each in self._under_way.values() if each.response_id == response_id), None)

    def _done(self, response: server_events.ResponseState) -> bool:
        aside = self._of(response)
        if aside is None:
            return response.id in self._over
        del self._under_way[aside.request_id]
        self._over.append(response.id)
        values = json_object(aside.text) if response.status == "completed" else {}
        self._written.append(
            Written(purpose=aside.purpose, request_id=aside.request_id, values=values, response=response)
        )
        return True

    def _error(self, error: server_events.ErrorDetail) -> bool:
        aside = next((each for each in self._under_way.values() if each.event_id == error.event_id), None)
        if aside is None:
            return False
        # Some gateways take no `conversation: "none"`; asking again would only be refused again.
        self.refused = error.code or error.type or "unknown"
        del self._under_way[aside.request_id]
        return True


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a model's answer, which may stand between other words; empty where there is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        value = msgspec.json.decode(text[start : end + 1]) if 0 <= start < end else None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return {}
    return value if isinstance(value, dict) else {}
