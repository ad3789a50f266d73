"""A route and everything said about it in one value: handler, who may use it, and its documentation.

The application is built from these values and so is /openapi.json, so that no route goes undocumented and
no document describes a route that is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from signaling.errors import UnknownCall
from signaling.settings import Settings
from signaling.web.auth import Access, Doorkeeper, Principal
from signaling.web.feed import Feed
from signaling.web.passwords import PasswordCheck
from signaling.web.ports import (
    AgentBook,
    AgentDrafts,
    CallArchive,
    CallDesk,
    OperatorDesk,
    OtherNodes,
    People,
    RecordingArchive,
    ToolBook,
    Unstored,
)
from signaling.web.throttle import Throttle
from storage.call_ids import is_call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What every handler may reach."""

    desk: CallDesk
    archive: CallArchive
    feed: Feed
    agents: AgentBook
    drafts: AgentDrafts | None  # None: agents are files only
    tools: ToolBook
    recordings: RecordingArchive | None  # None: this server keeps none
    people: People | None  # None: tokens are the only way in
    operators: OperatorDesk | None  # None: nobody can take a call here
    passwords: PasswordCheck
    settings: Settings
    keeper: Doorkeeper
    new_calls: Throttle  # per address
    failed_sign_ins: Throttle  # per address
    pages: Path  # where the built pages are
    others: OtherNodes
    unstored: Unstored
    documents: Mapping[str, bytes] = field(default_factory=dict)  # /openapi.json and /asyncapi.json


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One admitted request."""

    request: web.Request
    doors: Doors
    who: Principal

    @property
    def call_id(self) -> str:
        """From the path; a UUID."""
        return self.request.match_info["id"]


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One documented way a route answers."""

    description: str
    shape: type | None = None  # a msgspec Struct: the JSON body
    media_types: tuple[str, ...] = ("application/json",)
    headers: Mapping[str, str] = field(default_factory=dict)  # name → description


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query parameter."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One request header that a route acts upon."""

    name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route reads."""

    media_type: str
    shape: type | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    access: Access
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    problems: tuple[int, ...] = ()
    query: tuple[Query, ...] = ()
    headers: tuple[Header, ...] = ()
    body: Body | None = None
    call_of: Callable[[web.Request], str | None] | None = None  # whose call it is, where not in the path

    def serve(self, doors: Doors) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The aiohttp handler: check the id in the path, admit, then answer."""

        async def answer(request: web.Request) -> web.StreamResponse:
            call_id = self._call_id(request)
            who = doors.keeper.admit(request, self.access, call_id=call_id)
            return await self.handler(Visit(request=request, doors=doors, who=who))

        return answer

    def _call_id(self, request: web.Request) -> str | None:
        if self.call_of is not None:
            return self.call_of(request)
        if not self.path.startswith("/v1/calls/{id}"):
            return None
        call_id = request.match_info["id"]
        if not is_call_id(call_id):
            raise UnknownCall("This is not a call id.", fix="Call ids are UUIDs, as in the Location header.")
        return call_id


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A value of one of the shapes as JSON."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
