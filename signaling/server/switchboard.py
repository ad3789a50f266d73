"""All calls of this process: who is taken, who is running, and how the house is emptied.

Implements `signaling.web.ports.CallDesk`. The dictionary of sessions is the one directory of live calls; an
ended call stays readable for RECENT_S, and for as long as not all of it is on record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from media.rtc.peer import OfferRejected
from realtime.agent import Agent
from realtime.client.socket import ConnectFailed
from realtime.tools.registry import ToolRegistry
from signaling.admission import Admission
from signaling.caller import AnsweredCall, CallerIdentity, TrunkLine
from signaling.errors import (
    Draining,
    ModelUnreachable,
    NoCapacity,
    OfferRefused,
    RecordFull,
    Unavailable,
    UnknownAgent,
    UnknownCall,
)
from signaling.server.call_log import CallLog
from signaling.server.call_people import CallPeople
from signaling.server.call_session import CallServices, CallSession
from signaling.web.ports import IceCandidate, Readiness, Unstored
from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.events import CallAnnotated, EndReason
from storage.projection import CallView, TranscriptEntry

log = logging.getLogger(__name__)

RECENT_S = 60.0
FORGET_EVERY_S = 10.0
# Of ended calls that wait for a record that is down: 100 MB, some 500 calls. The longest over goes first; what
# the outbox still has of it is answered from there.
MOST_EVENTS_KEPT = 100_000
# Calls of which we know that their events are our own when Redis brings them back, perhaps hours late.
MOST_CALLS_KNOWN = 50_000
# A goodbye (12 s at most), the last words' transcription (5 s) and closing; then the process goes.
GOODBYE_AND_RECORD_S = 20.0
# Something that every call needs is away; the model's probe asks again after as long.
RETRY_WHEN_UNREADY_S = 15

ENDED_BY: dict[str, EndReason] = {
    "caller": "caller_hangup",
    "operator": "operator_hangup",
    "admin": "operator_hangup",
}

REFUSED_AS: dict[str, type[Unavailable]] = {
    "draining": Draining,
    "no_capacity": NoCapacity,
    "record_full": RecordFull,
}

MODEL_FIXES: dict[str, str] = {
    "unauthorized": "The Realtime server refused the key: check OPENAI_API_KEY.",
    "unreachable": "Check CORDBOARD_REALTIME__URL and that the server is running.",
    "timeout": "Check CORDBOARD_REALTIME__URL and the network to it.",
    "rate_limited": "The Realtime server is limiting us; try again, or raise the account's limits.",
    "refused": "Check CORDBOARD_REALTIME__URL and the model's name.",
    "server_error": "The Realtime server has a problem of its own; try again.",
}
# After such a refusal no call can be answered until somebody acts; others may pass by themselves.
LASTING_FAILURES = frozenset({"unauthorized", "refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """What is still asked of a call that is over."""

    log: CallLog
    ended_at: float  # the loop's time


class Switchboard:
    """Order of calls: `answer` and the rest at will, `drain` once, at the end.

    `agents` may change while it runs (see `AgentShelf`): a call keeps the agent that it was answered with. Every
    tool that one of them names is in `tools`.
    """

    def __init__(
        self,
        *,
        agents: Mapping[str, Agent],
        tools: ToolRegistry,
        services: CallServices,
        admission: Admission,
        degraded: Callable[[], Sequence[str]] = tuple,
        unready: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._agents = agents
        self._tools = tools
        self._services = services
        self._admission = admission
        self._degraded = degraded
        self._unready = unready
        self._sessions: dict[str, CallSession] = {}
        self._recent: dict[str, EndedCall] = {}  # the longest over first
        self._ours: dict[str, None] = {}  # the oldest first
        self._answering = 0
        self._model_failure: str | None = None
        self._loop = asyncio.get_running_loop()

    # CallDesk

    async def answer(self, *, agent_id: str, offer_sdp: str, caller: CallerIdentity) -> AnsweredCall:
        """See `CallDesk.answer`."""
        session, answer_sdp = await self._take(agent_id, offer_sdp, caller, None)
        return AnsweredCall(call_id=session.call_id, answer_sdp=answer_sdp)

    async def answer_line(
        self, *, agent_id: str, offer_sdp: str | None, caller: CallerIdentity, line: TrunkLine
    ) -> tuple[CallSession, str]:
        """The same for a telephone call: its session, whose end is the trunk's business too, and the answer.

        Without an offer: an offer of ours, whose answer `CallSession.accept` takes.
        """
        return await self._take(agent_id, offer_sdp, caller, line)

    @property
    def closed_for_s(self) -> int | None:
        """Seconds after which it may be worth asking again; None: a call would be taken now."""
        refusal = self._admission.refusal(self.running + self._answering)
        if refusal is not None:
            return refusal.retry_after_s
        return None if self.readiness().ready else RETRY_WHEN_UNREADY_S

    async def _take(
        self, agent_id: str, offer_sdp: str | None, caller: CallerIdentity, trunk: TrunkLine | None
    ) -> tuple[CallSession, str]:
        agent = self._agents.get(agent_id)
        if agent is None:
            raise UnknownAgent(f"There is no agent {agent_id!r}.", fix="GET /v1/agents lists them.")
        self._admit()
        session = CallSession(
            call_id=self._new_call(),
            agent=agent,
            tools=self._tools.chosen(agent.tools),
            caller=caller,
            services=self._services,
            trunk=trunk,
        )
        self._answering += 1
        try:
            answer_sdp = await session.answer(offer_sdp)
        except OfferRejected as error:
            raise OfferRefused(error.detail, code=error.code) from error
        except ConnectFailed as error:
            self._remember(session)
            self._model_failure = error.detail if error.code in LASTING_FAILURES else None
            log.error("model.unreachable code=%s detail=%s", error.code, error.detail)
            raise ModelUnreachable(
                "The voice model cannot be reached, so nobody could answer.",
                fix=MODEL_FIXES.get(error.code),
                retry_after_s=error.retry_after_s or 5,
            ) from error
        finally:
            self._answering -= 1
        self._model_failure = None
        self._sessions[session.call_id] = session
        session.on_ended(self._ended)
        return session, answer_sdp

    async def reattach(self, call_id: str, offer_sdp: str) -> str:
        """See `CallDesk.reattach`."""
        session = self._sessions.get(call_id)
        if session is None or session.over:
            raise UnknownCall("This call has ended.", fix="Place a new call.", code="call_over")
        try:
            return await session.reattach(offer_sdp)
        except OfferRejected as error:
            raise OfferRefused(error.detail, code=error.code) from error

    def people(self, call_id: str) -> CallPeople | None:
        """The desk's side of a running call of this process."""
        session = self._sessions.get(call_id)
        return session.people if session is not None else None

    def annotate(self, call_id: str, fact: CallAnnotated) -> bool:
        """A fact about a call that runs or has just ended. False: it is over for too long to be known here."""
        call = self._find(call_id)
        return call is not None and call.log.publish(fact)

    async def trickle(self, call_id: str, candidates: Sequence[IceCandidate]) -> None:
        """Taken and not needed: the browser's own checks tell the media leg where it is (RFC 8445, 7.3.1.3)."""
        if call_id not in self._sessions:
            raise UnknownCall("This call is not running here.")

    async def hang_up(self, call_id: str, by: str) -> bool:
        session = self._sessions.get(call_id)
        if session is None:
            return False
        session.hang_up(ENDED_BY.get(by, "operator_hangup"))
        return True

    def live_calls(self) -> list[CallView]:
        return [session.log.projection.view for session in self._sessions.values()]

    def live_call(self, call_id: str) -> CallView | None:
        session = self._find(call_id)
        return session.log.projection.view if session is not None else None

    def live_events(self, call_id: str, after: int) -> list[Envelope] | None:
        session = self._find(call_id)
        if session is None:
            return None
        return [
            envelope for envelope in session.log.journal if envelope.seq is not None and envelope.seq > after
        ]

    def live_transcript(self, call_id: str) -> list[TranscriptEntry] | None:
        session = self._find(call_id)
        return session.log.projection.transcript if session is not None else None

    def readiness(self) -> Readiness:
        reasons = list(self._unready())
        if self._admission.draining:
            reasons.append("This server is shutting down.")
        if self._model_failure is not None:
            reasons.append(self._model_failure)
        if not self._agents:
            reasons.append("There is no agent.")
        return Readiness(ready=not reasons, degraded=list(self._degraded()), reasons=reasons)

    # The process

    @property
    def running(self) -> int:
        return len(self._sessions)

    def owns(self, call_id: str) -> bool:
        """The call's events come from this process, were it long ago."""
        return call_id in self._ours

    def erase(self, call_ids: Collection[str]) -> set[str]:
        """Forget these ended calls at once; returns those that are not over, which are kept."""
        for call_id in call_ids:
            self._recent.pop(call_id, None)
        return set(call_ids) & self._sessions.keys()

    async def forget(self, unstored: Unstored) -> None:
        """Let go of ended calls once they are on record. Until cancelled, which is safe at any time."""
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            due = self._loop.time() - RECENT_S
            for call_id in [call_id for call_id, call in self._recent.items() if call.ended_at <= due]:
                if not await unstored.events_after(call_id, -1, 1):
                    self._recent.pop(call_id, None)

    async def drain(self, limit_s: float) -> None:
        """No new calls; running ones go on for `limit_s`, then the agents say goodbye. Returns when all are over.

        May be cancelled: calls that are left are ended at once by `stop`.
        """
        self._admission.drain()
        log.info("drain.started calls=%d limit_s=%g", self.running, limit_s)
        await self._emptied(limit_s)
        for session in list(self._sessions.values()):
            session.say_goodbye("the service is being restarted", "agent_hangup")
        await self._emptied(GOODBYE_AND_RECORD_S)
        await self.stop()

    async def stop(self) -> None:
        """End what is still running, now."""
        self._admission.drain()
        for session in list(self._sessions.values()):
            session.hang_up("agent_hangup")
        await self._emptied(GOODBYE_AND_RECORD_S)
        log.info("drain.finished calls=%d", self.running)

    def _admit(self) -> None:
        refusal = self._admission.refusal(self.running + self._answering)
        if refusal is None:
            return
        raise REFUSED_AS[refusal.code](refusal.detail, retry_after_s=refusal.retry_after_s)

    def _find(self, call_id: str) -> CallSession | EndedCall | None:
        return self._sessions.get(call_id) or self._recent.get(call_id)

    def _ended(self, session: CallSession) -> None:
        if self._sessions.pop(session.call_id, None) is not None:
            self._remember(session)

    def _remember(self, session: CallSession) -> None:
        # Not the session itself: it holds seconds of audio, a peer and a socket.
        self._recent[session.call_id] = EndedCall(log=session.log, ended_at=self._loop.time())
        kept = sum(len(call.log.journal) for call in self._recent.values())
        while kept > MOST_EVENTS_KEPT and len(self._recent) > 1:
            kept -= len(self._recent.pop(next(iter(self._recent))).log.journal)

    def _new_call(self) -> str:
        call_id = new_call_id()
        self._ours[call_id] = None
        if len(self._ours) > MOST_CALLS_KNOWN:
            del self._ours[next(iter(self._ours))]
        return call_id

    async def _emptied(self, within_s: float) -> None:
        sessions = list(self._sessions.values())
        if sessions:
            waiting = [asyncio.ensure_future(session.ended.wait()) for session in sessions]
            _, late = await asyncio.wait(waiting, timeout=within_s)
            for task in late:
                task.cancel()


def tools_missing(agents: Mapping[str, Agent], tools: ToolRegistry) -> list[str]:
    """A sentence for each tool that an agent names and nobody has registered."""
    return [
        f"agent {agent.id!r} uses the tool {name!r}, which is not registered"
        for agent in agents.values()
        for name in agent.tools
        if name not in tools
    ]
