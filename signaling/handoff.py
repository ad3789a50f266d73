"""A hand-over of one call to a person, as a table: what may happen in each state, and what follows.

The process that owns the call owns its handoff and is the only one that decides (one authority). Everything
here is a decision: who is offered the call, until when, who has the caller's ear, what the agent is told. The
shell carries the effects out: it publishes, rings, attaches audio, gives the operator's lease back.

Times are `loop.time()` seconds; deadlines stand as RFC 3339 times in the events, so that whoever reads the
record later knows what was promised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from signaling.handoff_effects import (
    DropLeg,
    Effect,
    EndCall,
    GiveAudio,
    OperatorIs,
    Record,
    Release,
    Seek,
    StopSeeking,
    TellAgent,
)
from signaling.handoff_states import (
    EAR,
    SETTLED,
    TRANSITIONS,
    AudioOwner,
    HandoffInput,
    HandoffState,
    ImpossibleHandoff,
)
from storage.envelope import rfc3339
from storage.events import (
    Event,
    HandoffAbandoned,
    HandoffAccepted,
    HandoffCallbackBooked,
    HandoffConnected,
    HandoffDeclined,
    HandoffHeld,
    HandoffOffered,
    HandoffQueued,
    HandoffRecovering,
    HandoffRequested,
    HandoffResumed,
    HandoffReturned,
    HandoffTimedOut,
    HandoffUnavailable,
    HandoffWithdrawn,
)

Method = Literal["ai", "caller", "operator", "policy", "failure"]

S, I = HandoffState, HandoffInput  # noqa: E741 - as the table does


class AlreadyTaken(Exception):
    """Another operator has this handoff; nothing was changed."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator} has this call already")
        self.operator = operator


class OfferOver(Exception):
    """This offer has been declined, has run out or was never made; nothing was changed."""

    def __init__(self, offer_id: str) -> None:
        super().__init__(f"the offer {offer_id} is over")
        self.offer_id = offer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffPolicy:
    """Every wait has its end. Seconds; the defaults are what desks have settled on."""

    queue: str = "default"
    offer_s: float = 20.0
    attempts: int = 3  # offers that came to nothing, before the caller is told so
    max_wait_s: float = 180.0
    setup_s: float = 8.0  # from accepting to the operator's first packet
    briefing_s: float = 0.0  # 0: the card is read while it rings, and accepting is joining
    grace_s: float = 10.0  # for an operator's leg that was lost
    wrap_up_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One console rings for it."""

    id: str
    operator: str


@dataclass(slots=True)
class _Deadline:
    at: float
    happens: HandoffInput


@dataclass(slots=True, kw_only=True)
class Handoff:
    """One hand-over of one call.

    Order of calls: `request` first; then whatever happens. After each: carry out `effects()`, in order, and
    sleep until `next_deadline()`, then `wake`. Methods raise ImpossibleHandoff where the table knows no such
    thing, and change nothing then.
    """

    id: str
    policy: HandoffPolicy
    clock: Callable[[float], datetime]  # loop time → wall time, for what stands in the record
    state: HandoffState = S.REQUESTED
    version: int = 0  # rises with every change; a console that acts on an older one acts on old news
    offer: Offer | None = None
    operator: str | None = None  # who has it; None while nobody has
    attempts: int = 0
    stage: HandoffState | None = None  # where the caller left
    requested_at: float = 0.0
    _excluded: set[str] = field(default_factory=set)
    _give_up_at: float = 0.0  # of the whole wait
    _deadline: _Deadline | None = None
    _effects: list[Effect] = field(default_factory=list)

    # What the shell asks

    def effects(self) -> list[Effect]:
        """What is to be done since the last time, in order."""
        taken, self._effects = self._effects, []
        return taken

    def next_deadline(self) -> float | None:
        """When `wake` is to be called at the latest."""
        return self._deadline.at if self._deadline is not None else None

    @property
    def audio_owner(self) -> AudioOwner:
        """Who has the caller's ear. Exactly one has, in every state."""
        return EAR.get(self.state, "agent")

    @property
    def settled(self) -> bool:
        """No operator can come of it any more."""
        return self.state in SETTLED

    def waited_ms(self, now: float) -> int:
        """Since it was asked for."""
        return round((now - self.requested_at) * 1000)

    # What happens

    def request(
        self, *, reason: str, summary: str, method: Method, now: float, recorded: bool = False
    ) -> None:
        """Somebody wants a person. `recorded`: the tool has put `handoff.requested` on record itself."""
        self.requested_at = now
        self._give_up_at = now + self.policy.max_wait_s
        if not recorded:
            self._record(HandoffRequested(handoff_id=self.id, reason=reason, summary=summary, method=method))

    def staffed(self, now: float) -> None:
        """Somebody is there who could take it."""
        self._step(I.STAFFED)
        self._queue("requested", now)
        self._effects.append(TellAgent(moment="queued"))

    def unstaffed(self, why: str, now: float) -> None:
        """Nobody can take it: "closed", "nobody", "full", or "directory_lost"."""
        self._step(I.UNSTAFFED)
        self._stop_waiting()
        self._record(HandoffUnavailable(handoff_id=self.id, why=why, waited_ms=self.waited_ms(now)))
        self._effects.append(TellAgent(moment="unavailable", detail=why))

    def reserved(self, operator: str, offer_id: str, now: float) -> None:
        """This operator's lease is ours: ring there."""
        self._step(I.RESERVED)
        self.offer = Offer(id=offer_id, operator=operator)
        self.attempts += 1
        until = now + self.policy.offer_s
        self._deadline = _Deadline(until, I.OFFER_EXPIRED)
        self._record(
            HandoffOffered(
                handoff_id=self.id,
                operator=operator,
                offer_id=offer_id,
                attempt=self.attempts,
                until=self._wall(until),
            )
        )

    def accept(self, operator: str, now: float, *, offer_id: str | None = None) -> None:
        """An operator takes it: the one it was offered to, or another whose lease the shell holds as well.

        Accepting again with the same offer changes nothing. Raises AlreadyTaken, OfferOver, ImpossibleHandoff.
        """
        if self.operator is not None and self.state not in SETTLED and self.state is not S.RECOVERING:
            if self.operator == operator:
                return
            raise AlreadyTaken(self.operator)
        if offer_id is not None and (self.offer is None or self.offer.id != offer_id):
            raise OfferOver(offer_id)
        self._step(I.ACCEPTED)
        if self.operator is not None and self.operator != operator:  # a colleague steps in for a lost one
            self._effects += [
                DropLeg(operator=self.operator),
                Release(operator=self.operator, as_="not_responding"),
            ]
        beaten, self.offer = self.offer, None
        if beaten is not None and beaten.operator != operator:
            self._effects.append(Release(operator=beaten.operator, as_="available"))
        elif beaten is None:
            self._effects.append(StopSeeking())
        self.operator = operator
        until = now + self.policy.setup_s
        self._deadline = _Deadline(until, I.SETUP_FAILED)
        self._record(
            HandoffAccepted(
                handoff_id=self.id,
                operator=operator,
                offer_id=beaten.id if beaten is not None and beaten.operator == operator else None,
                waited_ms=self.waited_ms(now),
                until=self._wall(until),
            )
        )

    def decline(self, offer_id: str, reason: str, now: float) -> None:
        """The operator it rings at does not want it. Raises OfferOver."""
        if self.offer is None or self.offer.id != offer_id:
            raise OfferOver(offer_id)
        self._offer_failed(I.DECLINED, reason, "available", now)

    def operator_lost(self, operator: str, now: float) -> None:
        """The operator's console or media leg has gone. Of another operator: nothing."""
        if self.offer is not None and self.offer.operator == operator:
            self._offer_failed(I.OPERATOR_LOST, "lost", "not_responding", now)
        elif self.operator == operator and self.state in (S.CONNECTING, S.BRIEFING):
            self._set_up_failed(I.OPERATOR_LOST, "lost", "not_responding", now)
        elif self.operator == operator and self.state in (S.HUMAN_ACTIVE, S.ON_HOLD):
            self._step(I.OPERATOR_LOST)
            until = now + self.policy.grace_s
            self._deadline = _Deadline(until, I.GRACE_OVER)
            self._record(HandoffRecovering(handoff_id=self.id, operator=operator, until=self._wall(until)))
            self._effects.append(GiveAudio(owner="tone"))

    def media_up(self, now: float) -> None:
        """The operator's audio has come and ours has gone there."""
        self._step(I.MEDIA_UP)
        if self.policy.briefing_s > 0:
            self.state = S.BRIEFING
            self._deadline = _Deadline(now + self.policy.briefing_s, I.NOT_FOR_ME)
            self._effects.append(GiveAudio(owner="tone"))
            return
        self._talk(now)

    def set_up_failed(self, why: str, now: float) -> None:
        """The operator's media path could not be made. That is nobody's fault at the desk."""
        self._set_up_failed(I.SETUP_FAILED, why, "available", now)

    def join(self, now: float) -> None:
        """The operator has read the card and goes on the line."""
        self._step(I.JOINED)
        self._talk(now)

    def not_for_me(self, now: float) -> None:
        """The operator has read the card: somebody else should take it."""
        self._set_up_failed(I.NOT_FOR_ME, "not_for_me", "available", now)

    def hold(self, now: float) -> None:
        """The caller hears a tone."""
        self._step(I.HELD)
        self._record(HandoffHeld(handoff_id=self.id))
        self._effects.append(GiveAudio(owner="tone"))

    def resume(self, now: float) -> None:
        """Back from hold."""
        self._step(I.RESUMED)
        self._record(HandoffResumed(handoff_id=self.id))
        self._effects.append(GiveAudio(owner="operator"))

    def operator_back(self, operator: str, now: float) -> None:
        """The lost leg is there again. Raises AlreadyTaken for somebody else."""
        if self.state is S.RECOVERING and operator != self.operator and self.operator is not None:
            raise AlreadyTaken(self.operator)
        self._step(I.OPERATOR_BACK)
        self._deadline = None
        self._record(HandoffResumed(handoff_id=self.id))
        self._effects.append(GiveAudio(owner="operator"))

    def give_back(self, note: str, now: float) -> None:
        """The operator gives the call back to the agent; `note` is what the agent should know."""
        self._step(I.GIVEN_BACK)
        self._return("given_back", note, now)

    def agent_speaks(self, now: float) -> None:
        """The agent has the call again and is heard."""
        self._step(I.AGENT_SPEAKS)
        self._wrap_up(now)

    def end(self, now: float) -> None:
        """The operator ends the call."""
        self._step(I.OPERATOR_ENDED)
        self._effects.append(EndCall())
        self._wrap_up(now)

    def wrapped_up(self, now: float) -> None:
        """The operator has noted what there is to note."""
        self._step(I.WRAPPED_UP)
        self._finish("available")

    def withdraw(self, why: str, now: float) -> None:
        """No person is needed any more: "never mind", or the agent has solved it."""
        self._step(I.WITHDRAWN)
        self._let_go_of_everybody("available")
        self._record(HandoffWithdrawn(handoff_id=self.id, why=why, waited_ms=self.waited_ms(now)))
        self._effects.append(TellAgent(moment="withdrawn", detail=why))

    def book_callback(self, number: str | None, when: str | None, now: float) -> None:
        """A person will call back: the number, and when the caller would like it, in the caller's words."""
        self._step(I.CALLBACK)
        self._let_go_of_everybody("available")
        self._record(
            HandoffCallbackBooked(handoff_id=self.id, number=number, when=when, waited_ms=self.waited_ms(now))
        )
        self._effects.append(TellAgent(moment="callback_booked"))

    def transferred(self, now: float) -> None:
        """The call leads elsewhere; media flows both ways there."""
        self._step(I.TRANSFERRED)
        self._let_go_of_everybody("wrap_up")

    def caller_left(self, now: float) -> None:
        """The caller has hung up. Happens in any state."""
        before = self.state
        self._step(I.CALLER_LEFT)
        if self.state is before:
            return
        if self.state is S.ABANDONED:
            self.stage = before
            self._let_go_of_everybody("available")
            self._record(
                HandoffAbandoned(
                    handoff_id=self.id, stage=before.value, why="caller_left", waited_ms=self.waited_ms(now)
                )
            )
        elif self.state is S.WRAP_UP:
            self._wrap_up(now)

    def wake(self, now: float) -> None:
        """A deadline may have passed."""
        if self._deadline is None or now < self._deadline.at:
            return
        match self._deadline.happens:
            case I.OFFER_EXPIRED:
                self._offer_failed(I.OFFER_EXPIRED, "no_answer", "not_responding", now)
            case I.SETUP_FAILED:
                self.set_up_failed("no_media", now)
            case I.NOT_FOR_ME:
                self._set_up_failed(I.NOT_FOR_ME, "briefing_over", "not_responding", now)
            case I.MAX_WAIT:
                self._time_out(now)
            case I.GRACE_OVER:
                self._step(I.GRACE_OVER)
                self._return("operator_lost", "", now)
            case I.WRAPPED_UP:
                self.wrapped_up(now)

    # How it is decided

    def _step(self, happened: HandoffInput) -> None:
        row = TRANSITIONS[self.state]
        if happened not in row:
            raise ImpossibleHandoff(self.state, happened)
        following = row[happened]
        if following is not None:
            self.state = following
            self.version += 1

    def _record(self, event: Event) -> None:
        self._effects.append(Record(event=event))

    def _wall(self, at: float) -> str:
        return rfc3339(self.clock(at))

    def _queue(self, why: str, now: float) -> None:
        """Into the queue, with the age that it has."""
        self._deadline = _Deadline(self._give_up_at, I.MAX_WAIT)
        self._record(
            HandoffQueued(
                handoff_id=self.id,
                queue=self.policy.queue,
                why=why,
                attempt=self.attempts,
                waited_ms=self.waited_ms(now),
                until=self._wall(self._give_up_at),
            )
        )
        self._effects.append(Seek(queue=self.policy.queue, excluded=frozenset(self._excluded)))

    def _offer_failed(
        self,
        happened: HandoffInput,
        why: str,
        operator_is: OperatorIs,
        now: float,
    ) -> None:
        self._step(happened)
        offer, self.offer = self.offer, None
        assert offer is not None
        self._excluded.add(offer.operator)
        self._effects.append(Release(operator=offer.operator, as_=operator_is))
        self._record(
            HandoffDeclined(handoff_id=self.id, operator=offer.operator, offer_id=offer.id, reason=why)
        )
        self._again(why, now)

    def _set_up_failed(
        self,
        happened: HandoffInput,
        why: str,
        operator_is: OperatorIs,
        now: float,
    ) -> None:
        self._step(happened)
        operator, self.operator = self.operator, None
        assert operator is not None
        if operator_is == "not_responding" or happened is I.NOT_FOR_ME:
            self._excluded.add(operator)
        self._effects += [DropLeg(operator=operator), Release(operator=operator, as_=operator_is)]
        self._effects.append(GiveAudio(owner="agent"))
        self._record(HandoffDeclined(handoff_id=self.id, operator=operator, offer_id=None, reason=why))
        self._again(why, now)

    def _again(self, why: str, now: float) -> None:
        self._queue(why, now)
        if self.attempts >= self.policy.attempts or now >= self._give_up_at:
            self._time_out(now)

    def _time_out(self, now: float) -> None:
        self._step(I.MAX_WAIT)
        self._stop_waiting()
        self._record(
            HandoffTimedOut(handoff_id=self.id, waited_ms=self.waited_ms(now), attempts=self.attempts)
        )
        self._effects.append(TellAgent(moment="timed_out"))

    def _talk(self, now: float) -> None:
        self._deadline = None
        assert self.operator is not None
        self._effects.append(GiveAudio(owner="operator"))
        self._record(
            HandoffConnected(handoff_id=self.id, operator=self.operator, waited_ms=self.waited_ms(now))
        )
        self._effects.append(TellAgent(moment="joined", detail=self.operator))

    def _return(self, why: Literal["given_back", "operator_lost"], note: str, now: float) -> None:
        self._deadline = None
        self._record(HandoffReturned(handoff_id=self.id, operator=self.operator, why=why, note=note or None))
        if self.operator is not None:
            self._effects.append(DropLeg(operator=self.operator))
        self._effects.append(GiveAudio(owner="agent"))
        self._effects.append(TellAgent(moment="lost" if why == "operator_lost" else "returned", detail=note))

    def _wrap_up(self, now: float) -> None:
        self._deadline = _Deadline(now + self.policy.wrap_up_s, I.WRAPPED_UP)
        if self.operator is not None:
            self._effects.append(DropLeg(operator=self.operator))
            self._effects.append(Release(operator=self.operator, as_="wrap_up"))

    def _finish(self, operator_is: OperatorIs) -> None:
        self._deadline = None
        if self.operator is not None:
            self._effects.append(Release(operator=self.operator, as_=operator_is))

    def _stop_waiting(self) -> None:
        self._deadline = None
        self._effects.append(StopSeeking())

    def _let_go_of_everybody(self, operator_is: OperatorIs) -> None:
        """Ringing stops, the lease goes back, the leg is closed."""
        self._stop_waiting()
        offer, self.offer = self.offer, None
        if offer is not None:
            self._effects.append(Release(operator=offer.operator, as_="available"))
        if self.operator is not None:
            self._effects += [
                DropLeg(operator=self.operator),
                Release(operator=self.operator, as_=operator_is),
            ]
