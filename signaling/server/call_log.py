"""One call's events: numbered, folded into what people look at, kept for the live feed, and sent on their way.

It outlives the call for as long as facts about it may still come (an operator's notes).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from storage.closing_figures import CallMetrics
from storage.envelope import CallOverError, Envelope, Sequencer
from storage.events import Event
from storage.projection import CallProjection
from storage.redaction import Redaction

# A numbered event is about 400 bytes; the longest calls have a few thousand.
JOURNAL_LIMIT = 20_000


class CallLog:
    """`publish` from the event loop only; the order of publishing is the order on record."""

    def __init__(
        self,
        call_id: str,
        tenant: str,
        emit: Callable[[Envelope], None],
        redaction: Redaction | None = None,
    ) -> None:
        """`emit` never blocks. What `redaction` takes out of an event is in nothing that comes from here."""
        self.projection = CallProjection(call_id)
        self.journal: list[Envelope] = []
        self.metrics = CallMetrics()
        self._sequencer = Sequencer(call_id, tenant)
        self._emit = emit
        self._redaction = redaction

    @property
    def ended(self) -> bool:
        """`call.ended` is out; only annotations may follow."""
        return self._sequencer.ended

    def publish(self, event: Event) -> bool:
        """Put it on record. False: it came after the end, and is no annotation."""
        if self._redaction is not None:
            event = self._redaction.apply(event)
        try:
            envelope = self._sequencer.stamp(event, datetime.now(UTC))
        except CallOverError:
            return False  # a tool that outlived its call: `call.ended` is the last word
        if not envelope.live_only:
            self.metrics.add(event)
            self.projection.fold(envelope)
            if len(self.journal) < JOURNAL_LIMIT:
                self.journal.append(envelope)
        self._emit(envelope)
        return True
