"""/asyncapi.json: AsyncAPI 3.0 of the events, from the very classes that are sent.

The same envelope travels on Redis (PUBLISH) and on the live feed; the feed adds `snapshot` and `resync`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from storage.channels import calls_channel, desk_channel
from storage.desk_events import DESK_EVENT_TYPES, DeskEvent
from storage.events import Event
from storage.projection import CallView

ASYNCAPI_VERSION = "3.0.0"
_REF = "#/components/schemas/{name}"
_UUID = {"type": "string", "format": "uuid"}
_SEQ = {"type": "integer", "minimum": 0}


def event_classes() -> list[type[Event]]:
    """Every event type there is, by its name on the wire."""
    return sorted(_leaves(Event), key=lambda event: event.type)


def asyncapi_document(*, version: str) -> dict[str, Any]:
    """The whole document, JSON-ready."""
    events = event_classes()
    desk_events = list(DESK_EVENT_TYPES.values())
    _, schemas = msgspec.json.schema_components([*events, *desk_events, CallView], ref_template=_REF)
    messages = {event.__name__: _message(event) for event in events}
    desk_messages = {event.__name__: _desk_message(event) for event in desk_events}
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Cordboard events",
            "version": version,
            "description": "What happens on calls. `seq` starts at 0 and has no gaps; where one shows, fetch "
            "GET /v1/calls/{id}/events?after=SEQ.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "redis": {
                "host": "localhost:6379",
                "protocol": "redis",
                "description": "REDIS_URL of the installation.",
            },
            "feed": {
                "host": "localhost:8080",
                "protocol": "ws",
                "description": "CORDBOARD_URL of the installation; wss behind TLS.",
            },
        },
        "channels": {
            "calls": {
                "address": calls_channel("{tenant}", "{call_id}"),
                "description": "PSUBSCRIBE cordboard:<tenant>:calls:* hears all of a tenant's calls.",
                "servers": [{"$ref": "#/servers/redis"}],
                "parameters": {
                    "tenant": {"description": "Tenant, `default` where there is one only."},
                    "call_id": {"description": "Call id (UUIDv7)."},
                },
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            },
            "desk": {
                "address": desk_channel("{tenant}"),
                "description": "What happens without a call; neither numbered nor stored as events.",
                "servers": [{"$ref": "#/servers/redis"}],
                "parameters": {"tenant": {"description": "Tenant, `default` where there is one only."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in desk_messages},
            },
            "feed": {
                "address": "/v1/events",
                "description": "The first message is a snapshot; the calls of every server are in it.",
                "servers": [{"$ref": "#/servers/feed"}],
                "bindings": {"ws": {"method": "GET", "query": _feed_query(), "bindingVersion": "0.1.0"}},
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in ("Snapshot", "Resync", *messages, *desk_messages)
                },
            },
        },
        "operations": {
            "publishCallEvents": {"action": "send", "channel": {"$ref": "#/channels/calls"}},
            "publishDeskEvents": {"action": "send", "channel": {"$ref": "#/channels/desk"}},
            "sendLiveFeed": {"action": "send", "channel": {"$ref": "#/channels/feed"}},
        },
        "components": {
            "messages": messages | desk_messages | {"Snapshot": _snapshot(), "Resync": _resync()},
            "schemas": schemas,
        },
    }


def _leaves(base: type[Event]) -> Iterator[type[Event]]:
    for child in base.__subclasses__():
        if "type" in vars(child):
            yield child
        yield from _leaves(child)


def _message(event: type[Event]) -> dict[str, Any]:
    """The envelope with this event's data. What is only shown live has neither id nor seq."""
    properties = _envelope(event) | {"call_id": _UUID}
    if not event.live_only:
        properties |= {"id": {"type": "string", "description": "<call_id>:<seq>"}, "seq": _SEQ}
    return _enveloped(event, properties)


def _desk_message(event: type[DeskEvent]) -> dict[str, Any]:
    """The same without a call: neither call_id nor id nor seq."""
    return _enveloped(event, _envelope(event))


def _envelope(event: type[Event] | type[DeskEvent]) -> dict[str, Any]:
    return {
        "v": {"const": 1},
        "tenant": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "type": {"const": event.type},
        "data": {"$ref": _REF.format(name=event.__name__)},
    }


def _enveloped(event: type[Event] | type[DeskEvent], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": event.type,
        "summary": (event.__doc__ or event.type).strip().partition("\n")[0]
        if event.__doc__ and event.__doc__ != Event.__doc__
        else event.type,
        "contentType": "application/json",
        "payload": {"type": "object", "required": sorted(properties), "properties": properties},
    }


def _snapshot() -> dict[str, Any]:
    data = {
        "type": "object",
        "required": ["calls", "handoffs", "last_seq"],
        "properties": {
            "calls": {"type": "array", "items": {"$ref": _REF.format(name="CallView")}},
            "handoffs": {"type": "array", "items": {"type": "object"}},
            "last_seq": {
                "type": "object",
                "description": "By call id; -1 where nothing was seen yet.",
                "additionalProperties": {"type": "integer", "minimum": -1},
            },
        },
    }
    return _marker(
        "snapshot",
        "What is the case now; events continue from last_seq. Comes first, and again when "
        "events may have been missed: where last_seq is beyond what was seen, fetch the gap.",
        data,
    )


def _resync() -> dict[str, Any]:
    data = {
        "type": "object",
        "required": ["dropped"],
        "properties": {"dropped": {"type": "integer", "minimum": 1}},
    }
    return _marker("resync", "The client was too slow and this many messages were dropped here.", data)


def _marker(type: str, summary: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": type,
        "summary": summary,
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["data", "type"],
            "properties": {"type": {"const": type}, "data": data},
        },
    }


def _feed_query() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "topics": {
                "type": "string",
                "description": "calls, handoffs (and who is at the desk), call:ID, separated by commas",
            },
            "since": {"type": "integer", "description": "only with exactly one call:ID topic"},
            "ticket": {"type": "string", "description": "where no Authorization header can be sent"},
        },
    }
