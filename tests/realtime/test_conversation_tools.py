"""The model calls functions: each is answered once, the model speaks once, and nothing waits for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.tool_output import MODEL_LIMIT
from realtime.tool_spec import ToolSpec
from storage.events import SlotFilled, ToolCalled, ToolFinished, TurnCompleted
from tests.fakes.realtime_story import Story


def asked() -> Story:
    story = Story().connect()
    story.caller_says("Is Monday free?")
    return story


def outputs(story: Story) -> list[tuple[str, Any]]:
    items = [event["item"] for event in story.sent_of("conversation.item.create")]
    return [(item["call_id"], item["output"]) for item in items if item["type"] == "function_call_output"]


def test_a_call_is_run_and_its_output_spoken_of() -> None:
    story = asked()
    (call_id,) = story.agent_calls("look_up", arguments='{"day": "Monday"}')
    (run,) = story.tool_runs
    assert (run.call_id, run.name, run.arguments) == (call_id, "look_up", {"day": "Monday"})
    assert story.sent_of("response.create") == []

    fact = SlotFilled(goal="g", slot="day", value="Monday", confirmed=False)
    story.tool_returns({"free": True}, events=(fact,))

    assert outputs(story) == [(call_id, '{"free":true}')]
    assert story.sent_types()[-2:] == ["conversation.item.create", "response.create"]
    called, finished = story.only(ToolCalled), story.only(ToolFinished)
    assert called.arguments == {"day": "Monday"}
    assert called.call_item_id == finished.call_item_id == run.item_id
    assert (finished.ok, finished.output, finished.duration_ms) == (True, {"free": True}, 5)
    assert story.events.index(fact) < story.events.index(finished)


def test_the_caller_is_heard_while_a_tool_runs() -> None:
    story = asked()
    story.agent_calls("look_up")
    story.caller_says("Are you still there?")
    story.agent_says("One moment, I am looking.", ms=900)
    story.pass_time(0.5)
    story.tool_returns({"free": True})
    story.acknowledge_items()

    assert len(story.sent_of("response.create")) == 1
    story.agent_says("It is free.", ms=500)
    story.pass_time(2.0)
    assert story.heard_audio_ms == 600 + 900 + 500


def test_a_late_output_waits_until_neither_side_is_answering() -> None:
    story = asked()
    story.agent_calls("look_up")
    caller_item = story.caller_starts()
    story.tool_returns({"free": True})
    assert len(outputs(story)) == 1
    assert story.sent_of("response.create") == []

    story.acknowledge_items()
    story.caller_stops(caller_item)
    response = story.respond()
    assert story.sent_of("response.create") == []
    story.response_ends(response)
    story.pass_time(15)

    assert story.sent_of("response.create") == []  # the server's own response saw the output


def test_an_output_that_came_after_the_servers_response_began_gets_a_response_of_its_own() -> None:
    story = asked()
    story.agent_calls("look_up")
    story.caller_says("Hello?")
    response = story.respond()
    story.tool_returns({"free": True})
    story.acknowledge_items()
    assert story.sent_of("response.create") == []

    story.response_ends(response)

    assert len(story.sent_of("response.create")) == 1


def test_parallel_calls_are_answered_together_and_once() -> None:
    story = asked()
    calls = story.agent_calls("look_up", "book")
    story.tool_returns({"n": 2}, run=story.tool_runs[1])
    assert story.sent_of("response.create") == []

    story.tool_returns({"n": 1}, run=story.tool_runs[0])

    assert outputs(story) == [(calls[1], '{"n":2}'), (calls[0], '{"n":1}')]
    assert len(story.sent_of("response.create")) == 1
    story.agent_says("Done.", ms=300)
    story.pass_time(15)
    assert len(story.sent_of("response.create")) == 1


def test_parallel_outputs_that_the_servers_own_response_saw_are_not_spoken_of_twice() -> None:
    """The first output is acknowledged long before the second is there to be wished for."""
    story = asked()
    story.agent_calls("look_up", "book")
    story.tool_returns({"n": 1})
    story.acknowledge_items()
    caller_item = story.caller_starts()
    story.tool_returns({"n": 2})
    story.acknowledge_items()
    story.caller_stops(caller_item)
    story.agent_says("Both done.", ms=300)
    story.pass_time(15)

    assert story.sent_of("response.create") == []


def test_a_tool_that_does_not_exist_is_refused_in_words_for_the_model() -> None:
    story = asked()
    (call_id,) = story.agent_calls("fly")

    assert story.tool_runs == []
    ((answered, output),) = outputs(story)
    assert answered == call_id
    assert json.loads(output) == {"error": "unknown_tool", "message": "There is no tool 'fly'."}
    finished = story.only(ToolFinished)
    assert (finished.ok, finished.error) == (False, "unknown_tool")
    assert len(story.sent_of("response.create")) == 1


@pytest.mark.parametrize(
    "arguments", ["{", "[]", "3", '"x"', "null", "{} {}", '{"a": "\\ud800"}', "[" * 5000]
)
def test_arguments_that_are_not_an_object_are_refused(arguments: str) -> None:
    story = asked()
    story.agent_calls("look_up", arguments=arguments)

    assert story.tool_runs == []
    assert story.only(ToolFinished).error == "invalid_arguments"
    assert len(story.sent_of("response.create")) == 1


def test_no_arguments_at_all_are_an_empty_object() -> None:
    story = asked()
    story.agent_calls("look_up", arguments="")

    assert story.tool_runs[0].arguments == {}


def test_one_bad_call_among_several_leaves_the_others_alone() -> None:
    story = asked()
    bad, good = story.agent_calls("fly", "look_up")
    assert story.sent_of("response.create") == []
    story.tool_returns({})

    assert [call_id for call_id, _ in outputs(story)] == [bad, good]
    assert len(story.sent_of("response.create")) == 1


def test_a_call_that_was_not_finished_is_not_run() -> None:
    story = asked()
    response = story.respond()
    story.call(response, "book", '{"day": "Mon', status="incomplete")
    story.caller_starts()
    story.response_is_cancelled(response)

    assert story.tool_runs == []


def test_a_call_that_is_announced_twice_runs_once() -> None:
    story = asked()
    response = story.respond()
    story.call(response, "book")
    story.response_ends(response)
    story.response_ends(response)
    again = story.respond(created=False)
    again.output = response.output
    story.response_ends(again)

    assert len(story.tool_runs) == 1


def test_an_answer_nobody_asked_for_is_ignored() -> None:
    story = asked()
    story.agent_calls("look_up")
    run = story.tool_runs[0]
    story.tool_returns({})
    story.tool_returns({}, run=run)

    assert len(story.all(ToolFinished)) == 1
    assert len(outputs(story)) == 1


@pytest.mark.parametrize("sign", ["x", "ü", "語", "😀"])
def test_an_output_is_capped_for_the_model_but_whole_on_record(sign: str) -> None:
    story = asked()
    story.agent_calls("look_up")
    text = sign * 20_000
    story.tool_returns(text)

    output = outputs(story)[0][1]
    kept, _, remark = output.partition("\n")
    assert MODEL_LIMIT - 4 < len(kept.encode()) <= MODEL_LIMIT == 16 * 1024
    assert text.startswith(kept)
    assert remark == f"[cut: {len(text.encode())} bytes in all]"
    assert story.only(ToolFinished).output == text


def test_what_no_subscriber_could_swallow_is_cut_on_record_too() -> None:
    story = asked()
    story.agent_calls("look_up", "book")
    story.tool_returns("x" * 300_000)
    story.tool_returns({"rows": ["x" * 1000] * 300})

    first, second = story.all(ToolFinished)
    for output in (first.output, second.output):
        assert 262_144 < len(output) < 262_200
        assert output.endswith(" bytes in all]")


def test_an_output_of_exactly_the_limit_is_not_cut() -> None:
    story = asked()
    story.agent_calls("look_up")
    story.tool_returns("x" * MODEL_LIMIT)

    assert outputs(story)[0][1] == "x" * MODEL_LIMIT


def test_a_result_that_comes_after_the_call_is_on_record_but_not_sent() -> None:
    story = asked()
    story.transcribed("user_9", "")
    story.agent_calls("book")
    story.caller_hangs_up()
    assert story.closed is None  # what was booked belongs on the record

    story.tool_returns({"booked": True})

    assert story.only(ToolFinished).output == {"booked": True}
    assert outputs(story) == []
    assert story.closed == "caller_hangup"


def test_a_tool_that_never_returns_does_not_hold_the_record_open() -> None:
    story = asked()
    story.agent_calls("book")
    run = story.tool_runs[0]
    story.caller_hangs_up()
    story.pass_time(5.1)
    assert story.closed == "caller_hangup"

    story.tool_returns({}, run=run)  # nothing follows Close: the story would fail

    cut = story.only(ToolFinished)
    assert (cut.ok, cut.error, cut.call_item_id) == (False, "call_ended", run.item_id)


def test_tools_are_listed_in_the_turn_that_used_them() -> None:
    story = asked()
    story.agent_calls("look_up", "book")
    story.tool_returns({})
    story.tool_returns({})
    story.agent_says("Booked.", ms=400)
    story.pass_time(1.0)

    assert [turn.tools for turn in story.all(TurnCompleted)] == [["look_up", "book"]]


# Words for the silence in which a tool runs


def spoken_to(**spec: str) -> Story:
    """The caller has asked, and `look_up` runs."""
    looks_up = ToolSpec(name="look_up", description="Looks up.", parameters={"type": "object"}, **spec)
    books = ToolSpec(name="book", description="Books.", parameters={"type": "object"})
    story = Story(tools=(looks_up, books)).connect()
    story.caller_says("Is Monday free?")
    return story


def words_asked_for(story: Story) -> list[str]:
    creates = [event["response"] for event in story.sent_of("response.create")]
    assert all(create.get("tool_choice") == "none" for create in creates if "instructions" in create)
    return [create["instructions"].split("# Now\n")[1] for create in creates if "instructions" in create]


def test_a_tool_that_takes_two_seconds_is_bridged_with_words_once_and_its_result_still_told() -> None:
    story = spoken_to()
    story.agent_calls("look_up")
    story.pass_time(1.9)
    assert story.sent_of("response.create") == []

    story.pass_time(0.2)
    (words,) = words_asked_for(story)
    assert "still on it" in words
    story.agent_says("One moment, please.", ms=800)
    story.pass_time(20)
    assert len(story.sent_of("response.create")) == 1

    story.tool_returns({"free": True})
    story.acknowledge_items()
    story.agent_says("It is free.", ms=400)
    story.pass_time(15)
    assert len(story.sent_of("response.create")) == 2
    assert len(story.all(ToolFinished)) == 1


def test_a_tools_own_words_are_said_in_its_silence() -> None:
    story = spoken_to(speak_while="I am asking the dentist.")
    story.agent_calls("look_up")
    story.pass_time(2.1)

    (words,) = words_asked_for(story)
    assert '"I am asking the dentist."' in words


def test_a_tool_that_wants_silence_gets_it() -> None:
    story = spoken_to(speak_while="")
    story.agent_calls("look_up")
    story.pass_time(20)

    assert story.sent_of("response.create") == []


def test_a_quick_tool_is_not_talked_about() -> None:
    story = spoken_to()
    story.agent_calls("look_up")
    story.pass_time(1.0)
    story.tool_returns({"free": True})
    story.acknowledge_items()
    story.agent_says("It is free.", ms=400)
    story.pass_time(15)

    assert words_asked_for(story) == []


def test_tools_side_by_side_share_one_sentence() -> None:
    story = spoken_to(speak_while="I am asking.")
    story.agent_calls("book", "look_up")
    story.pass_time(2.1)
    story.agent_says("I am asking.", ms=600)
    story.pass_time(15)

    assert len(words_asked_for(story)) == 1
    assert '"I am asking."' in words_asked_for(story)[0]


def test_words_for_a_silence_wait_until_there_is_one() -> None:
    """The agent said something as it called the tool, then the caller speaks, then there is silence."""
    story = spoken_to()
    response = story.respond()
    part = story.item(response)
    story.voice(part, "Let me have a look at that for you.", 3000)
    story.item_ends(part, "Let me have a look at that for you.")
    story.call(response, "look_up")
    story.response_ends(response)
    story.pass_time(3.5)
    item = story.caller_starts()
    story.pass_time(3.0)
    assert story.sent_of("response.create") == []
    story.caller_stops(item)
    story.agent_says("Yes?", ms=400)
    story.pass_time(2.2)
    assert story.sent_of("response.create") == []

    story.pass_time(0.3)

    assert len(words_asked_for(story)) == 1


def test_a_caller_who_speaks_when_the_words_are_due_is_answered_instead() -> None:
    story = spoken_to()
    story.agent_calls("look_up")
    story.pass_time(2.1)
    assert len(words_asked_for(story)) == 1
    response = story.respond(own=True)  # the server's own, to what the caller has just said
    story.refuse()
    story.response_ends(response)
    story.pass_time(15)

    assert len(words_asked_for(story)) == 1


def test_words_that_fail_are_not_tried_again_after_the_answer() -> None:
    story = spoken_to()
    story.agent_calls("look_up")
    story.pass_time(2.1)
    story.response_fails(story.respond(), "server_error")
    story.tool_returns({"free": True})
    story.acknowledge_items()
    story.agent_says("It is free.", ms=400)
    story.pass_time(15)

    assert len(words_asked_for(story)) == 1
    assert story.closed is None


def test_a_caller_who_hung_up_is_not_talked_to() -> None:
    story = spoken_to()
    story.agent_calls("look_up")
    story.caller_hangs_up()
    story.pass_time(4)

    assert story.sent_of("response.create") == []


@pytest.mark.trap(24)
def test_digits_are_told_to_the_model_in_words_and_answered_after_the_last() -> None:
    story = Story().connect()
    for digit in "42#":
        story.conversation.digit_received(digit, 120, story.now)
        story.drive()
        story.pass_time(0.4)
    assert story.sent_of("response.create") == []
    texts = [event["item"]["content"][0]["text"] for event in story.sent_of("conversation.item.create")]
    assert [text.split()[3] for text in texts] == ["4", "2", "#"]

    story.pass_time(1.0)
    story.agent_says("Thank you.", ms=300)
    story.pass_time(15)

    assert len(story.sent_of("response.create")) == 1
    assert [event.type for event in story.events if event.type == "dtmf.received"] == ["dtmf.received"] * 3


def test_digits_that_the_servers_own_response_did_not_see_are_answered_after_it() -> None:
    story = Story().connect()
    story.conversation.digit_received("5", 120, story.now)
    story.drive()
    response = story.respond(own=True)
    story.acknowledge_items()
    story.response_ends(response)
    story.pass_time(1.1)

    assert len(story.sent_of("response.create")) == 1


@pytest.mark.parametrize("names_the_event", [True, False])
def test_a_request_that_loses_against_the_servers_own_response_is_made_again_after_it(
    names_the_event: bool,
) -> None:
    story = asked()
    story.agent_calls("look_up")
    story.tool_returns({"free": True})
    (create,) = story.sent_of("response.create")
    response = story.respond(own=True)  # it began before the output was there
    if names_the_event:
        story.refuse()
    else:
        story.error("conversation_already_has_active_response")
    story.acknowledge_items()
    story.pass_time(5)
    assert len(story.sent_of("response.create")) == 1

    story.response_ends(response)

    first, second = story.sent_of("response.create")
    assert second["response"] == create["response"] == first["response"]
    assert second["event_id"] != first["event_id"]
