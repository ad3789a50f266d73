"""A call's fold taken up in the middle: from how it stood on record, through the events that came since."""

from __future__ import annotations

from typing import Any

import msgspec

from storage.projection import CallProjection, CallView


class ResumedProjection(CallProjection):
    """Like a fold of all events up to `last_seq` whose view was `view`, but without the transcript."""

    def __init__(self, view: CallView, last_seq: int) -> None:
        super().__init__(view.id)
        self.last_seq = last_seq
        facts: dict[str, Any] = {
            name: getattr(view, name) for name in view.__struct_fields__ if name not in ("slots", "handoff")
        }
        self._set(last_seq, **facts)
        for slot in view.slots:
            self._slots[slot.goal, slot.slot] = slot
            self._newer(f"slot:{slot.goal}:{slot.slot}", last_seq)
        if view.handoff is not None:
            facts = msgspec.to_builtins(view.handoff)
            handoff_id = facts.pop("handoff_id")
            self._handoffs[handoff_id] = facts
            self._handoff_order[handoff_id] = last_seq
            self._newer(f"handoff:{handoff_id}", last_seq)
