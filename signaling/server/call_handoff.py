"""One hand-over of one call, carried out: events published, ears given, leases kept and given back, timers set.

What is decided stands in `signaling.handoff`; here it is done. The call itself (`HandoffCall`) and the desk
(`HandoffDesk`) are asked for as little as possible.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from media.patchbay import Ear
from realtime.agent import Agent
from signaling import handoff_effects as effects
from signaling.handoff import Handoff, HandoffPolicy
from signaling.handoff_states import WAITING, HandoffState, ImpossibleHandoff
from storage.events import Event, OperatorJoined, OperatorLeft

log = logging.getLogger(__name__)

STILL_WAITING_EVERY_S = 40.0
"""How often a caller who waits is told honestly that nobody is free yet; call centres do it every 30 to 45 s."""

Moment = str
"""As in `handoff_effects.TellAgent`, and "still_waiting"."""


class HandoffCall(Protocol):
    """What a handoff asks of its call. Everything is on the event loop and must not block."""

    @property
    def call_id(self) -> str: ...

    @property
    def agent(self) -> Agent: ...

    def publish(self, event: Event) -> None: ...

    def give_ear(self, ear: Ear) -> None: ...

    def drop_operator(self, operator: str) -> None: ...

    def person_joined(self, name: str) -> None: ...

    def person_left(self, note: str) -> None:
        """The agent is responsible again, and is told what was said and `note`."""

    def tell_agent(self, moment: Moment, detail: str) -> None:
        """The agent is to know, and where it matters to the caller, to say it."""

    def hang_up(self, reason: str) -> None: ...


class HandoffDesk(Protocol):
    """What a handoff asks of the desk."""

    def seek(self, handoff: CallHandoff, excluded: frozenset[str]) -> None: ...

    def stop_seeking(self, handoff: CallHandoff) -> None: ...

    def release(self, operator: str, handoff_id: str, as_: effects.OperatorIs) -> None: ...

    def name_of(self, operator: str) -> str: ...

    def settled(self, handoff: CallHandoff) -> None:
        """Nothing more will come of it, not even notes."""


class CallHandoff:
    """Order of calls: `begin`, then what happens, by the methods of `Handoff` inside `do`."""

    def __init__(self, handoff_id: str, call: HandoffCall, desk: HandoffDesk, policy: HandoffPolicy) -> None:
        self.call = call
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        origin, wall = self._loop.time(), datetime.now(UTC)
        self.handoff = Handoff(
            id=handoff_id, policy=policy, clock=lambda at: wall + timedelta(seconds=at - origin)
        )
        self.requested_at_wall = wall.timestamp()
        self._timer: asyncio.TimerHandle | None = None
        self._reminder: asyncio.TimerHandle | None = None
        self._on_the_line: str | None = None  # of whom `operator.joined` was said
        self._driving = False
        self._over = False

    @property
    def id(self) -> str:
        return self.handoff.id

    @property
    def state(self) -> HandoffState:
        return self.handoff.state

    @property
    def open(self) -> bool:
        """An operator has it, or may still come."""
        return not self.handoff.settled

    def do(self, what: Callable[[Handoff, float], None]) -> None:
        """Let something happen, and carry out what follows. Raises what the handoff raises."""
        what(self.handoff, self._loop.time())
        self._drive()

    def try_to(self, what: Callable[[Handoff, float], None]) -> None:
        """The same, for news that may come too late to matter."""
        try:
            self.do(what)
        except ImpossibleHandoff as error:
            log.debug("handoff.too_late %s", error)

    def close(self) -> None:
        """The process ends: no more timers."""
        self._over = True
        for timer in (self._timer, self._reminder):
            if timer is not None:
                timer.cancel()

    def _drive(self) -> None:
        if self._driving:  # an effect has come back to us; the loop below takes what it left
            return
        self._driving = True
        try:
            while taken := self.handoff.effects():
                for effect in taken:
                    self._carry_out(effect)
        finally:
            self._driving = False
        self._set_timers()

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Record(event=event):
                self.call.publish(event)
            case effects.Seek(excluded=excluded):
                self._desk.seek(self, excluded)
            case effects.StopSeeking():
                self._desk.stop_seeking(self)
            case effects.Release(operator=operator, as_=as_):
                self._desk.release(operator, self.id, as_)
            case effects.GiveAudio(owner=owner):
                self._joins(owner)
                self.call.give_ear(owner)
            case effects.DropLeg(operator=operator):
                self.call.drop_operator(operator)
                if self._on_the_line == operator:
                    self._on_the_line = None
                    self.call.publish(OperatorLeft(operator=operator, mode="talk"))
            case effects.TellAgent(moment="joined", detail=operator):
                self.call.person_joined(self._desk.name_of(operator))
            case effects.TellAgent(moment="returned", detail=note):
                self.call.person_left(note)
            case effects.TellAgent(moment="lost"):
                self.call.person_left("My line broke; I could not say goodbye.")
            case effects.TellAgent(moment=moment, detail=detail):
                self.call.tell_agent(moment, detail)
            case effects.EndCall():
                self.call.hang_up("operator_hangup")

    def _joins(self, owner: Ear) -> None:
        operator = self.handoff.operator
        if owner == "operator" and operator is not None and self._on_the_line != operator:
            self._on_the_line = operator
            self.call.publish(OperatorJoined(operator=operator, mode="talk"))

    def _set_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._over:
            return
        due = self.handoff.next_deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._wake)
        elif not self.open and self.state is not HandoffState.WRAP_UP:
            self._over = True
            self._desk.settled(self)
        if self.state in WAITING:
            if self._reminder is None and not self._over:
                self._reminder = self._loop.call_later(STILL_WAITING_EVERY_S, self._remind)
        elif self._reminder is not None:
            self._reminder.cancel()
            self._reminder = None

    def _wake(self) -> None:
        self._timer = None
        self.handoff.wake(self._loop.time())
        self._drive()

    def _remind(self) -> None:
        self._reminder = None
        if self.state in WAITING:
            self.call.tell_agent("still_waiting", f"{self.handoff.waited_ms(self._loop.time()) // 1000}")
            self._set_timers()
