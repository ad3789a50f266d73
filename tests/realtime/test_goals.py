"""A call's goals: what is known of them, and by which evidence each was decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from realtime.agent import Agent
from realtime.goals import GoalProgress, doers
from storage.events import Event, GoalCompleted, SlotConfirmed, SlotCorrected, SlotFilled
from tests.fakes.realtime_story import receptionist

AT = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)  # a Wednesday
NAME = {"name": "name", "type": "name", "description": "who", "confirm": True}
DATE = {"name": "date", "type": "date", "description": "which day"}
TIME = {"name": "time", "type": "time", "description": "when"}
SIZE = {"name": "size", "type": "integer", "description": "how many", "required": False}


def agent(*, on_complete: str | None = "Read it back, then call book.", **goal: Any) -> Agent:
    booking = {
        "id": "booking", "description": "Book.", "slots": [NAME, DATE, TIME, SIZE], "on_complete": on_complete, **goal
    }  # fmt: skip
    return receptionist(tools=["book", "end_call"], goals=[booking])


class Call:
    """Goal progress with short words for what happens."""

    def __init__(self, of: Agent | None = None) -> None:
        self.progress = GoalProgress(of or agent())

    def record(self, **values: Any) -> list[str]:
        problems = [self.progress.record(name, value, at=AT) for name, value in values.items()]
        return [problem.message for problem in problems if problem is not None]

    def books(self, output: Any = None, **arguments: Any) -> None:
        self.progress.tool_succeeded("book", arguments, output or {"booked": True}, at=AT)

    def ends(self, **judged: str) -> tuple[str, str | None]:
        self.progress.events()
        self.progress.finish(judged)
        completed = [event for event in self.progress.events() if isinstance(event, GoalCompleted)]
        return completed[-1].status, completed[-1].rung


ALL = {"name": "Ann Lee", "date": "2026-11-27", "time": "15:00"}


def test_slots_fill_in_any_order_and_what_is_missing_gets_less() -> None:
    call = Call()
    assert call.progress.missing == ["name", "date", "time"]

    call.record(time="3 pm", name="Ann Lee")

    assert list(call.progress.known.items()) == [("name", "Ann Lee"), ("time", "15:00")]
    assert call.progress.missing == ["date"]
    assert call.progress.unconfirmed == ["name"]
    assert call.progress.events() == [
        SlotFilled(goal="booking", slot="time", value="15:00", confirmed=False),
        SlotFilled(goal="booking", slot="name", value="Ann Lee", confirmed=False),
    ]


def test_days_are_counted_from_the_calls_clock_in_the_agents_zone() -> None:
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    progress = GoalProgress(agent().model_copy(update={"timezone": "Asia/Tokyo"}))

    progress.record("date", "tomorrow", at=late)

    assert progress.known == {"date": "2026-11-27"}


def test_the_same_value_again_is_no_news_and_another_is_a_correction() -> None:
    call = Call()
    call.record(date="2026-11-27")
    call.progress.events()

    call.record(date="friday")
    assert call.progress.events() == []
    call.record(date="2026-11-30")

    assert call.progress.events() == [
        SlotCorrected(goal="booking", slot="date", value="2026-11-30", previous="2026-11-27")
    ]


def test_a_corrected_value_is_to_be_confirmed_again() -> None:
    call = Call()
    call.record(name="Ann Lee")
    assert call.progress.confirm(["name"]) == []
    assert call.progress.confirmed == ["name"]

    call.record(name="Ann Leigh")

    assert call.progress.confirmed == []
    assert call.progress.unconfirmed == ["name"]


def test_only_what_is_known_can_be_confirmed() -> None:
    call = Call()
    call.record(name="Ann Lee")

    assert call.progress.confirm(["name", "date", "shoe"]) == ["date", "shoe"]
    assert [event for event in call.progress.events() if isinstance(event, SlotConfirmed)] == [
        SlotConfirmed(goal="booking", slot="name", value="Ann Lee")
    ]


def test_a_value_that_is_refused_changes_nothing() -> None:
    call = Call()
    call.record(date="2026-11-27")
    call.progress.events()

    (problem,) = call.record(date="2026-11-20")

    assert "has passed" in problem
    assert call.progress.events() == []
    assert call.progress.known == {"date": "2026-11-27"}
    (unknown,) = call.record(shoe="42")
    assert "name, date, time, size" in unknown


def test_two_goals_share_a_slot_of_the_same_name() -> None:
    both = [{"id": each, "description": each, "slots": [NAME, DATE]} for each in ("visit", "call")]
    progress = GoalProgress(receptionist(goals=both))

    progress.record("name", "Ann Lee", at=AT)
    progress.record("call.date", "2026-11-27", at=AT)

    assert [(event.goal, event.slot) for event in progress.events() if isinstance(event, SlotFilled)] == [
        ("visit", "name"), ("call", "name"), ("call", "date")
    ]  # fmt: skip
    assert progress.missing == ["date"]


def test_a_suggestion_fills_what_is_empty_and_changes_nothing() -> None:
    call = Call()
    call.record(name="Ann Lee")

    assert not call.progress.suggest("name", "Bob", at=AT)
    assert not call.progress.suggest("date", "soon", at=AT)
    assert not call.progress.suggest("shoe", "42", at=AT)
    assert call.progress.suggest("time", "15:00", at=AT)
    assert call.progress.known == {"name": "Ann Lee", "time": "15:00"}


# The ladder.


def test_the_tools_that_the_completion_names_are_the_system_of_record() -> None:
    (goal,) = agent().goals

    assert doers(goal, ["book", "look_up", "end_call"]) == {"book"}
    assert (
        doers(goal.model_copy(update={"on_complete": "Say thank you, then end_call."}), ["end_call"]) == set()
    )


def test_a_successful_booking_with_matching_slots_achieves_the_goal_at_once() -> None:
    call = Call()
    call.record(**ALL)
    call.progress.events()

    call.books(**ALL)

    assert call.progress.events() == [
        GoalCompleted(goal="booking", status="achieved", rung="system_of_record")
    ]
    assert call.progress.missing == []
    call.progress.finish({"booking": "not_achieved"})
    assert call.progress.events() == [], "the judge does not overturn the record"


def test_the_arguments_of_a_booking_fill_the_slots() -> None:
    call = Call()

    call.books(**ALL, size=2, party="ignored")

    assert call.progress.known == {**ALL, "size": 2}
    assert call.progress.events()[-1] == GoalCompleted(
        goal="booking", status="achieved", rung="system_of_record"
    )


def test_a_booking_that_contradicts_a_confirmed_value_counts_once_that_is_confirmed_again() -> None:
    call = Call()
    call.record(**ALL)
    call.progress.confirm(["name", "date", "time"])
    call.progress.events()

    call.books(**{**ALL, "time": "16:00"})

    assert call.progress.events() == [
        SlotCorrected(goal="booking", slot="time", value="16:00", previous="15:00")
    ]
    call.progress.confirm(["time"])
    assert call.progress.events()[-1] == GoalCompleted(
        goal="booking", status="achieved", rung="system_of_record"
    )


def test_a_booking_whose_record_reads_otherwise_does_not_count() -> None:
    call = Call()

    call.books(output={"booked": True, "time": "16:00"}, **ALL)

    assert call.ends(booking="achieved") == ("partial", "system_of_record")


def test_a_value_that_changes_after_the_booking_takes_the_achievement_back() -> None:
    call = Call()
    call.books(**ALL)
    call.record(time="16:00")

    assert call.ends() == ("partial", "system_of_record")


def test_a_booking_that_failed_leaves_the_goal_open() -> None:
    call = Call()
    call.record(**ALL)
    call.progress.confirm(list(ALL))
    call.progress.tool_failed("book")

    assert call.ends(booking="achieved") == ("partial", "system_of_record")


def test_confirmed_slots_are_not_a_booking() -> None:
    call = Call()
    call.record(**ALL)
    call.progress.confirm(list(ALL))

    assert call.ends(booking="achieved") == ("partial", "confirmed_slots")


def test_without_a_tool_confirmed_slots_achieve_the_goal_whatever_the_judge_says() -> None:
    call = Call(agent(on_complete="Say that somebody calls back."))
    call.record(**ALL)
    call.progress.confirm(list(ALL))

    assert call.ends(booking="not_achieved") == ("achieved", "confirmed_slots")


@pytest.mark.parametrize(
    ("judged", "decided"),
    [
        ({}, ("achieved", "facts_heard")),
        ({"booking": "achieved"}, ("achieved", "facts_heard")),
        ({"booking": "not_achieved"}, ("not_achieved", "model_judge")),
        ({"booking": "wonderful"}, ("achieved", "facts_heard")),
    ],
)
def test_facts_that_the_caller_heard_achieve_the_goal_unless_the_judge_objects(
    judged: dict[str, str], decided: tuple[str, str]
) -> None:
    call = Call(agent(on_complete=None))
    call.record(**ALL)
    call.progress.heard("So that is Ann Lee, on Friday the 27th, at three in the afternoon.")

    assert call.ends(**judged) == decided


def test_words_that_were_heard_before_a_correction_prove_nothing() -> None:
    call = Call(agent(on_complete=None))
    call.record(**ALL)
    call.progress.heard("Ann Lee, on Friday, at three o'clock.")
    call.record(date="2026-11-30")

    assert call.ends() == ("partial", "confirmed_slots")


def test_the_judge_labels_what_left_no_evidence_and_lifts_nothing() -> None:
    assert Call().ends(booking="not_applicable") == ("not_applicable", "model_judge")
    assert Call().ends(booking="not_achieved") == ("not_achieved", "model_judge")
    assert Call().ends(booking="achieved") == ("unknown", None)
    assert Call().ends() == ("unknown", None)


def test_a_goal_without_slots_is_for_the_judge() -> None:
    talk = agent(slots=[], on_complete=None)

    assert Call(talk).ends(booking="achieved") == ("achieved", "model_judge")
    assert Call(talk).ends() == ("unknown", None)


def test_what_is_said_to_a_person_who_takes_over_is_no_slot() -> None:
    call = Call(agent(slots=[{"name": "reason", "type": "text", "description": "why"}]))

    call.progress.tool_succeeded("request_operator_handoff", {"reason": "upset"}, {}, at=AT)

    assert call.progress.known == {}


NAMES = st.sampled_from(["name", "date", "time", "size", "booking.date", "shoe"])
VALUES = st.sampled_from(
    ["Ann Lee", "Bob", "2026-11-27", "tomorrow", "2020-01-01", "15:00", "4 pm", 3, True, None, ""]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), NAMES, VALUES),
        st.tuples(st.just("suggest"), NAMES, VALUES),
        st.tuples(st.just("confirm"), NAMES, st.none()),
        st.tuples(st.just("book"), st.none(), st.dictionaries(NAMES, VALUES)),
        st.tuples(st.just("fail"), st.none(), st.none()),
        st.tuples(st.just("heard"), st.none(), st.just("Ann Lee, tomorrow at three o'clock")),
        st.tuples(st.just("finish"), st.none(), st.sampled_from(["achieved", "partial", "odd"])),
    ),
    max_size=25,
)


@given(STEPS)
def test_no_value_and_no_confirmation_is_ever_lost_without_an_event(
    steps: list[tuple[str, Any, Any]],
) -> None:
    """The events alone, folded, are the progress: at every step."""
    progress = GoalProgress(agent())
    values: dict[str, Any] = {}
    confirmed: set[str] = set()
    for kind, name, value in steps:
        match kind:
            case "record":
                progress.record(name, value, at=AT)
            case "suggest":
                progress.suggest(name, value, at=AT)
            case "confirm":
                progress.confirm([name])
            case "book":
                progress.tool_succeeded("book", value, value, at=AT)
            case "fail":
                progress.tool_failed("book")
            case "heard":
                progress.heard(value)
            case "finish":
                progress.finish({"booking": value})
        for event in progress.events():
            _fold(event, values, confirmed)

        assert values == progress.known
        assert confirmed == set(progress.confirmed)


def _fold(event: Event, values: dict[str, Any], confirmed: set[str]) -> None:
    match event:
        case SlotFilled():
            assert event.slot not in values
            values[event.slot] = event.value
        case SlotCorrected():
            assert values[event.slot] == event.previous != event.value
            values[event.slot] = event.value
            confirmed.discard(event.slot)
        case SlotConfirmed():
            assert values[event.slot] == event.value
            assert event.slot not in confirmed
            confirmed.add(event.slot)
