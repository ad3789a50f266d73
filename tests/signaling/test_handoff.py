"""One hand-over: each road through the table, and every pair of state and input."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.handoff import AlreadyTaken, Handoff, HandoffPolicy, OfferOver
from signaling.handoff_effects import (
    DropLeg,
    Effect,
    EndCall,
    GiveAudio,
    Record,
    Release,
    Seek,
    StopSeeking,
    TellAgent,
)
from signaling.handoff_states import TRANSITIONS, HandoffInput, HandoffState, ImpossibleHandoff

S, I = HandoffState, HandoffInput  # noqa: E741

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def a_handoff(**policy: object) -> Handoff:
    return Handoff(
        id="h1",
        policy=HandoffPolicy(**policy),  # type: ignore[arg-type]
        clock=lambda at: NINE + timedelta(seconds=at),
    )


def requested(**policy: object) -> Handoff:
    handoff = a_handoff(**policy)
    handoff.request(reason="refund", summary="wants money back", method="ai", now=0.0)
    return handoff


def queued(**policy: object) -> Handoff:
    handoff = requested(**policy)
    handoff.staffed(0.0)
    return handoff


def offered(**policy: object) -> Handoff:
    handoff = queued(**policy)
    handoff.reserved("sato", "o1", 1.0)
    return handoff


def connecting(**policy: object) -> Handoff:
    handoff = offered(**policy)
    handoff.accept("sato", 2.0, offer_id="o1")
    return handoff


def talking(**policy: object) -> Handoff:
    handoff = connecting(**policy)
    handoff.media_up(3.0)
    return handoff


def briefing() -> Handoff:
    return talking(briefing_s=25.0)


def on_hold() -> Handoff:
    handoff = talking()
    handoff.hold(4.0)
    return handoff


def recovering() -> Handoff:
    handoff = talking()
    handoff.operator_lost("sato", 4.0)
    return handoff


def returning() -> Handoff:
    handoff = talking()
    handoff.give_back("refund is booked", 4.0)
    return handoff


def wrap_up() -> Handoff:
    handoff = talking()
    handoff.end(5.0)
    return handoff


def completed() -> Handoff:
    handoff = wrap_up()
    handoff.wrapped_up(6.0)
    return handoff


def unavailable() -> Handoff:
    handoff = requested()
    handoff.unstaffed("closed", 0.0)
    return handoff


def timed_out() -> Handoff:
    handoff = queued()
    handoff.wake(180.0)
    return handoff


def withdrawn() -> Handoff:
    handoff = queued()
    handoff.withdraw("never mind", 1.0)
    return handoff


def callback_booked() -> Handoff:
    handoff = queued()
    handoff.book_callback("+81312345678", "tomorrow morning", 1.0)
    return handoff


def transferred() -> Handoff:
    handoff = talking()
    handoff.transferred(4.0)
    return handoff


def abandoned() -> Handoff:
    handoff = queued()
    handoff.caller_left(4.0)
    return handoff


IN_STATE: dict[HandoffState, Callable[[], Handoff]] = {
    S.REQUESTED: requested,
    S.QUEUED: queued,
    S.OFFERED: offered,
    S.CONNECTING: connecting,
    S.BRIEFING: briefing,
    S.HUMAN_ACTIVE: talking,
    S.ON_HOLD: on_hold,
    S.RECOVERING: recovering,
    S.RETURNING: returning,
    S.WRAP_UP: wrap_up,
    S.COMPLETED: completed,
    S.UNAVAILABLE: unavailable,
    S.TIMED_OUT: timed_out,
    S.WITHDRAWN: withdrawn,
    S.CALLBACK_BOOKED: callback_booked,
    S.TRANSFERRED: transferred,
    S.ABANDONED: abandoned,
}

# Inputs that come from outside; deadlines come by `wake`.
DO: dict[HandoffInput, Callable[[Handoff, float], None]] = {
    I.STAFFED: lambda handoff, now: handoff.staffed(now),
    I.UNSTAFFED: lambda handoff, now: handoff.unstaffed("nobody", now),
    I.RESERVED: lambda handoff, now: handoff.reserved("mori", "o9", now),
    I.ACCEPTED: lambda handoff, now: handoff.accept("mori", now),
    I.DECLINED: lambda handoff, now: handoff.decline("o1", "lunch", now),
    I.MEDIA_UP: lambda handoff, now: handoff.media_up(now),
    I.SETUP_FAILED: lambda handoff, now: handoff.set_up_failed("no_media", now),
    I.JOINED: lambda handoff, now: handoff.join(now),
    I.NOT_FOR_ME: lambda handoff, now: handoff.not_for_me(now),
    I.HELD: lambda handoff, now: handoff.hold(now),
    I.RESUMED: lambda handoff, now: handoff.resume(now),
    I.GIVEN_BACK: lambda handoff, now: handoff.give_back("", now),
    I.AGENT_SPEAKS: lambda handoff, now: handoff.agent_speaks(now),
    I.OPERATOR_LOST: lambda handoff, now: handoff.operator_lost("sato", now),
    I.OPERATOR_BACK: lambda handoff, now: handoff.operator_back("sato", now),
    I.OPERATOR_ENDED: lambda handoff, now: handoff.end(now),
    I.WRAPPED_UP: lambda handoff, now: handoff.wrapped_up(now),
    I.WITHDRAWN: lambda handoff, now: handoff.withdraw("never mind", now),
    I.CALLBACK: lambda handoff, now: handoff.book_callback(None, None, now),
    I.TRANSFERRED: lambda handoff, now: handoff.transferred(now),
    I.CALLER_LEFT: lambda handoff, now: handoff.caller_left(now),
}


def recorded(effects: list[Effect]) -> list[str]:
    return [effect.event.type for effect in effects if isinstance(effect, Record)]


def test_every_state_has_its_row_and_a_road_to_it() -> None:
    assert set(TRANSITIONS) == set(S) == set(IN_STATE)
    for state, make in IN_STATE.items():
        assert make().state is state


@pytest.mark.parametrize("state", S, ids=lambda state: state.value)
@pytest.mark.parametrize("happened", DO, ids=lambda happened: happened.value)
def test_each_input_in_each_state_does_what_the_table_says_or_is_refused_without_a_trace(
    state: HandoffState, happened: HandoffInput
) -> None:
    handoff = IN_STATE[state]()
    handoff.effects()
    before = (handoff.state, handoff.version, handoff.operator, handoff.offer, handoff.next_deadline())
    row = TRANSITIONS[state]
    if happened is I.OPERATOR_LOST and happened not in row:
        DO[happened](handoff, 10.0)  # somebody's console closes all the time
        assert (handoff.state, handoff.effects()) == (state, [])
    elif happened not in row or row[happened] is None:
        try:
            DO[happened](handoff, 10.0)
        except (ImpossibleHandoff, AlreadyTaken, OfferOver):
            assert happened not in row
        assert handoff.effects() == []
        after = (handoff.state, handoff.version, handoff.operator, handoff.offer, handoff.next_deadline())
        assert after == before
    else:
        DO[happened](handoff, 10.0)
        assert handoff.state is row[happened]
        assert handoff.version > before[1]


def test_the_usual_way_is_on_record_from_the_request_to_the_return() -> None:
    handoff = requested()
    handoff.staffed(0.0)
    handoff.reserved("sato", "o1", 1.0)
    handoff.accept("sato", 2.0, offer_id="o1")
    handoff.media_up(3.0)
    handoff.give_back("refund is booked", 60.0)
    handoff.agent_speaks(61.0)
    assert recorded(handoff.effects()) == [
        "handoff.requested",
        "handoff.queued",
        "handoff.offered",
        "handoff.accepted",
        "handoff.connected",
        "handoff.returned",
    ]


def test_the_agent_keeps_the_caller_until_the_operator_can_be_heard() -> None:
    handoff = connecting()
    assert handoff.audio_owner == "agent"
    assert not [effect for effect in handoff.effects() if isinstance(effect, GiveAudio)]
    handoff.media_up(3.0)
    assert handoff.audio_owner == "operator"
    assert GiveAudio(owner="operator") in handoff.effects()


def test_an_offer_that_nobody_answers_goes_on_to_another_and_keeps_its_age() -> None:
    handoff = offered()
    handoff.effects()
    handoff.wake(20.9)
    assert handoff.effects() == []
    handoff.wake(21.0)
    effects = handoff.effects()
    assert Release(operator="sato", as_="not_responding") in effects
    assert Seek(queue="default", excluded=frozenset({"sato"})) in effects
    queued_again = next(
        e.event for e in effects if isinstance(e, Record) and e.event.type == "handoff.queued"
    )
    assert (queued_again.why, queued_again.waited_ms, queued_again.attempt) == ("no_answer", 21_000, 1)  # type: ignore[attr-defined]
    assert queued_again.until == "2026-11-22T09:03:00.000Z"  # type: ignore[attr-defined]


def test_who_declines_is_not_asked_again_and_stays_available() -> None:
    handoff = offered()
    handoff.effects()
    handoff.decline("o1", "lunch", 3.0)
    effects = handoff.effects()
    assert Release(operator="sato", as_="available") in effects
    assert Seek(queue="default", excluded=frozenset({"sato"})) in effects


def test_after_the_last_attempt_the_caller_is_told_that_nobody_is_free() -> None:
    handoff = queued(attempts=2)
    for number, operator in enumerate(("sato", "mori")):
        handoff.reserved(operator, f"o{number}", 10.0 * number)
        handoff.decline(f"o{number}", "busy", 10.0 * number + 1)
    assert handoff.state is S.TIMED_OUT
    assert TellAgent(moment="timed_out") in handoff.effects()
    assert handoff.next_deadline() is None


def test_the_longest_wait_has_an_end_also_when_an_offer_is_out_then() -> None:
    handoff = queued(max_wait_s=30.0)
    handoff.reserved("sato", "o1", 25.0)
    handoff.wake(30.0)
    assert handoff.state is S.OFFERED  # a console that rings is not hung up under the operator's hand
    handoff.wake(45.0)
    assert handoff.state is S.TIMED_OUT


def test_of_two_who_answer_one_wins_and_the_other_is_told_who() -> None:
    handoff = offered()
    handoff.effects()
    handoff.accept("mori", 2.0)
    with pytest.raises(AlreadyTaken) as taken:
        handoff.accept("sato", 2.0, offer_id="o1")
    assert taken.value.operator == "mori"
    assert Release(operator="sato", as_="available") in handoff.effects()


def test_accepting_twice_is_accepting_once() -> None:
    handoff = connecting()
    handoff.effects()
    handoff.accept("sato", 2.5, offer_id="o1")
    assert handoff.effects() == []


def test_an_offer_that_ran_out_cannot_be_accepted() -> None:
    handoff = offered()
    handoff.wake(21.0)
    with pytest.raises(OfferOver):
        handoff.accept("sato", 22.0, offer_id="o1")
    assert handoff.state is S.QUEUED


def test_a_media_path_that_fails_is_not_the_operators_fault() -> None:
    handoff = connecting()
    handoff.effects()
    handoff.wake(10.0)
    effects = handoff.effects()
    assert handoff.state is S.QUEUED
    assert Release(operator="sato", as_="available") in effects
    assert Seek(queue="default", excluded=frozenset()) in effects
    assert GiveAudio(owner="agent") in effects


def test_a_lost_operator_has_ten_seconds_while_the_caller_hears_a_tone() -> None:
    handoff = recovering()
    assert handoff.audio_owner == "tone"
    handoff.operator_back("sato", 9.0)
    assert (handoff.state, handoff.audio_owner) == (S.HUMAN_ACTIVE, "operator")
    handoff.operator_lost("sato", 20.0)
    handoff.effects()
    handoff.wake(30.0)
    assert (handoff.state, handoff.audio_owner) == (S.RETURNING, "agent")
    assert TellAgent(moment="lost") in handoff.effects()


def test_a_colleague_may_step_in_for_a_lost_operator() -> None:
    handoff = recovering()
    handoff.effects()
    handoff.accept("mori", 5.0)
    effects = handoff.effects()
    assert DropLeg(operator="sato") in effects
    assert handoff.operator == "mori"


def test_a_caller_who_leaves_a_conversation_with_a_person_has_abandoned_nothing() -> None:
    handoff = talking()
    handoff.caller_left(9.0)
    assert handoff.state is S.WRAP_UP
    assert Release(operator="sato", as_="wrap_up") in handoff.effects()


@pytest.mark.parametrize("make", [requested, queued, offered, connecting, briefing, recovering])
def test_a_caller_who_leaves_before_that_has_and_the_stage_is_on_record(make: Callable[[], Handoff]) -> None:
    handoff = make()
    stage = handoff.state
    handoff.effects()
    handoff.caller_left(9.0)
    effects = handoff.effects()
    gone = next(each.event for each in effects if isinstance(each, Record))
    assert (gone.type, gone.stage, gone.why) == ("handoff.abandoned", stage.value, "caller_left")  # type: ignore[attr-defined]
    assert handoff.next_deadline() is None


def test_ending_the_call_leaves_time_for_notes_and_no_more_than_that() -> None:
    handoff = wrap_up()
    assert EndCall() in handoff.effects()
    handoff.wake(65.0)
    assert handoff.state is S.COMPLETED
    assert handoff.effects()[-1] == Release(operator="sato", as_="available")
    assert handoff.next_deadline() is None


def test_a_briefing_comes_before_the_caller_hears_the_operator() -> None:
    handoff = briefing()
    assert handoff.audio_owner == "tone"
    assert "handoff.connected" not in recorded(handoff.effects())
    handoff.join(5.0)
    assert "handoff.connected" in recorded(handoff.effects())


WALK = st.lists(
    st.tuples(st.sampled_from([*DO, "wake"]), st.floats(0, 40), st.sampled_from(["sato", "mori"])),
    max_size=40,
)


@settings(max_examples=300)
@given(WALK, st.booleans())
def test_whatever_happens_leases_and_audio_stay_in_order(
    walk: list[tuple[HandoffInput | str, float, str]], brief: bool
) -> None:
    """Every lease taken is given back once; one ear, one offer; every change but the quiet ones is an event."""
    handoff = requested(briefing_s=25.0 if brief else 0.0)
    leased: set[str] = set()
    now, ear, offer = 0.0, "agent", itertools.count()
    for happened, passed, who in walk:
        now += passed
        handoff.wake(now)
        try:
            match happened:
                case I.RESERVED:
                    if who not in leased:
                        handoff.reserved(who, f"o{next(offer)}", now)
                        leased.add(who)
                case I.ACCEPTED:
                    fresh = who not in leased
                    handoff.accept(
                        who, now, offer_id=handoff.offer.id if handoff.offer and not fresh else None
                    )
                    leased.add(who)
                case I.DECLINED:
                    handoff.decline(handoff.offer.id if handoff.offer else "none", "no", now)
                case I.OPERATOR_LOST:
                    handoff.operator_lost(who, now)
                case I.OPERATOR_BACK:
                    handoff.operator_back(who, now)
                case HandoffInput():
                    DO[happened](handoff, now)
        except (ImpossibleHandoff, AlreadyTaken, OfferOver):
            pass
        for effect in handoff.effects():
            match effect:
                case Release(operator=operator, as_=as_):
                    if as_ != "wrap_up":
                        leased.discard(operator)
                case GiveAudio(owner=owner):
                    ear = owner
        assert ear == handoff.audio_owner
        assert handoff.offer is None or handoff.state is S.OFFERED
        holds = {handoff.offer.operator} if handoff.offer else set()
        if handoff.operator is not None and handoff.state not in (S.COMPLETED, S.TRANSFERRED):
            holds.add(handoff.operator)
        assert leased - {handoff.operator} <= holds
        assert holds - {handoff.operator} <= leased
    # The caller leaves, and every clock runs out: nobody stays reserved.
    handoff.caller_left(now)
    for _ in range(5):
        if (due := handoff.next_deadline()) is not None:
            handoff.wake(due)
    for effect in handoff.effects():
        if isinstance(effect, Release) and effect.as_ != "wrap_up":
            leased.discard(effect.operator)
    assert handoff.next_deadline() is None
    assert handoff.state in {
        S.COMPLETED, S.ABANDONED, S.UNAVAILABLE, S.TIMED_OUT, S.WITHDRAWN, S.CALLBACK_BOOKED, S.TRANSFERRED,
    }  # fmt: skip
    if handoff.state is not S.TRANSFERRED:
        assert leased == set()


def test_seeking_stops_when_the_waiting_does() -> None:
    for end in (withdrawn, callback_booked, timed_out, abandoned):
        assert StopSeeking() in end().effects()
