"""The desk of this process: its calls' handoffs, and the people who take them.

Every process decides about its own calls only. Who is asked is computed from what all of them see in the roster, so
that the line is one, and the lease decides when two ask for the same operator.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol

from media.patchbay import Role
from media.rtc.peer import OfferRejected
from realtime.tools.context import AuditTrail
from signaling import handoff_effects as effects
from signaling.errors import (
    AlreadyTaken,
    DeskUnavailable,
    HandoffConflict,
    OfferRefused,
    UnknownCall,
    UnknownHandoff,
)
from signaling.handoff import AlreadyTaken as TakenBy
from signaling.handoff import HandoffPolicy, OfferOver
from signaling.handoff_states import WITH_A_PERSON, HandoffState, ImpossibleHandoff
from signaling.operators import Joined, Operator, Person, Presence, staffed
from signaling.roster.roster import DirectoryLost, Roster
from signaling.server.call_handoff import CallHandoff, HandoffCall
from signaling.server.waiting_line import WaitingLine
from storage.bus.cancellation import cancel_for_sure
from storage.call_ids import new_call_id
from storage.desk_events import DeskEnvelope, PresenceChanged, desk_envelope
from storage.events import CallAnnotated, HandoffRequested, OperatorJoined, OperatorLeft

log = logging.getLogger(__name__)

SETTLED_KEPT_S = 120.0
"""A settled handoff stays known for its notes and for consoles that are a moment late."""

_PRESENCE_AFTER: dict[effects.OperatorIs, Presence | None] = {
    "available": None,
    "wrap_up": "wrap_up",
    "not_responding": "busy",
}


class DeskCall(HandoffCall, Protocol):
    """What the desk asks of a call besides."""

    @property
    def over(self) -> bool: ...

    async def attach_operator(self, operator: str, role: Role, offer_sdp: str) -> str:
        """Raises OfferRejected."""

    def role_of(self, operator: str) -> Role | None: ...

    def mute_operator(self, operator: str, muted: bool) -> None: ...

    def whisper(self, text: str) -> None: ...


class Desk:
    """Order of calls: `start`, anything, `stop`.

    `call_of(call_id)`: a running call of this process, or None. `announce` tells the desk's channel.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        tenant: str,
        call_of: Callable[[str], DeskCall | None],
        annotate: Callable[[str, CallAnnotated], bool],
        announce: Callable[[DeskEnvelope], None],
        audit: AuditTrail | None = None,
    ) -> None:
        self._roster = roster
        self._tenant = tenant
        self._call_of = call_of
        self._annotate = annotate
        self._announce = announce
        self._audit = audit
        self._loop = asyncio.get_running_loop()
        self._handoffs: dict[str, CallHandoff] = {}
        self._of_call: dict[str, CallHandoff] = {}  # the newest
        self._line = WaitingLine(
            roster, self._there, lambda operator, handoff_id: self._release(operator, handoff_id, "available")
        )
        self._names: dict[str, str] = {}
        self._listening: dict[tuple[str, str], Role] = {}  # (call, operator): who sits in
        self._beginning = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to look after the line."""
        self._watch = asyncio.create_task(self._line.keep(), name="desk")

    async def stop(self) -> None:
        """No more offers; the roster is the owner's to stop. Idempotent."""
        watch, self._watch = self._watch, None
        if watch is not None:
            await cancel_for_sure(watch)
        for handoff in self._handoffs.values():
            handoff.close()
        for task in list(self._tasks):
            await cancel_for_sure(task)

    def changed(self) -> None:
        """Something at the desk may have changed: look at the line."""
        self._line.look()

    # From calls

    def requested(self, call: DeskCall, event: HandoffRequested) -> None:
        """`handoff.requested` was published on a call: begin."""
        known = self._of_call.get(call.call_id)
        if known is not None and known.open:
            log.info("handoff.asked_again call_id=%s state=%s", call.call_id, known.state.value)
            return
        handoff = self._new(call, event.handoff_id)
        handoff.do(
            lambda h, now: h.request(
                reason=event.reason, summary=event.summary, method=event.method, now=now, recorded=True
            )
        )
        if event.method != "ai":  # the model's own tool has told it so already
            call.tell_agent("requested", event.reason)
        self._spawn(self._begin(handoff), "begin handoff")

    def state_of(self, call_id: str) -> tuple[str, str] | None:
        """(id, state) of the handoff of a call that is open; None: nobody has been asked for."""
        handoff = self._of_call.get(call_id)
        return (handoff.id, handoff.state.value) if handoff is not None and handoff.open else None

    def withdraw(self, call_id: str, why: str) -> bool:
        """Nobody is needed any more. False: nobody waited, or an operator has the call already."""
        return self._before_a_person(call_id, lambda h, now: h.withdraw(why, now))

    def book_callback(self, call_id: str, number: str | None, when: str | None) -> bool:
        """Somebody will call back. False: nobody was asked for, or an operator is on the line."""
        return self._before_a_person(call_id, lambda h, now: h.book_callback(number, when, now))

    def operator_heard(self, call_id: str, operator: str) -> None:
        """An operator's leg is up, for the first time or again."""
        handoff = self._of_call.get(call_id)
        if handoff is None or handoff.handoff.operator != operator:
            return
        if handoff.state is HandoffState.CONNECTING:
            handoff.try_to(lambda h, now: h.media_up(now))
        elif handoff.state is HandoffState.RECOVERING:
            handoff.try_to(lambda h, now: h.operator_back(operator, now))

    def operator_lost(self, call_id: str, operator: str) -> None:
        """An operator's leg is silent or gone."""
        handoff = self._of_call.get(call_id)
        if handoff is not None and handoff.handoff.operator == operator:
            handoff.try_to(lambda h, now: h.operator_lost(operator, now))
        elif (call_id, operator) in self._listening:
            call = self._call_of(call_id)
            if call is not None:
                self._leaves(call, operator)

    def agent_speaks(self, call_id: str) -> None:
        """The agent is heard: a call that was given back has arrived."""
        handoff = self._of_call.get(call_id)
        if handoff is not None and handoff.state is HandoffState.RETURNING:
            handoff.try_to(lambda h, now: h.agent_speaks(now))

    def caller_left(self, call_id: str) -> None:
        """The call is over, whoever ended it. To be called while events can still be published."""
        handoff = self._of_call.get(call_id)
        if handoff is not None:
            handoff.try_to(lambda h, now: h.caller_left(now))
        for each in [key for key in self._listening if key[0] == call_id]:
            del self._listening[each]

    # From the doors. Each raises UnknownCall or UnknownHandoff, HandoffConflict, AlreadyTaken, DeskUnavailable.

    async def accept(self, handoff_id: str, who: Person, offer_sdp: str, offer_id: str | None) -> Joined:
        """An operator takes a handoff that waits: offered to them, or seen in the queue."""
        handoff = self._handoffs.get(handoff_id)
        if handoff is None:
            raise UnknownHandoff("No handoff of this id waits here.", fix="GET /v1/handoffs lists them.")
        return await self._take(handoff, who, offer_sdp, offer_id, "handoff.accepted")

    async def take_over(self, call_id: str, who: Person, offer_sdp: str) -> Joined:
        """An operator takes a running call, whether anybody asked for it or not."""
        call = self._running(call_id)
        handoff = self._of_call.get(call_id)
        if handoff is None or not handoff.open:
            handoff_id = new_call_id()
            refused = await self._asked(self._roster.take(who.id, handoff_id))
            if refused is not None:
                raise HandoffConflict("You are on another call.", code="on_another_call")
            handoff = self._new(call, handoff_id)
            handoff.do(
                lambda h, now: h.request(
                    reason="taken over by an operator", summary="", method="operator", now=now
                )
            )
        return await self._take(handoff, who, offer_sdp, None, "call.taken_over")

    async def decline(self, handoff_id: str, who: Person, offer_id: str | None, reason: str) -> None:
        """The operator it rings at does not want it."""
        handoff = self._handoffs.get(handoff_id)
        if handoff is None:
            raise UnknownHandoff("No handoff of this id waits here.", fix="GET /v1/handoffs lists them.")
        offer = handoff.handoff.offer
        if offer is None or offer.operator != who.id or offer_id not in (None, offer.id):
            raise HandoffConflict("It does not ring at your console (any more).", code="offer_over")
        handoff.do(lambda h, now: h.decline(offer.id, reason or "declined", now))

    async def sit_in(self, call_id: str, who: Person, role: Role, offer_sdp: str) -> Joined:
        """Listen to a call, or barge into it."""
        call = self._running(call_id)
        if call.role_of(who.id) == "talk":
            raise HandoffConflict("You are talking on this call.", code="already_on_call")
        before = self._listening.get((call_id, who.id))
        self._names[who.id] = who.name
        answer = await self._attach(call, who.id, role, offer_sdp)
        self._listening[call_id, who.id] = role
        if role == "barge" and before != "barge":
            call.publish(OperatorJoined(operator=who.id, mode="barge"))
        elif before == "barge" and role != "barge":
            call.publish(OperatorLeft(operator=who.id, mode="barge"))
        await self._log(who, "call.listened" if role == "listen" else "call.barged", call_id)
        return Joined(call_id=call_id, answer_sdp=answer)

    async def reattach(self, call_id: str, who: Person, offer_sdp: str) -> Joined:
        """A new leg for somebody who is on this call: after a reload, or on another network."""
        call = self._running(call_id)
        role = call.role_of(who.id)
        handoff = self._of_call.get(call_id)
        if role is None and handoff is not None and handoff.handoff.operator == who.id:
            role = "talk"
        if role is None:
            raise HandoffConflict("You are not on this call.", code="not_on_call")
        answer = await self._attach(call, who.id, role, offer_sdp)
        return Joined(call_id=call_id, answer_sdp=answer, handoff_id=handoff.id if handoff else None)

    async def leave(self, call_id: str, who: Person) -> None:
        """Stop listening or barging in. Idempotent. Who talks gives the call back or ends it."""
        call = self._running(call_id)
        if call.role_of(who.id) == "talk":
            raise HandoffConflict(
                "The caller would be alone: give the call back, or end it.", code="caller_alone"
            )
        self._leaves(call, who.id)

    async def change(self, call_id: str, who: Person, *, muted: bool | None, hold: bool | None) -> None:
        """Mute oneself, hold the caller."""
        call, handoff = self._running(call_id), self._mine(call_id, who)
        if muted is not None:
            call.mute_operator(who.id, muted)
        if hold is not None and hold != (handoff.state is HandoffState.ON_HOLD):
            self._do(handoff, lambda h, now: h.hold(now) if hold else h.resume(now))

    async def give_back(self, call_id: str, who: Person, note: str) -> None:
        """The agent takes the call again."""
        self._running(call_id)
        self._do(self._mine(call_id, who), lambda h, now: h.give_back(note, now))
        await self._log(who, "call.returned", call_id)

    async def end(self, call_id: str, who: Person) -> bool:
        """End the call that one talks on. False: somebody else's, or nobody's."""
        handoff = self._of_call.get(call_id)
        if handoff is None or handoff.handoff.operator != who.id or handoff.state not in WITH_A_PERSON:
            return False
        self._do(handoff, lambda h, now: h.end(now))
        return True

    async def say(self, call_id: str, who: Person, text: str) -> None:
        """Whisper to the agent."""
        call = self._running(call_id)
        handoff = self._of_call.get(call_id)
        if handoff is not None and handoff.state in WITH_A_PERSON:
            raise HandoffConflict("The agent is silent: a person has the call.", code="agent_silent")
        call.whisper(text)
        await self._log(who, "call.whispered", call_id)

    async def wrap_up(self, handoff_id: str, who: Person, outcome: str | None, notes: str) -> None:
        """What came of it, as the operator saw it; also while the call goes on with the agent."""
        handoff = self._handoffs.get(handoff_id)
        if handoff is None:
            raise UnknownHandoff("The time for notes on this one is over.", code="wrap_up_over")
        if handoff.handoff.operator != who.id:
            raise HandoffConflict("Somebody else took this call.", code="not_yours")
        value = {"handoff_id": handoff_id, "outcome": outcome, "notes": notes}
        noted = self._annotate(handoff.call.call_id, CallAnnotated(kind="wrap_up", value=value, by=who.id))
        if not noted:
            raise HandoffConflict("This call's record is closed.", code="record_closed")
        handoff.try_to(lambda h, now: h.wrapped_up(now))

    async def set_presence(self, who: Person, presence: Presence) -> Operator | None:
        """Say who is there and how; again within `PRESENCE_S` to stay. `offline` leaves."""
        self._names[who.id] = who.name
        if presence == "offline":
            await self._asked(self._roster.leave(who.id))
        else:
            await self._asked(
                self._roster.present(
                    id=who.id, name=who.name, queues=who.queues, presence=presence, now=time.time()
                )
            )
        mine = await self.presence(who)
        self._tell_presence(who.id, who.name, mine)
        return mine

    async def presence(self, who: Person) -> Operator | None:
        """How the desk sees somebody; None: not there."""
        return next((each for each in await self.operators() if each.id == who.id), None)

    async def operators(self) -> list[Operator]:
        """Everybody at the desk, on all nodes."""
        found: list[Operator] = await self._asked(self._there())
        return found

    async def _there(self) -> list[Operator]:
        found = await self._roster.operators()
        for each in found:
            self._names[each.id] = each.name
        return found

    # HandoffDesk

    def seek(self, handoff: CallHandoff, excluded: frozenset[str]) -> None:
        self._line.join(handoff, excluded)
        self._spawn(self._line.settle(handoff.id), "join line")

    def stop_seeking(self, handoff: CallHandoff) -> None:
        self._line.leave(handoff.id)
        self._spawn(self._line.settle(handoff.id), "leave line")

    def release(self, operator: str, handoff_id: str, as_: effects.OperatorIs) -> None:
        self._spawn(self._release(operator, handoff_id, as_), "release operator")

    def name_of(self, operator: str) -> str:
        return self._names.get(operator, operator)

    def settled(self, handoff: CallHandoff) -> None:
        self._loop.call_later(SETTLED_KEPT_S, self._forget, handoff)

    # Inside

    def _new(self, call: DeskCall, handoff_id: str) -> CallHandoff:
        wanted = call.agent.handoff
        policy = HandoffPolicy(queue=wanted.queue, max_wait_s=float(wanted.max_wait_s))
        handoff = CallHandoff(handoff_id, call, self, policy)
        self._handoffs[handoff_id] = handoff
        self._of_call[call.call_id] = handoff
        return handoff

    def _forget(self, handoff: CallHandoff) -> None:
        handoff.close()
        self._handoffs.pop(handoff.id, None)
        if self._of_call.get(handoff.call.call_id) is handoff:
            del self._of_call[handoff.call.call_id]

    async def _begin(self, handoff: CallHandoff) -> None:
        agent = handoff.call.agent
        try:
            async with self._beginning:  # in the order of asking: that is the order of the line
                there = await self._roster.operators()
        except DirectoryLost as error:
            log.warning("handoff.directory_lost %s", error)
            handoff.try_to(lambda h, now: h.unstaffed("directory_lost", now))
            return
        if handoff.state is not HandoffState.REQUESTED:
            return  # taken, withdrawn or left meanwhile
        if staffed(there, agent.handoff.queue):
            handoff.try_to(lambda h, now: h.staffed(now))
        else:
            handoff.try_to(lambda h, now: h.unstaffed("nobody", now))

    async def _take(
        self, handoff: CallHandoff, who: Person, offer_sdp: str, offer_id: str | None, action: str
    ) -> Joined:
        call = self._running(handoff.call.call_id)
        self._names[who.id] = who.name
        offer = handoff.handoff.offer
        if offer is None or offer.operator != who.id:
            holds = await self._asked(self._roster.take(who.id, handoff.id))
            if holds is not None:
                raise HandoffConflict("You are on another call.", code="on_another_call")
        try:
            handoff.do(lambda h, now: h.accept(who.id, now, offer_id=offer_id))
        except (ImpossibleHandoff, TakenBy, OfferOver) as error:
            if handoff.handoff.operator != who.id:
                await self._release(who.id, handoff.id, "available")
            raise self._refused(error) from error
        try:
            answer = await self._attach(call, who.id, "talk", offer_sdp)
        except OfferRefused:
            handoff.try_to(lambda h, now: h.set_up_failed("offer_refused", now))
            raise
        self._listening.pop((call.call_id, who.id), None)
        await self._log(who, action, call.call_id)
        return Joined(call_id=call.call_id, answer_sdp=answer, handoff_id=handoff.id)

    def _leaves(self, call: DeskCall, operator: str) -> None:
        if self._listening.pop((call.call_id, operator), None) == "barge":
            call.publish(OperatorLeft(operator=operator, mode="barge"))
        call.drop_operator(operator)

    def _running(self, call_id: str) -> DeskCall:
        call = self._call_of(call_id)
        if call is None or call.over:
            raise UnknownCall("This call is not running here.", fix="GET /v1/calls lists what is.")
        return call

    def _mine(self, call_id: str, who: Person) -> CallHandoff:
        handoff = self._of_call.get(call_id)
        if handoff is None or handoff.handoff.operator != who.id or not handoff.open:
            raise HandoffConflict("You are not talking on this call.", code="not_on_call")
        return handoff

    def _do(self, handoff: CallHandoff, what: Callable[[Any, float], None]) -> None:
        try:
            handoff.do(what)
        except (ImpossibleHandoff, TakenBy, OfferOver) as error:
            raise self._refused(error) from error

    def _refused(self, error: ImpossibleHandoff | TakenBy | OfferOver) -> HandoffConflict:
        match error:
            case TakenBy(operator=operator):
                name = self.name_of(operator)
                return AlreadyTaken(
                    f"{name} has this call already.", extra={"taken_by": operator, "name": name}
                )
            case OfferOver():
                return HandoffConflict("It does not ring at your console any more.", code="offer_over")
            case ImpossibleHandoff(state=state):
                return HandoffConflict(
                    f"This cannot be done while the handoff is {state.value}.",
                    code="handoff_state",
                    extra={"state": state.value},
                )
        raise AssertionError(error)

    async def _attach(self, call: DeskCall, operator: str, role: Role, offer_sdp: str) -> str:
        try:
            return await call.attach_operator(operator, role, offer_sdp)
        except OfferRejected as error:
            raise OfferRefused(error.detail, code=error.code) from error

    def _before_a_person(self, call_id: str, what: Callable[[Any, float], None]) -> bool:
        handoff = self._of_call.get(call_id)
        if handoff is None:
            return False
        try:
            handoff.do(what)
        except ImpossibleHandoff:
            return False
        return True

    async def _release(self, operator: str, handoff_id: str, as_: effects.OperatorIs) -> None:
        presence = _PRESENCE_AFTER[as_]
        try:
            ours = await self._roster.release(
                operator,
                handoff_id,
                presence=presence,
                why=as_ if as_ == "not_responding" else "",
                now=time.time(),
            )
            if not ours and as_ == "available":
                await self._roster.wrapped_up(operator, now=time.time())
            there = {each.id: each for each in await self.operators()}
            self._tell_presence(operator, self.name_of(operator), there.get(operator))
        except (DirectoryLost, DeskUnavailable) as error:
            log.warning("desk.not_released operator=%s: the lease runs out by itself (%s)", operator, error)

    def _tell_presence(self, id: str, name: str, seen: Operator | None) -> None:
        event = PresenceChanged(
            operator=id,
            name=name,
            presence=seen.presence if seen is not None else "offline",
            handoff_id=seen.handoff_id if seen is not None else None,
            why=seen.why if seen is not None else None,
        )
        self._announce(desk_envelope(event, tenant=self._tenant, at=datetime.now(UTC)))

    async def _asked(self, question: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await question
        except DirectoryLost as error:
            raise DeskUnavailable(
                "The desk's directory cannot be reached; calls go on with their agents.",
                fix="Try again in a moment. Check that Redis is up: cordboard check.",
                retry_after_s=2,
            ) from error

    async def _log(self, who: Person, action: str, subject: str) -> None:
        if self._audit is None:
            return
        try:
            await self._audit.write(actor=who.id, action=action, subject=subject)
        except (OSError, TimeoutError) as error:
            log.error("audit.lost action=%s call_id=%s: %s", action, subject, error)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("desk.task_failed name=%s", task.get_name(), exc_info=error)
