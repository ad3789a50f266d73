"""What an agent wants kept out of the record never leaves the call: it goes before an event has its number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signaling.server.call_log import CallLog
from signaling.server.redacted_audit import RedactedAudit
from storage.codec import encode
from storage.envelope import Envelope
from storage.events import TranscriptPartial
from storage.redaction import Redaction
from tests.fakes.call_story import ended, said, started

CARD = "4242 4242 4242 4242"


class Book:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        self.rows.append(f"{actor} {action} {subject} {data}")


def test_nothing_that_comes_out_of_a_call_holds_what_its_agent_keeps_out() -> None:
    out: list[Envelope] = []
    log = CallLog("call", "default", out.append, Redaction(["card", "phone"], region="US"))

    log.publish(started())
    log.publish(TranscriptPartial(item_id="item_1", speaker="caller", text=f"It is {CARD}"))
    log.publish(said(1, f"It is {CARD}, and call me at +12065550123."))
    log.publish(ended())

    shown = b"".join(encode(envelope) for envelope in [*out, *log.journal]).decode()
    shown += str(log.projection.view) + str(log.projection.transcript)
    assert CARD not in shown
    assert "2065550123" not in shown
    assert "It is [card], and call me at [phone]." in shown
    assert [envelope.seq for envelope in out] == [0, None, 1, 2]


async def test_a_refusal_is_on_record_without_the_number_that_was_asked_for() -> None:
    book = Book()
    audit = RedactedAudit(book, Redaction(["phone"], region="US"))

    await audit.write(
        actor="call:1", action="tool.refused", subject="+12065550123", data={"asked": ["(206) 555-0123"]}
    )

    assert book.rows == ["call:1 tool.refused [phone] {'asked': ['[phone]']}"]
