"""What has hurt other voice bridges around function calls, one test for each: numbered as in the list of traps."""

from __future__ import annotations

import pytest

from realtime.fillers import AFTER_S
from storage.events import ToolFinished
from tests.fakes.realtime_story import Story


def asked() -> Story:
    story = Story().connect()
    story.caller_says("Is Monday free?")
    return story


def outputs(story: Story) -> int:
    items = [event["item"] for event in story.sent_of("conversation.item.create")]
    return sum(item["type"] == "function_call_output" for item in items)


@pytest.mark.trap(6)
def test_trap_6_a_response_create_that_races_the_servers_own_is_no_failure_and_never_two_voices() -> None:
    story = asked()
    story.agent_calls("look_up")
    story.tool_returns({"free": True})
    own = story.respond(own=True)  # the server's own began at the same moment
    story.refuse()
    assert len(story.sent_of("response.create")) == 1

    story.acknowledge_items()
    story.response_ends(own)
    story.agent_says("It is free.", ms=400)
    story.pass_time(3)

    assert len(story.sent_of("response.create")) == 2
    assert story.heard_audio_ms == 600 + 400  # the greeting, and the answer once
    assert story.closed is None


@pytest.mark.trap(7)
def test_trap_7_parallel_calls_get_one_spoken_reply() -> None:
    story = asked()
    story.agent_calls("look_up", "book", "look_up")
    for _ in range(3):
        assert story.sent_of("response.create") == []
        story.tool_returns({})

    assert (outputs(story), len(story.sent_of("response.create"))) == (3, 1)


@pytest.mark.trap(8)
def test_trap_8_a_slow_tool_neither_stops_the_call_nor_leaves_it_in_silence() -> None:
    story = asked()
    story.agent_calls("look_up")
    story.pass_time(AFTER_S + 0.1)
    assert len(story.sent_of("response.create")) == 1, "nothing was said into the silence"
    story.agent_says("One moment.", ms=500)
    story.pass_time(1)
    story.caller_says("Take your time.")
    story.agent_says("Thank you.", ms=400)  # the server's own answer, while the tool still runs
    story.pass_time(1)
    item = story.caller_starts()
    story.tool_returns({"free": True})
    story.pass_time(1)
    assert len(story.sent_of("response.create")) == 1, "a late result cut in while the caller spoke"

    story.acknowledge_items()
    story.caller_stops(item)
    story.agent_says("It is free.", ms=400)
    story.pass_time(3)

    assert story.heard_audio_ms == 600 + 500 + 400 + 400
    assert story.only(ToolFinished).ok


@pytest.mark.trap(9)
def test_trap_9_a_reply_that_comes_after_it_was_given_up_is_cancelled_and_not_heard() -> None:
    story = asked()
    story.agent_calls("end_call")
    story.tool_returns({}, hang_up="agent_hangup")
    assert len(story.sent_of("response.create")) == 1  # the goodbye
    item = story.caller_starts()  # "wait, one more thing": the goodbye is given up
    story.pass_time(0.5)
    story.caller_stops(item)
    heard_before = story.heard_audio_ms

    late = story.respond()
    part = story.item(late)
    story.voice(part, "Goodbye.", 600)
    story.pass_time(1)

    assert [event["response_id"] for event in story.sent_of("response.cancel")] == [late.id]
    assert story.heard_audio_ms == heard_before
    assert story.hung_up is None


@pytest.mark.trap(21)
def test_trap_21_the_goodbye_is_heard_before_the_line_goes() -> None:
    story = asked()
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Goodbye, and thank you for calling.", 2400)
    story.item_ends(part, "Goodbye, and thank you for calling.")
    story.call(response, "end_call")
    story.response_ends(response)
    story.tool_returns({}, hang_up="agent_hangup")
    assert story.hung_up is None, "hung up when the model was done, not when the caller had heard it"
    story.pass_time(2.3)
    assert story.hung_up is None

    story.pass_time(0.3)

    assert story.hung_up == "agent_hangup"
    assert story.heard_audio_ms == 600 + 2400
