"""What happens without a call: an agent published, an operator there or gone (later: a node lost).

The same envelope as a call's events, without call_id, id and seq: these are news for whoever listens at the
moment, on `cordboard:<tenant>:desk`. Their record is audit_log, so a listener that missed one asks the database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from storage.clean_text import clean
from storage.codec import EnvelopeError
from storage.envelope import VERSION, rfc3339


class DeskEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every desk event's data."""

    type: ClassVar[str]


class AgentPublished(DeskEvent, frozen=True, kw_only=True):
    """A new version takes new calls from now on; running calls keep theirs."""

    type: ClassVar[str] = "agent.published"
    agent: str
    version: str  # "v3", as calls carry it
    published_by: str
    note: str
    restores: str | None = None  # "v1" where this was a rollback


class PresenceChanged(DeskEvent, frozen=True, kw_only=True):
    """An operator is there in another way than before, or has another call."""

    type: ClassVar[str] = "presence.changed"
    operator: str
    name: str
    presence: Literal["available", "busy", "wrap_up", "offline"]
    handoff_id: str | None = None  # that rings there, or is being talked about
    why: str | None = None  # why busy, where the desk decided it: not_responding


class DeskEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One desk event as it stands on Redis."""

    v: int
    tenant: str
    at: str  # RFC 3339, UTC, milliseconds
    type: str
    data: dict[str, Any]


DESK_EVENT_TYPES: dict[str, type[DeskEvent]] = {event.type: event for event in DeskEvent.__subclasses__()}

_decoder = msgspec.json.Decoder(DeskEnvelope)


def desk_envelope(event: DeskEvent, *, tenant: str, at: datetime) -> DeskEnvelope:
    """The envelope of something that happened at `at` (aware)."""
    return DeskEnvelope(
        v=VERSION, tenant=tenant, at=rfc3339(at), type=event.type, data=clean(msgspec.to_builtins(event))
    )


def encode_desk(envelope: DeskEnvelope) -> bytes:
    """One line of UTF-8 JSON."""
    return msgspec.json.encode(envelope)


def decode_desk(raw: bytes | str) -> DeskEnvelope:
    """Read one envelope; its type may be one that a newer writer invented. Raises EnvelopeError."""
    try:
        envelope = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise EnvelopeError(str(error)) from error
    if envelope.v != VERSION:
        raise EnvelopeError(f"version {envelope.v}, this program reads version {VERSION}")
    return envelope
