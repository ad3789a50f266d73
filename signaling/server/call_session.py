"""One call: the media leg, the conversation and the session's socket, joined.

The audio path on one screen:

    caller → Peer → audio_received → append → line → socket     (no task, no queue: one callback)
    socket → message_received → conversation → Play → Peer → caller

Everything the conversation decides comes out as effects, carried out here in order. The call's only tasks are
in one TaskGroup: tools that are running, the leg being closed, the quality sampler. They end with the call.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from media.playout import RECEIVER_BUFFER_MS, PartKey
from media.rtc.peer import Peer, PeerConfig
from realtime import effects, instructions
from realtime.agent import Agent
from realtime.client.endpoint import Endpoint
from realtime.client.socket import ConnectFailed
from realtime.continuity import SessionSpan
from realtime.conversation import Conversation
from realtime.files.recordings import recorded_pcm
from realtime.phase import Phase
from realtime.server_events import parse
from realtime.tool_spec import ToolOutcome
from realtime.tools.belonging import belonging_tools
from realtime.tools.context import Appointments, AuditTrail, CallContext, Customers
from realtime.tools.places import Places, call_places, process_places
from realtime.tools.refusals import record_refusal
from realtime.tools.registry import Tool
from realtime.tools.runner import run_tool
from signaling.call import CallInput, CallLife, CallState
from signaling.caller import CallerIdentity, TrunkLine
from signaling.server.call_audio import CallAudio
from signaling.server.call_log import CallLog
from signaling.server.call_people import CallPeople, DeskOfCall
from signaling.server.call_recording import CallRecording
from signaling.server.caller_legs import CallerLegs
from signaling.server.recordings import Recordings
from signaling.server.redacted_audit import RedactedAudit
from signaling.server.session_line import SessionLine
from storage.call_ids import new_call_id
from storage.envelope import Envelope
from storage.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    EndReason,
    Event,
    HandoffRequested,
    QualitySampled,
    SessionFailed,
)
from storage.redaction import Redaction

log = logging.getLogger(__name__)

QUALITY_EVERY_S = 15.0

GONE_REASONS: dict[str, EndReason] = {
    "peer_lost": "peer_lost",
    "closed": "caller_hangup",  # the browser closed its connection without a DELETE
    "ice_timeout": "timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallServices:
    """What every call of this process shares."""

    node: str
    tenant: str
    endpoint: Endpoint
    default_model: str
    session_span: SessionSpan = field(default_factory=SessionSpan)
    peer_config: PeerConfig
    emit: Callable[[Envelope], None]  # never blocks
    customers: Customers | None
    appointments: Appointments | None
    audit: AuditTrail | None = None
    recordings: Recordings | None = None  # None: nobody is recorded here, whatever the agents say
    desk: DeskOfCall | None = None  # None: there are no operators
    resume_s: float = 0.0  # how long a caller whose browser has closed the connection may come back
    tool_places: Places = field(default_factory=process_places)


Input = TypeVar("Input", bound=Callable[..., None])


def _guarded(method: Input) -> Input:
    """A bug of ours must cost one call at the most, and be seen: never the ticker or socket that called."""

    @functools.wraps(method)
    def guarded(self: CallSession, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self._failed(error)

    return cast(Input, guarded)


class CallSession:
    """Order of calls: `answer`, then whatever happens, `hang_up`, and `ended` to wait for the last event."""

    def __init__(
        self,
        *,
        call_id: str,
        agent: Agent,
        tools: Mapping[str, Tool],
        caller: CallerIdentity,
        services: CallServices,
        trunk: TrunkLine | None = None,
    ) -> None:
        """`trunk`: the call comes by telephone."""
        self.call_id = call_id
        self.agent = agent
        self.life = CallLife()
        redaction = Redaction(agent.privacy.redact, region=agent.region)
        self.log = CallLog(call_id, services.tenant, services.emit, redaction)
        self._audit = None if services.audit is None else RedactedAudit(services.audit, redaction)
        self.ended = asyncio.Event()
        self._caller = caller
        self._trunk = trunk
        self._tools = {**tools, **belonging_tools(agent)}
        self._tool_places = call_places(services.tool_places)
        self._running_tools: set[asyncio.Task[None]] = set()
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._wall_started = datetime.now(UTC)
        self._model = agent.model or services.default_model
        self._conversation = Conversation(
            agent,
            model=self._model,
            instructions_text=instructions.render(
                agent,
                now=self._wall_started,
                caller_number=caller.number,
                tool_notes=[(name, each.spec.description) for name, each in self._tools.items()],
            ),
            tools=[each.spec for each in self._tools.values()],
            origin=(self._started, self._wall_started),
            span=services.session_span,
        )
        self._recording: CallRecording | None = None
        if agent.recording.enabled and services.recordings is not None:
            self._recording = CallRecording(
                call_id,
                agent,
                services.recordings,
                started=self._started,
                publish=self.publish,
                audit=self._audit,
            )
        self.people = CallPeople(self, services.endpoint, services.desk)
        self._audio = CallAudio(services.peer_config, self.people)
        self.people.sit_on(self._audio)
        # Who calls by telephone hangs up with BYE, and does not come back.
        resume_s = services.resume_s if trunk is None else 0.0
        self._legs = CallerLegs(self, services.peer_config, resume_s=resume_s)
        self._line = SessionLine(services.endpoint, self)
        self._timer: asyncio.TimerHandle | None = None
        self._driving = False
        self._group: asyncio.TaskGroup | None = None
        self._closed = asyncio.Event()
        self._on_ended: Callable[[CallSession], None] | None = None
        self._held_since = 0.0
        self._hung_up_ms: int | None = None  # when the media leg was closed, on the call's clock
        self._life_task: asyncio.Task[None] | None = None

    async def answer(self, offer_sdp: str | None) -> str:
        """The SDP answer; from then on the caller is heard. Without an offer: ours, and `accept` is still to come.

        Raises OfferRejected (nothing is on record) or ConnectFailed (the call is on record as failed).
        """
        peer = await self._legs.answer(offer_sdp)
        self._caller_on(peer)
        try:
            self.publish(
                CallStarted(
                    direction="inbound",
                    agent=self.agent.id,
                    agent_version=self.agent.version,
                    caller=self._caller.label,
                    called=None if self._trunk is None else self._trunk.called,
                    media="webrtc" if self._trunk is None else "sip",
                    node=self._services.node,
                    required_slots={
                        goal.id: [slot.name for slot in goal.slots if slot.required]
                        for goal in self.agent.goals
                    },
                )
            )
            await self._line.open(self._model)
        except ConnectFailed as error:
            await peer.close()
            self.publish(SessionFailed(code=error.code, message=error.detail))
            self.life.happened(CallInput.ANSWER_FAILED)
            self._publish_ended("provider_failed")
            raise
        except BaseException:
            await peer.close()
            if not self.life.over:
                self.life.happened(CallInput.ANSWER_FAILED)
                self._publish_ended("error")
            raise
        self.life.happened(CallInput.ANSWER_SENT)
        self._life_task = asyncio.create_task(self._live(), name=f"call {self.call_id}")
        return peer.answer_sdp

    async def accept(self, answer_sdp: str) -> None:
        """Their answer to our offer. Raises OfferRejected."""
        if self._peer is not None and not self.over:
            await self._peer.accept(answer_sdp)

    async def reattach(self, offer_sdp: str) -> str:
        """The caller comes back on a new leg: after a reload, or on another network. The call goes on with it once
        it is connected; until then the old one counts. Raises OfferRejected."""
        return await self._legs.come_back(offer_sdp)

    def hold(self, held: bool) -> None:
        """The caller does not listen for a while: nothing is said to them, and their silence is meant. Idempotent."""
        peer = self._peer
        if peer is None or self.over or peer.held == held:
            return
        peer.hold(held)
        now = self._loop.time()
        if held:
            self._held_since = now
            self.peer_lost(0, now)
        else:
            self.peer_resumed(round((now - self._held_since) * 1000), now)

    @property
    def _peer(self) -> Peer | None:
        """The caller's leg that counts."""
        return self._legs.peer

    @property
    def over(self) -> bool:
        """Nobody can be heard any more."""
        return self.life.over

    def in_conversation(self, tell: Callable[[Conversation, float], None]) -> None:
        """Tell the conversation something, and carry out what it decides. Of a call that is over: nothing."""
        if not self.over:
            try:
                tell(self._conversation, self._loop.time())
                self._drive()
            except Exception as error:
                self._failed(error)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task that ends with the call."""
        if self._group is None:
            work.close()
            return
        task = self._group.create_task(work, name=name)
        self._running_tools.add(task)
        task.add_done_callback(self._running_tools.discard)

    def on_ended(self, listener: Callable[[CallSession], None]) -> None:
        """Call `listener` once, when nothing of the call is left; at once if that is so already."""
        self._on_ended = listener
        if self.ended.is_set():
            listener(self)

    def hang_up(self, reason: EndReason) -> None:
        """End the call now. Idempotent."""
        if not self.life.over:
            self._conversation.hang_up(reason, self._loop.time())
            self._drive()

    def say_goodbye(self, because: str, reason: EndReason) -> None:
        """Have the agent end the call in its own words, within seconds."""
        if not self.life.over:
            self._conversation.say_goodbye(because, reason, self._loop.time())
            self._drive()

    # LegListener: the caller's leg tells.

    @_guarded
    def leg_connected(self, peer: Peer, at: float, codec: str) -> None:
        self.life.happened(CallInput.MEDIA_CONNECTED)
        self.publish(CallAnswered(setup_ms=round((at - self._started) * 1000), codec=codec))
        if self._trunk is not None:
            self._trunk.media_connected()
        self._conversation.media_connected(at)
        self._drive()

    @_guarded
    def leg_replaced(self, peer: Peer, gap_ms: int, at: float) -> None:
        self._caller_on(peer)
        self._conversation.peer_resumed(gap_ms, at)
        self._drive()

    def _caller_on(self, peer: Peer) -> None:
        self._audio.caller_on(peer)
        if self._recording is not None:
            self._recording.attach(peer)

    @_guarded
    def audio_received(self, pcm: bytes, at: float) -> None:
        # The hot path: 50 times a second for every call.
        if self._recording is not None:
            self._recording.caller_said(pcm, at)
        if not self._audio.plain:
            heard = self._audio.from_caller(pcm, at)
            if heard is None:
                return
            pcm = heard
        self._line.keep(pcm, at, in_speech=self._conversation.awaits_words)
        to_model = self._conversation.phase is Phase.READY and self._conversation.model_hears
        if to_model and self._line.append(pcm):
            self._conversation.audio_appended(self._line.appended_ms, at)

    @_guarded
    def part_started(self, part: PartKey, at: float) -> None:
        rtt_ms = self._peer.stats().rtt_ms if self._peer is not None else None
        self._conversation.part_started(part, at, to_ear_ms=(rtt_ms or 0) / 2 + RECEIVER_BUFFER_MS)
        self.people.agent_speaks()
        self._drive()

    @_guarded
    def playout_drained(self, at: float) -> None:
        self._conversation.playout_drained(at)
        self._drive()

    @_guarded
    def digit_received(self, digit: str, duration_ms: int) -> None:
        self._conversation.digit_received(digit, duration_ms, self._loop.time())
        self._drive()

    @_guarded
    def peer_lost(self, silent_ms: int, at: float) -> None:
        self._audio.caller_away(True)
        self._conversation.peer_lost(silent_ms, at)
        self._drive()

    @_guarded
    def peer_resumed(self, gap_ms: int, at: float) -> None:
        self._audio.caller_away(False)
        self._conversation.peer_resumed(gap_ms, at)
        self._drive()

    @_guarded
    def caller_gone(self, reason: str, at: float) -> None:
        self.hang_up(GONE_REASONS.get(reason, "error"))

    # LineListener: the session tells.

    @_guarded
    def message_received(self, message: bytes) -> None:
        self._conversation.receive(parse(message), self._loop.time())
        self._drive()

    @_guarded
    def session_closed(self, code: str, reason: str) -> None:
        if self.life.state is CallState.ENDED:
            return
        self._conversation.session_lost(code, reason, self._loop.time())
        self._drive()

    # Carrying out what the conversation decides.

    def _drive(self) -> None:
        if self._driving or self._group is None:
            # An effect called back into us: the loop below takes what it left. Or the session's first message
            # came with the handshake, before the call has its tasks: it drives when it has.
            return
        self._driving = True
        try:
            while taken := self._conversation.effects():
                for effect in taken:
                    self._carry_out(effect)
        finally:
            self._driving = False
        self._set_timer()

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send(message=message):
                self._line.send(message)
            case effects.OpenSession(model=model):
                self._line.reopen(model)
            case effects.AppendAudio(since=since, until=until):
                self._line.append_kept(since, until)
                self._conversation.audio_appended(self._line.appended_ms, self._loop.time())
            case effects.PlayRecorded(part=part, words=words):
                if self._peer is not None:
                    self._peer.play(part, recorded_pcm(words))
                    self._peer.finish(part)
            case effects.RequestHandoff(reason=reason, summary=summary):
                self.publish(
                    HandoffRequested(
                        handoff_id=new_call_id(), reason=reason, summary=summary, method="failure"
                    )
                )
            case effects.Play(part=part, pcm=pcm):
                if self._peer is not None:
                    self._peer.play(part, pcm)
            case effects.FinishPart(part=part):
                if self._peer is not None:
                    self._peer.finish(part)
            case effects.Flush():
                cuts = self._peer.flush() if self._peer is not None else ()
                self._conversation.playout_cut(cuts, self._loop.time())
            case effects.PausePlayout():
                if self._peer is not None:
                    self._peer.pause()
            case effects.ResumePlayout():
                if self._peer is not None:
                    self._peer.resume()
            case effects.Publish(event=event):
                self.publish(event)
            case effects.RunTool():
                if self._group is not None:
                    running = self._group.create_task(self._run_tool(effect), name=f"tool {effect.name}")
                    self._running_tools.add(running)
                    running.add_done_callback(self._running_tools.discard)
            case effects.AuditUnknownTool(item_id=item_id, name=name):
                if self._group is not None:
                    self._group.create_task(self._audit_unknown_tool(item_id, name), name="audit")
            case effects.Note(code=code, detail=detail):
                log.warning("%s call_id=%s %s", code, self.call_id, detail)
            case effects.HangUp():
                self.life.happened(CallInput.HUNG_UP)
                self._hung_up_ms = self._now_ms()
                self.people.caller_left()
                if self._trunk is not None:
                    self._trunk.hung_up()
                if self._recording is not None:
                    self._recording.finish(self._loop.time())
                if self._group is not None and self._peer is not None:
                    self._sample(self._peer)
                    self._group.create_task(self._close_legs(), name="close legs")
            case effects.Close(reason=reason, outcome=outcome, summary=summary):
                self.life.happened(CallInput.RECORD_COMPLETE)
                if self._recording is not None and self._recording.pending and self._group is not None:
                    # Its last event comes before the call's.
                    self._group.create_task(
                        self._end_after_recording(self._recording, effect), name="finish recording"
                    )
                else:
                    self._publish_ended(reason, outcome, summary)

    async def _close_legs(self) -> None:
        await asyncio.gather(self._legs.close(), self.people.close())

    async def _end_after_recording(self, recording: CallRecording, close: effects.Close) -> None:
        await recording.finished()
        self._publish_ended(close.reason, close.outcome, close.summary)

    def _failed(self, error: Exception) -> None:
        log.error("call.failed call_id=%s", self.call_id, exc_info=error)
        try:
            self.hang_up("error")
        except Exception:
            log.exception("call.hang_up_failed call_id=%s", self.call_id)
            self._publish_ended("error")

    def _set_timer(self) -> None:
        """A timer that comes too early is left alone: waking asks again, and deadlines move on with every event."""
        due = self._conversation.next_deadline()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._wake)

    @_guarded
    def _wake(self) -> None:
        self._timer = None
        self._conversation.wake(self._loop.time())
        self._drive()

    # The call's tasks.

    async def _live(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._drive()
                sampler = group.create_task(self._sample_quality(), name="quality")
                await self._closed.wait()
                for over in (sampler, *self._running_tools):
                    over.cancel()
        finally:
            self._group = None
            if self._timer is not None:
                self._timer.cancel()
            if self._trunk is not None:
                self._trunk.hung_up()
            await self._close_legs()
            if self._recording is not None:
                self._recording.finish(self._loop.time())
            await self._line.close()
            self.ended.set()
            if self._on_ended is not None:
                self._on_ended(self)

    async def _run_tool(self, call: effects.RunTool) -> None:
        context = CallContext(
            call_id=self.call_id,
            call_item_id=call.item_id,
            agent=self.agent,
            caller_number=self._caller.number,
            caller_verified=self._caller.verified,
            started_at=self._wall_started.astimezone(ZoneInfo(self.agent.timezone)),
            customers=self._services.customers,
            appointments=self._services.appointments,
            audit=self._audit,
            slots=self._conversation.goals,
            recording=self._recording,
            desk=self.people,
            metadata=self._caller.metadata,
        )
        outcome = await run_tool(self._tools[call.name], call.arguments, context, self._tool_places)
        self._tool_finished(call.call_id, outcome)

    async def _audit_unknown_tool(self, call_item_id: str, name: str) -> None:
        await record_refusal(
            self._audit,
            call_id=self.call_id,
            call_item_id=call_item_id,
            tool=name,
            code="unknown_tool",
            asked=name,
        )

    @_guarded
    def _tool_finished(self, call_id: str, outcome: ToolOutcome) -> None:
        self._conversation.tool_finished(call_id, outcome, self._loop.time())
        self._drive()

    async def _sample_quality(self) -> None:
        while True:
            await asyncio.sleep(QUALITY_EVERY_S)
            if self._peer is not None and self.life.state is CallState.TALKING:
                self._sample(self._peer)

    # The record.

    def _sample(self, peer: Peer) -> None:
        stats = peer.stats()
        self.publish(
            QualitySampled(
                packets_received=stats.packets_received,
                packets_lost=stats.packets_lost,
                concealed_ms=stats.concealed_ms,
                jitter_ms=round(stats.jitter_ms, 1),
                rtt_ms=None if stats.rtt_ms is None else round(stats.rtt_ms, 1),
            )
        )

    def publish(self, event: Event) -> None:
        """Put an event on record; one that comes after the call's end is nothing."""
        if self.log.publish(event):
            if self._recording is not None:
                self._recording.happened(event)
            self.people.happened(event)

    def _now_ms(self) -> int:
        """On the call's clock, which begins when the call was offered to us."""
        return round((self._loop.time() - self._started) * 1000)

    def _publish_ended(
        self, reason: EndReason, outcome: str | None = None, summary: str | None = None
    ) -> None:
        duration_ms = self._now_ms()
        self.publish(
            CallEnded(
                reason=reason,
                last_seq=0,  # the sequencer knows its own number
                duration_ms=duration_ms,
                hung_up_ms=self._hung_up_ms,
                outcome=outcome,
                summary=summary,
                metrics=self.log.metrics.summary(),
            )
        )
        log.info("call.ended call_id=%s reason=%s duration_ms=%d", self.call_id, reason, duration_ms)
        self._closed.set()
        if self._life_task is None:
            self.ended.set()
