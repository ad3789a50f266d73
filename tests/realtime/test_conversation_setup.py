"""How a call's session comes up: configured first, then the agent speaks first, or it fails out loud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.continuity import ATTEMPT_S, GIVE_UP_S
from realtime.error_codes import FATAL_ERRORS
from realtime.phase import SETUP_S, Phase
from storage.events import SessionConfigured, SessionFailed, SessionReconnected
from tests.fakes.realtime_story import NOTICE_HEARD_S, Story, receptionist


def test_the_session_is_configured_as_soon_as_it_exists_and_not_before() -> None:
    story = Story()
    story.drive()
    assert story.sent == []

    story.session_created()

    (update,) = story.sent
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be brief."
    assert [tool["name"] for tool in update["session"]["tools"]] == ["look_up", "book", "end_call"]


def test_nothing_is_said_while_the_session_is_not_configured() -> None:
    story = Story()
    story.media_connects()
    story.session_created()

    assert story.sent_types() == ["session.update"]


def test_nothing_is_said_while_nobody_can_hear_it() -> None:
    story = Story()
    story.session_created()
    story.session_updated()

    assert story.sent_types() == ["session.update"]
    assert story.only(SessionConfigured).session_id == "sess_1"


@pytest.mark.trap(1)
@pytest.mark.parametrize("media_first", [True, False])
def test_the_agent_greets_once_when_it_is_configured_and_can_be_heard(media_first: bool) -> None:
    story = Story()
    story.session_created()
    steps = [story.session_updated, story.media_connects]
    for step in reversed(steps) if media_first else steps:
        step()
    story.media_connects()
    story.session_updated()

    (greeting,) = story.sent_of("response.create")
    assert greeting["response"]["tool_choice"] == "none"
    assert greeting["response"]["metadata"] == {"request": "req_2"}
    words = greeting["response"]["instructions"]
    assert words.startswith("Be brief.")  # the session's own come first: they would be replaced otherwise
    assert '"Good morning."' in words


def test_an_agent_without_a_greeting_of_its_own_is_asked_for_one() -> None:
    story = Story(receptionist(greeting=None)).connect(greet=False)

    assert "Greet the caller now" in story.sent_of("response.create")[0]["response"]["instructions"]


def test_the_time_to_connect_is_on_record() -> None:
    story = Story()
    story.pass_time(0.4)
    story.session_created()
    story.pass_time(0.1)
    story.session_updated()

    assert story.only(SessionConfigured).connect_ms == 500


@pytest.mark.trap(19)
@pytest.mark.parametrize(
    "audio",
    [
        {"output": {"format": {"type": "audio/pcmu"}}},
        {"input": {"format": {"type": "audio/pcma"}}},
        {"output": {"format": {"type": "audio/pcm", "rate": 16000}}},
        {"input": {"format": "pcm16"}, "output": {}},
    ],
)
def test_a_session_that_keeps_another_audio_format_fails_loudly(audio: dict[str, Any]) -> None:
    story = Story(check=False)
    story.session_created()
    story.media_connects()
    story.session_updated(audio=audio)

    failed = story.only(SessionFailed)
    assert failed.code == "format_mismatch"
    assert "asked for" in failed.message
    story.pass_time(NOTICE_HEARD_S)
    assert story.hung_up == story.closed == "provider_failed"
    assert story.sent_of("response.create") == []


@pytest.mark.parametrize("audio", [None, [], {}, {"input": 3, "output": {"format": None}}])
def test_a_session_that_says_nothing_about_its_format_is_taken_as_asked(audio: Any) -> None:
    story = Story(check=False)
    story.session_created()
    story.session_updated(audio=audio)

    assert story.conversation.phase is Phase.READY


@pytest.mark.parametrize("created", [True, False])
def test_an_error_during_set_up_ends_the_call(created: bool) -> None:
    story = Story()
    story.media_connects()
    if created:
        story.session_created()
    story.error("invalid_value", message="Unsupported voice.")

    assert story.only(SessionFailed) == SessionFailed(code="invalid_value", message="Unsupported voice.")
    story.pass_time(NOTICE_HEARD_S)
    assert story.closed == "provider_failed"


def test_a_session_that_is_never_configured_is_tried_again_and_then_ends_the_call() -> None:
    story = Story()
    story.session_created()
    story.pass_time(SETUP_S - 0.1)
    assert story.opened == []

    story.pass_time(0.2)
    assert story.opened == ["gpt-realtime-2.1"]
    story.pass_time(GIVE_UP_S + ATTEMPT_S)

    assert story.only(SessionFailed).code == "setup_timeout"
    assert story.closed == "provider_failed"


@pytest.mark.parametrize("code", sorted(FATAL_ERRORS))
def test_an_error_that_no_retry_mends_ends_the_call(code: str) -> None:
    story = Story().connect()
    story.error(code)

    assert story.only(SessionFailed).code == code
    story.pass_time(NOTICE_HEARD_S)
    assert story.hung_up == "provider_failed"


@pytest.mark.trap(10)
@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("response_cancel_not_active", "realtime.benign"),
        ("conversation_already_has_active_response", "realtime.benign"),
        ("input_audio_buffer_commit_empty", "realtime.benign"),
        ("item_truncate_invalid_item_id", "realtime.benign"),
        ("invalid_value", "realtime.benign"),
        ("cannot_update_voice", "realtime.benign"),
        ("something_new", "realtime.error"),
    ],
)
def test_other_errors_are_noted_and_the_call_goes_on(code: str, note: str) -> None:
    story = Story().connect()
    story.error(code)

    assert [each.code for each in story.notes] == [note]
    assert story.conversation.phase is Phase.READY
    story.caller_says("Hello?")
    story.agent_says("Yes?", ms=300)
    story.pass_time(1)
    assert story.closed is None


def test_an_error_without_a_code_is_known_by_its_type() -> None:
    """Some compatible servers put the code there."""
    story = Story().connect()
    story.server("error", error={"type": "insufficient_quota", "message": "Pay first."})

    assert story.only(SessionFailed).code == "insufficient_quota"


def test_a_long_error_message_is_cut_for_the_record() -> None:
    story = Story().connect()
    story.error("insufficient_quota", message="x" * 5000)

    assert len(story.only(SessionFailed).message) == 300


def test_unknown_and_malformed_events_are_noted_without_anybodys_words() -> None:
    story = Story(check=False).connect()
    story.server("response.whispered", text="secret words")
    story.server("response.output_audio.delta", delta="secret words")
    story.server("rate_limits.updated", rate_limits=[])

    assert [note.code for note in story.notes] == ["realtime.unknown_event", "realtime.malformed_event"]
    assert "secret" not in json.dumps([note.detail for note in story.notes])


def test_a_socket_lost_before_the_set_up_is_opened_again_and_the_greeting_said_once() -> None:
    story = Story()
    story.media_connects()
    story.conversation.session_lost("closed_1011", "going away", story.now)
    story.drive()
    story.restore()

    assert story.only(SessionReconnected).cause == "closed_1011"
    (greeting,) = story.sent_of("response.create")
    assert "Good morning." in greeting["response"]["instructions"]
