"""Who is asked next."""

from hypothesis import given
from hypothesis import strategies as st

from signaling.operators import (
    EVERY_QUEUE,
    Operator,
    Waiting,
    in_turn,
    longest_idle,
    pairs,
    position,
    staffed,
)


def operator(id: str, **given: object) -> Operator:
    defaults = {"presence": "available", "queues": frozenset({"default"})}
    return Operator(id=id, name=id.title(), **(defaults | given))  # type: ignore[arg-type]


def waiting(id: str, at: float, **given: object) -> Waiting:
    return Waiting(handoff_id=id, call_id=f"call of {id}", queue="default", requested_at=at, **given)  # type: ignore[arg-type]


def test_the_operator_who_has_been_idle_longest_is_asked_first() -> None:
    desk = [operator("sato", idle_since=50), operator("mori", idle_since=20), operator("abe", idle_since=30)]
    assert longest_idle(desk, "default") == desk[1]


def test_only_who_is_free_and_of_the_queue_is_asked() -> None:
    desk = [
        operator("busy", presence="busy"),
        operator("away", presence="offline"),
        operator("noting", presence="wrap_up"),
        operator("talking", handoff_id="h1"),
        operator("billing", queues=frozenset({"billing"})),
        operator("declined"),
    ]
    assert longest_idle(desk, "default", frozenset({"declined"})) is None
    assert longest_idle(desk, "billing") == desk[4]


def test_who_serves_every_queue_is_asked_for_any() -> None:
    assert longest_idle([operator("sato", queues=frozenset({EVERY_QUEUE}))], "billing") is not None


def test_a_desk_whose_operators_are_all_talking_is_staffed() -> None:
    assert staffed([operator("sato", presence="busy", handoff_id="h1")], "default")
    assert staffed([operator("sato", presence="wrap_up")], "default")


def test_a_desk_without_operators_of_the_queue_is_not_staffed() -> None:
    assert not staffed([], "default")
    assert not staffed([operator("sato", presence="busy")], "default")
    assert not staffed([operator("sato", queues=frozenset({"billing"}))], "default")


def test_a_call_that_lost_its_operator_goes_before_the_line() -> None:
    line = [waiting("old", 10), waiting("older", 5), waiting("lost", 90, urgent=True)]
    assert [each.handoff_id for each in in_turn(line)] == ["lost", "older", "old"]
    assert position(line, "old") == 3
    assert position(line, "nobody") is None


def test_a_handoff_that_nobody_free_may_take_does_not_hold_up_the_next() -> None:
    line = [waiting("first", 1, excluded=frozenset({"sato"})), waiting("second", 2)]
    assert [(each.handoff_id, who.id) for each, who in pairs(line, [operator("sato")])] == [
        ("second", "sato")
    ]


OPERATORS = st.lists(
    st.builds(
        Operator,
        id=st.sampled_from(list("abcdefgh")),
        name=st.just("x"),
        queues=st.frozensets(st.sampled_from(["default", "billing"])),
        presence=st.sampled_from(["available", "busy", "wrap_up", "offline"]),
        idle_since=st.floats(0, 100),
        handoff_id=st.none() | st.just("h"),
    ),
    unique_by=lambda each: each.id,
)
LINES = st.lists(
    st.builds(
        Waiting,
        handoff_id=st.uuids().map(str),
        call_id=st.just("c"),
        queue=st.sampled_from(["default", "billing"]),
        requested_at=st.floats(0, 100),
        urgent=st.booleans(),
        excluded=st.frozensets(st.sampled_from(list("abcdefgh")), max_size=3),
    ),
    unique_by=lambda each: each.handoff_id,
)


@given(LINES, OPERATORS)
def test_nobody_is_asked_twice_and_nobody_who_waits_is_passed_over_by_a_later_one(
    line: list[Waiting], desk: list[Operator]
) -> None:
    chosen = pairs(line, desk)
    assert len({who.id for _, who in chosen}) == len(chosen)
    assert len({each.handoff_id for each, _ in chosen}) == len(chosen)
    asked = {each.handoff_id: who for each, who in chosen}
    for each, who in chosen:
        assert who.may_take(each.queue)
        assert who.id not in each.excluded
    turn = in_turn(line)
    for place, each in enumerate(turn):
        if each.handoff_id not in asked:
            for later in turn[place + 1 :]:
                who = asked.get(later.handoff_id)
                assert who is None or not who.may_take(each.queue) or who.id in each.excluded
