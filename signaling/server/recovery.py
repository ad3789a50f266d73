"""The end of calls that an earlier process of this server left open when it died.

Only the process that owns a call may end it, and what it knew is in its outbox. So the first thing a restarted
server does is to finish each story: `call.ended` with the next number, reason `node_lost`; before it, the end of
a handoff that was open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from signaling.handoff_states import HandoffState
from storage.envelope import Envelope, Sequencer
from storage.events import CallEnded, HandoffAbandoned

log = logging.getLogger(__name__)


class LeftOpen(Protocol):
    """What must be known of such a call."""

    @property
    def call_id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def started_at(self) -> datetime:
        """Of its first event."""

    @property
    def last_at(self) -> datetime:
        """Of its last event that is known."""

    @property
    def last_seq(self) -> int: ...
    @property
    def handoff_id(self) -> str | None:
        """Of its newest handoff."""

    @property
    def handoff(self) -> str | None:
        """The type of that handoff's newest event."""


# A handoff whose newest event is one of these was open: who reads the record learns where it broke off.
STAGES = {
    "handoff.requested": HandoffState.REQUESTED,
    "handoff.queued": HandoffState.QUEUED,
    "handoff.declined": HandoffState.QUEUED,
    "handoff.offered": HandoffState.OFFERED,
    "handoff.accepted": HandoffState.CONNECTING,
    "handoff.connected": HandoffState.HUMAN_ACTIVE,
    "handoff.resumed": HandoffState.HUMAN_ACTIVE,
    "handoff.held": HandoffState.ON_HOLD,
    "handoff.recovering": HandoffState.RECOVERING,
}


def finish_stories(calls: Iterable[LeftOpen], emit: Callable[[Envelope], None], at: datetime) -> int:
    """Emit `call.ended` for each of these; returns how many there were. `at` is now.

    The duration runs to the last event that is known: nobody can say how long the caller went on hearing
    silence. There is no outcome, and no figures: most of the events that they are made of have left the outbox.
    """
    count = 0
    for call in calls:
        lasted = call.last_at - call.started_at
        ended = CallEnded(
            reason="node_lost",
            duration_ms=max(0, round(lasted.total_seconds() * 1000)),
            outcome=None,
            metrics={},
        )
        sequencer = Sequencer(call.call_id, call.tenant, next_seq=call.last_seq + 1)
        stage = STAGES.get(call.handoff or "")
        if stage is not None and call.handoff_id is not None:
            broken_off = HandoffAbandoned(
                handoff_id=call.handoff_id, stage=stage.value, why="node_lost", waited_ms=None
            )
            emit(sequencer.stamp(broken_off, at))
        emit(sequencer.stamp(ended, at))
        log.warning("call.ended call_id=%s reason=node_lost: its server died while it ran", call.call_id)
        count += 1
    return count
