"""Envelopes to bytes and back: the one JSON form on Redis, WebSocket and HTTP.

Decoding is strict about the envelope and knows nothing about `data`: a reader must live with event types
that a newer writer invented.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from storage.envelope import VERSION, Envelope

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


class EnvelopeError(ValueError):
    """Bytes that are not an envelope. `reason` says what is wrong, without quoting the content."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an event envelope: {reason}")
        self.reason = reason


def encode(envelope: Envelope) -> bytes:
    """One line of UTF-8 JSON. Never fails for what a Sequencer stamped."""
    return _encoder.encode(envelope)


def decode(raw: bytes | str) -> Envelope:
    """Read one envelope. Raises EnvelopeError for anything else, and only that."""
    try:
        envelope = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise EnvelopeError(str(error)) from error
    if envelope.v != VERSION:
        raise EnvelopeError(f"version {envelope.v}, this program reads version {VERSION}")
    if (envelope.seq is None) != (envelope.id is None):
        raise EnvelopeError("seq and id come together or not at all")
    if envelope.seq is not None:
        if envelope.seq < 0:
            raise EnvelopeError("seq is negative")
        if envelope.id != f"{envelope.call_id}:{envelope.seq}":
            raise EnvelopeError("id is not <call_id>:<seq>")
    happened_at(envelope)
    return envelope


def happened_at(envelope: Envelope) -> datetime:
    """`at` as an aware datetime. Raises EnvelopeError where it is not RFC 3339 with a zone."""
    try:
        at = datetime.fromisoformat(envelope.at)
    except ValueError as error:
        raise EnvelopeError("at is not an RFC 3339 time") from error
    if at.tzinfo is None:
        raise EnvelopeError("at has no zone")
    return at
