"""What the agent is to say next, in our words or its own, and the taking back of it.

Every wish to speak is worded here and waits in the sequencer until it may be sent. A wish that is said again gets a
new name, so that an answer to the old one is known as too late.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from realtime import client_events, instructions
from realtime.agent import Agent
from realtime.function_calls import FunctionCalls
from realtime.outgoing import Outgoing
from realtime.phase import Standing
from realtime.replies import Replies
from realtime.responses import ResponseRequest, ResponseSequencer


@dataclass(slots=True, kw_only=True)
class Wishes:
    """`render`: the session's instructions, with what is known by now."""

    agent: Agent
    out: Outgoing
    standing: Standing
    calls: FunctionCalls
    render: Callable[[], str]
    responses: ResponseSequencer = field(default_factory=ResponseSequencer)
    replies: Replies = field(default_factory=Replies)
    resume: bool = False  # the caller waits for an answer that a lost session owed
    _greeted: bool = False

    @property
    def busy(self) -> bool:
        """The agent speaks, is about to, or has something running."""
        return self.standing.playing or self.responses.busy or self.resume or not self.calls.idle

    @property
    def nothing_to_say(self) -> bool:
        """All is said and heard, and no answer is owed."""
        return not self.standing.playing and self.responses.quiet and self.calls.idle and not self.resume

    def greet(self) -> None:
        """Once, when the session is configured and somebody can hear it.

        With voice activity detection the model waits for the caller: the first word is ours to ask for.
        """
        standing = self.standing
        if self._greeted or not standing.media_up or not standing.ready or standing.person is not None:
            return
        self._greeted = True
        self.words(instructions.greeting(self.agent))

    def words(self, extra: str, *, must_be_said: bool = False) -> str:
        """Have something said, and no tool called; the request's id."""
        body = {"instructions": self._now(extra), "tool_choice": "none"}
        return self.again(ResponseRequest(request_id="", body=body, must_be_said=must_be_said))

    def again(self, request: ResponseRequest, *, not_before: float = 0.0) -> str:
        """The same wish under a new id."""
        renewed = dataclasses.replace(request, request_id=self.out.new_id("req"), not_before=not_before)
        self.responses.want(renewed)
        return renewed.request_id

    def answer(self, item_ids: set[str], *, not_before: float = 0.0) -> None:
        """Any response that sees these items of ours will do."""
        self.responses.want(
            ResponseRequest(
                request_id=self.out.new_id("req"), answers=frozenset(item_ids), not_before=not_before
            )
        )

    def going_on(self, extra: str) -> None:
        """Have the conversation gone on with: the model may call tools, and any answer that was due is this one."""
        self.responses.want_instead(
            ResponseRequest(request_id=self.out.new_id("req"), body={"instructions": self._now(extra)})
        )

    def resumption(self) -> None:
        """What a lost session owed. Words of our own that it did not say are still wanted, and will do."""
        self.resume = False
        if not self.responses.has_words and self.standing.ending is None and self.calls.idle:
            self.going_on(instructions.RESUME)

    def stop(self, response_id: str) -> None:
        """This response is not wanted any more; what still comes of it is not played."""
        reply = self.replies.of(response_id)
        if reply is not None:
            reply.muted = True
            self.out.send(client_events.cancel_response(self.out.new_id("ev"), response_id))

    def stop_active(self) -> None:
        if self.responses.active is not None:
            self.stop(self.responses.active)

    def silenced(self) -> None:
        """Nothing that was wanted is wanted any more, and what is being said is not; nobody is greeted later."""
        self._greeted = True
        self.resume = False
        self.responses.forget_wishes()
        self.stop_active()
        self.replies.mute_all()

    def send_due(self, now: float) -> bool:
        """Ask for the response that is due; whether there was one."""
        request = self.responses.next_request(now)
        if request is None:
            return False
        event_id = self.out.new_id("ev")
        self.responses.sent_as(event_id)
        self.out.send(client_events.create_response(event_id, request.request_id, request.body))
        return True

    def _now(self, extra: str) -> str:
        # A response's instructions replace the session's, so the session's are said again before the extra.
        return f"{self.render()}\n\n# Now\n{extra}"
