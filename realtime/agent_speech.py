"""The agent's side of a session: its responses, as they are generated, played and over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from media.format import bytes_to_samples, samples_to_seconds
from realtime import server_events
from realtime.continuity import Continuity
from realtime.effects import Play
from realtime.ending import Ending
from realtime.error_codes import FATAL_ERRORS
from realtime.outgoing import Outgoing
from realtime.phase import RETRY_AFTER_S, Standing
from realtime.responses import ResponseRequest
from realtime.spoken_record import SpokenRecord
from realtime.tool_use import ToolUse
from realtime.usage import usage_of
from realtime.wishes import Wishes


@dataclass(slots=True, kw_only=True)
class AgentSpeech:
    """Its handlers take one server event each and never raise."""

    out: Outgoing
    standing: Standing
    record: SpokenRecord
    wishes: Wishes
    tools: ToolUse
    ending: Ending
    continuity: Continuity
    _failures: int = 0  # responses that failed, one after the other

    def handlers(self) -> dict[type[Any], Callable[[Any, float], None]]:
        return {
            server_events.ItemAdded: self.on_item_added,
            server_events.ResponseCreated: self.on_response_created,
            server_events.OutputItemAdded: self.on_output_item_added,
            server_events.AudioDelta: self.on_audio_delta,
            server_events.AudioDone: self.on_audio_done,
            server_events.AudioTranscriptDelta: self.on_audio_transcript_delta,
            server_events.AudioTranscriptDone: self.on_audio_transcript_done,
            server_events.ResponseDone: self.on_response_done,
        }

    def on_item_added(self, event: server_events.ItemAdded, now: float) -> None:
        self.wishes.responses.item_added(event.item.id or "")

    def on_response_created(self, event: server_events.ResponseCreated, now: float) -> None:
        response = event.response
        standing = self.standing
        not_its_turn = self.wishes.responses.caller_speaking or standing.person is not None
        if self.wishes.replies.of(response.id) is None:
            return
        wanted = self.wishes.responses.created(response.id, response.request_id)
        if not standing.ready or not_its_turn or not wanted:
            # It was asked for before the caller began to speak, or before the wish for it was withdrawn.
            self.wishes.stop(response.id)

    def on_output_item_added(self, event: server_events.OutputItemAdded, now: float) -> None:
        if event.item.type == "message" and event.item.id:
            self._item(event.response_id, event.item.id, now)

    def on_audio_delta(self, event: server_events.AudioDelta, now: float) -> None:
        reply = self.wishes.replies.of(event.response_id)
        samples = bytes_to_samples(len(event.delta))
        if reply is None or not samples or not self._item(event.response_id, event.item_id, now):
            return
        part = event.part
        if reply.audio(part):
            self.standing.playing = True
            audio_ms = samples_to_seconds(samples) * 1000
            self.record.transcript.agent_audio(part, audio_ms)
            self.record.times.agent_audio(part.item_id, audio_ms)
            self.record.turns.answer_comes(now)
            self.out.add(Play(part=part, pcm=event.delta))

    def on_audio_done(self, event: server_events.AudioDone, now: float) -> None:
        part = event.part
        self.record.transcript.agent_audio_done(part)
        reply = self.wishes.replies.of(event.response_id)
        if reply is not None and part in reply.open_parts:
            reply.open_parts.remove(part)
            self.record.finish_parts([part])

    def on_audio_transcript_delta(self, event: server_events.AudioTranscriptDelta, now: float) -> None:
        if self._item(event.response_id, event.item_id, now):
            text = self.record.transcript.agent_partial(event.part, event.delta)
            reply = self.wishes.replies.of(event.response_id)
            if reply is not None and not reply.muted:
                self.record.partial("agent", event.item_id, text, now)

    def on_audio_transcript_done(self, event: server_events.AudioTranscriptDone, now: float) -> None:
        if self._item(event.response_id, event.item_id, now):
            self.record.transcript.agent_text(event.part, event.transcript)

    def on_response_done(self, event: server_events.ResponseDone, now: float) -> None:
        response = event.response
        reply = self.wishes.replies.over(response.id)
        if reply is None:
            return
        request = self.wishes.responses.done(
            response.id, response.request_id, tells_request=response.tells_request
        )
        used = usage_of(response, self.continuity.model)
        if used is not None:
            self.out.publish(used)
        if request is not None and reply.spoke:
            self.ending.was_said(request.request_id)
        # A response that failed half-way never said that its audio was done.
        self.record.finish_parts(reply.open_parts)
        interrupted = reply.muted or response.status == "cancelled"
        self.record.finals(self.record.transcript.response_over(response.id, interrupted=interrupted))
        if self.standing.ready:
            for part in reply.unplayed:
                self.record.truncate(part, 0)
            begun = self.tools.begin(response, spoke=reply.spoke, overtaken=reply.muted, now=now)
            unheard = not (reply.spoke or reply.muted or begun)
            if response.status == "failed" or (unheard and response.should_have_spoken):
                self._failed(response, request, now)
            elif response.status == "completed":
                self._failures = 0
                self.continuity.worked()
        self.close_turn_if_over()

    def close_turn_if_over(self) -> None:
        """Nothing is left of the answer, and nothing more is to be said."""
        if self.wishes.nothing_to_say:
            self.out.publish(*self.record.turns.close())

    def _item(self, response_id: str, item_id: str, now: float) -> bool:
        """An item of a response that is under way; whether there is such a one."""
        reply = self.wishes.replies.of(response_id)
        if reply is None or not self.standing.ready:
            return False
        if self.standing.person is not None:
            reply.muted = True  # it began unseen
        self.record.transcript.agent_item(response_id, item_id, now)
        if not reply.muted:
            self.out.publish(*self.record.turns.agent_speaks(item_id))
        return True

    def _failed(
        self, response: server_events.ResponseState, request: ResponseRequest | None, now: float
    ) -> None:
        code, message = response.failure
        self._failures += 1
        self.out.note("realtime.response_failed", code)
        if self.standing.person is not None:
            return  # nobody waits for it
        if code in FATAL_ERRORS or self._failures > 1:
            # To the caller a failed response is silence; twice is enough.
            self.ending.provider_failed(code, message, now)
        elif request is not None and self.tools.is_filler(request.request_id):
            return
        elif request is None or not request.body:
            self.wishes.answer(set(), not_before=now + RETRY_AFTER_S)
        else:
            again = self.wishes.again(request, not_before=now + RETRY_AFTER_S)
            self.ending.asked_again(request.request_id, again)
