"""Our client against a Realtime server by somebody else: npm `@copilotkit/aimock`, in a process of its own.

The socket, the line and the conversation are the product's, and what the server took in is read back from its own
journal, so that both ends cannot share one mistaken belief about the protocol.

It could show: the handshake and a refused key; `session.created`, and `session.updated` with the instructions,
tools and formats that were asked for; the instructions of a response; function calls, two at once, and their
outputs as the model sees them; a failed response; a drop in the middle of one, and what the next session is told;
the answer to a client of the retired beta API, as captured from the real service; an `error` without the
`event_id` of what caused it.

Where it strays from the API, and a call lives with it: no `name` in `response.function_call_arguments.done`; no
metadata in a response (so nothing says which request it answers, and a response beside the conversation cannot be
told from one in it); `response.cancelled`, which the API does not have; `conversation.item.done` without an
`.added` for the agent's items; `session.updated` without the session's id.

It cannot show: audio, either way (it writes where it was asked to speak); voice activity, commits, transcription
of a conversation, barge-in and truncation (it ignores what it does not know); two responses at once (it answers
one after the other); malformed JSON (its faults of that kind reach its HTTP routes for completions only).
A server that hears and speaks: test_a_server_that_really_hears.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from realtime.agent import Agent
from realtime.client.account import look_at_account
from realtime.client.endpoint import Endpoint, open_session
from realtime.client.socket import ConnectFailed, RealtimeSocket
from realtime.conversation import Phase
from realtime.server_events import parse
from storage.events import (
    SessionConfigured,
    SessionFailed,
    SessionReconnected,
    ToolCalled,
    ToolFinished,
    TranscriptFinal,
)
from tests.contracts.foreign.aimock import KEY, Aimock, AimockProcess, running_aimock
from tests.fakes.realtime_story import TOOLS, Story, receptionist
from tests.fakes.wire_call import wire_call

GREETING = "Good morning, Doctor Hill's practice."
PROMPTLY_S = 3.0  # before the watchdog takes its first step, at 4 s


class Wire:
    """Keeps what comes on a bare socket; implements SocketListener."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)

    def socket_closed(self, code: int, reason: str) -> None:
        self.closed.set_result((code, reason))


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    """One process for the file; each test scripts it anew."""
    with running_aimock() as process:
        yield process


@pytest.fixture
async def server(aimock: AimockProcess) -> AsyncIterator[Aimock]:
    async with aimock.client() as client:
        yield client


def there(server: Aimock) -> Endpoint:
    return Endpoint(url=server.url, api_key=KEY, connect_timeout_s=5)


def agent(**changes: Any) -> Agent:
    return receptionist(instructions="Never give medical advice.", greeting=GREETING, **changes)


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"match": more.pop("match", {}), "response": {"content": content}, **more}


def call(*names: str, match: dict[str, Any] | None = None) -> dict[str, Any]:
    calls = [{"name": name, "arguments": {"day": "Friday"}} for name in names]
    return {"match": match or {}, "response": {"toolCalls": calls}}


async def test_a_session_is_configured_as_it_was_asked_to_be(server: Aimock) -> None:
    await server.script(text("Hello."))

    async with wire_call(there(server), agent(), tools=TOOLS) as running:
        await running.until(lambda: running.conversation.phase is Phase.READY)

    assert [event["type"] for event in running.received[:2]] == ["session.created", "session.updated"]
    (asked,) = running.asked("session.update")
    took = running.got("session.updated")[0]["session"]
    assert took["instructions"] == asked["session"]["instructions"]
    assert took["tools"] == asked["session"]["tools"]
    assert [tool["name"] for tool in took["tools"]] == ["look_up", "book", "end_call"]
    for way in ("input", "output"):
        assert took["audio"][way]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert took["audio"]["input"]["turn_detection"] == asked["session"]["audio"]["input"]["turn_detection"]
    (configured,) = running.of(SessionConfigured)
    assert configured.session_id == running.got("session.created")[0]["session"]["id"]
    assert configured.model == "gpt-realtime-2.1"


async def test_the_model_is_told_who_it_is_and_what_to_greet_with(server: Aimock) -> None:
    await server.script(text("Hello."))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.done"))

    told = (await server.understood())[0]
    assert [message["role"] for message in told] == ["system"]
    assert "Never give medical advice." in told[0]["content"]
    assert GREETING in told[0]["content"]


async def test_what_is_written_and_not_spoken_is_on_nobodys_record_as_heard(server: Aimock) -> None:
    """This server writes where it was asked to speak, as some models do now and then."""
    await server.script(text("Good morning, this is the desk."))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.done"))

    assert running.got("response.output_text.done")[0]["text"] == "Good morning, this is the desk."
    assert running.played == []
    assert not [final for final in running.of(TranscriptFinal) if final.heard_text]
    assert running.conversation.phase is Phase.READY


async def test_two_function_calls_are_run_and_the_model_sees_both_outputs(server: Aimock) -> None:
    await server.script(text("Booked.", match={"hasToolResult": True}), call("look_up", "book"))
    outputs = {"look_up": lambda day: {"free": day}, "book": lambda day: {"booked": True}}

    async with wire_call(there(server), agent(), tools=TOOLS, run=outputs) as running:
        await running.until(lambda: len(running.got("response.done")) > 1, within_s=PROMPTLY_S)

    assert [(each.name, each.arguments) for each in running.of(ToolCalled)] == [
        ("look_up", {"day": "Friday"}),
        ("book", {"day": "Friday"}),
    ]
    assert [each.ok for each in running.of(ToolFinished)] == [True, True]
    # The greeting was one; the two outputs ask for one more and not for one each.
    assert len(running.asked("response.create")) == 2
    told = (await server.understood())[1]
    assert [message["role"] for message in told[-4:]] == ["assistant", "assistant", "tool", "tool"]
    calls = [message["tool_calls"][0] for message in told[-4:-2]]
    assert [message["tool_call_id"] for message in told[-2:]] == [call["id"] for call in calls]
    assert [message["content"] for message in told[-2:]] == ['{"free":{"day":"Friday"}}', '{"booked":true}']
    # A `done` without the function's name is no reason not to run it: the response's own end has it all.
    strange = {note.detail.split(":")[0] for note in running.notes if note.code == "realtime.malformed_event"}
    assert strange == {"response.function_call_arguments.done"}


async def test_words_before_a_function_call_do_not_hide_it(server: Aimock) -> None:
    blocks = [
        {"type": "text", "text": "One moment."},
        {"type": "toolCall", "name": "book", "arguments": "{}"},
    ]
    await server.script({"match": {}, "response": {"content": "", "toolCalls": [], "blocks": blocks}})

    async with wire_call(there(server), agent(), tools=TOOLS, run={"book": lambda _: "done"}) as running:
        await running.until(lambda: running.of(ToolFinished))

    phases = [event["item"].get("phase") for event in running.got("response.output_item.added")]
    assert phases == ["commentary", "final_answer"]
    assert [each.name for each in running.of(ToolCalled)] == ["book"]


async def test_a_wrong_key_is_refused_before_there_is_a_session(server: Aimock) -> None:
    stranger = Endpoint(url=server.url, api_key="not-the-key", connect_timeout_s=5)

    with pytest.raises(ConnectFailed) as failed:
        await open_session(stranger, "gpt-realtime-2.1", Wire())

    assert (failed.value.code, failed.value.status) == ("unauthorized", 401)


async def test_a_wrong_key_is_found_before_anybody_calls(server: Aimock) -> None:
    stranger = Endpoint(url=server.url, api_key="not-the-key")

    assert (await look_at_account(stranger, "gpt-realtime-2.1")).code == "unauthorized"
    assert (await look_at_account(there(server), "gpt-realtime-2.1")).code == "unknown"


async def test_what_a_client_of_the_retired_beta_gets_ends_a_call_with_the_reason(server: Aimock) -> None:
    """Ours never asks for it; if a gateway should, the answer is final and no session is tried again."""
    wire = Wire()
    headers = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "realtime=v1"}
    url = f"{server.url}/realtime?model=gpt-realtime-2.1"
    socket = await RealtimeSocket.connect(url, headers=headers, listener=wire, timeout_s=5)
    code, reason = await asyncio.wait_for(wire.closed, 5)
    await socket.close()
    story = Story(agent(), check=False)
    for message in wire.messages:
        story.conversation.receive(parse(message), story.now)
    story.conversation.session_lost(f"closed_{code}", reason, story.now)
    story.drive()

    assert (code, reason) == (4000, "invalid_request_error.beta_api_shape_disabled")
    assert [event.code for event in story.events if isinstance(event, SessionFailed)] == [
        "beta_api_shape_disabled"
    ]
    assert story.hung_up == "provider_failed"
    assert story.opened == []


async def test_a_quota_that_is_used_up_is_heard_and_a_person_is_asked_for(server: Aimock) -> None:
    error = {"message": "You exceeded your current quota.", "type": "insufficient_quota"}
    await server.script({"match": {}, "response": {"error": {**error, "code": "insufficient_quota"}}})

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.closed)

    assert running.closed == "provider_failed"
    assert [failed.code for failed in running.of(SessionFailed)] == ["insufficient_quota"]
    assert len(running.played) == 1  # the recorded notice
    assert len(running.handoffs) == 1


async def test_a_session_that_breaks_off_in_mid_response_is_replaced_and_asked_again(server: Aimock) -> None:
    broken = text("Good morning, this is " * 20, match={"sequenceIndex": 0}, truncateAfterChunks=2)
    await server.script(broken, text("Good morning."))

    async with wire_call(there(server), agent(), tools=TOOLS) as running:
        await running.until(lambda: running.got("response.done"))

    assert [code for code, _ in running.closings] == ["closed_1006"]
    assert len(running.got("session.created")) == 2
    (reconnected,) = running.of(SessionReconnected)
    assert reconnected.cause == "closed_1006"
    first, second = running.asked("session.update")[:2]
    assert second["session"]["instructions"] == first["session"]["instructions"]
    assert second["session"]["tools"] == first["session"]["tools"]
    # Nobody heard the greeting: it is asked for again, with the same words.
    understood = await server.understood()
    assert [GREETING in told[0]["content"] for told in understood] == [True, True]


async def test_what_the_caller_keyed_in_is_known_to_the_session_that_replaces_a_broken_one(
    server: Aimock,
) -> None:
    await server.script(text("Good morning, this is " * 20, truncateAfterChunks=2, latency=100), text("Yes?"))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.output_text.delta"))
        running.caller_presses("5")
        await server.script(text("Good morning."))
        await running.until(lambda: running.got("response.done"))

    assert len(running.got("session.created")) == 2
    seeded = [item["item"] for item in running.got("conversation.item.added")]
    assert [part["text"] for item in seeded for part in item["content"]] == [
        "[The caller pressed 5 on the keypad.]"
    ]
    told = (await server.understood())[-1]
    assert "[The caller pressed 5 on the keypad.]" in str(told[1]["content"])


async def test_a_cancellation_answered_by_an_event_that_the_api_does_not_have_is_lived_with(
    server: Aimock,
) -> None:
    await server.script(text("Good morning, this is the practice of Doctor Hill.", latency=100, chunkSize=10))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.output_text.delta"))
        running.goodbye()
        await running.until(lambda: running.got("response.cancelled"))

    assert running.asked("response.cancel")
    assert [note.detail for note in running.notes if note.code == "realtime.unknown_event"] == [
        "response.cancelled"
    ]
    assert running.conversation.phase is Phase.READY


async def test_an_error_that_does_not_say_what_caused_it_ends_nothing(server: Aimock) -> None:
    await server.script(text("Hello."))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.done"))
        running.line.send(b'{"type": "response.cre')  # what no client of ours sends
        await running.until(lambda: running.got("error"))

    assert "event_id" not in running.got("error")[0]["error"]
    assert [note.detail for note in running.notes if note.code == "realtime.error"] == ["invalid_json"]
    assert running.conversation.phase is Phase.READY
    assert running.closings == []


async def test_a_server_that_never_says_what_it_answers_is_asked_the_next_thing_at_once(
    server: Aimock,
) -> None:
    await server.script(text("Hello."))

    async with wire_call(there(server), agent()) as running:
        await running.until(lambda: running.got("response.done"))
        running.caller_presses("5")
        await running.until(lambda: len(running.got("response.done")) > 1, within_s=PROMPTLY_S)
