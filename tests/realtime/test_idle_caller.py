"""Who says nothing is asked, and then said goodbye to; sounds without words do not count."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from realtime.idle_caller import AGENT_ENDS_THAT_COUNT, SPEECH_ALLOWANCE_S, Idle, IdleCaller


def idle() -> IdleCaller:
    return IdleCaller(prompt_s=12, hang_up_s=30)


def test_a_silent_caller_is_asked_and_then_said_goodbye_to() -> None:
    caller = idle()
    assert caller.next_deadline() is None, "before the greeting nobody is idle"
    caller.agent_finished(100.0)
    assert caller.due(111.9, agent_speaks=False) is None
    assert caller.due(112.0, agent_speaks=False) is Idle.PROMPT
    caller.agent_finished(114.0)  # the question itself does not put the clock back

    assert caller.due(129.9, agent_speaks=False) is None
    assert caller.idle_ms(130.0) == 30_000
    assert caller.due(130.0, agent_speaks=False) is Idle.HANG_UP
    assert caller.next_deadline() is None


def test_words_put_the_clock_back_to_its_beginning() -> None:
    caller = idle()
    caller.agent_finished(100.0)
    assert caller.due(112.0, agent_speaks=False) is Idle.PROMPT
    caller.caller_said_words(115.0)

    assert caller.due(126.0, agent_speaks=False) is None
    assert caller.due(127.0, agent_speaks=False) is Idle.PROMPT


def test_an_agent_that_speaks_is_not_interrupted() -> None:
    caller = idle()
    caller.agent_finished(100.0)

    assert caller.due(120.0, agent_speaks=True) is None


def test_hold_music_that_the_agent_answers_again_and_again_comes_to_an_end() -> None:
    caller = idle()
    now = 0.0
    answers = 0
    while True:
        caller.caller_makes_sound(True)
        now += 3.0
        caller.caller_makes_sound(False)
        if caller.due(now, agent_speaks=False) is Idle.HANG_UP:
            break
        now += 2.0
        caller.agent_finished(now)  # "Sorry, I did not catch that."
        answers += 1

    assert AGENT_ENDS_THAT_COUNT < answers < 20


def test_a_long_sentence_is_waited_for_but_a_noise_without_end_is_not() -> None:
    caller = idle()
    caller.agent_finished(0.0)
    caller.caller_makes_sound(True)
    assert caller.due(31.0, agent_speaks=False) is None

    assert caller.next_deadline() == 30 + SPEECH_ALLOWANCE_S
    assert caller.due(30 + SPEECH_ALLOWANCE_S, agent_speaks=False) is Idle.HANG_UP


@given(st.lists(st.tuples(st.sampled_from(["sound", "quiet", "agent"]), st.floats(0.1, 8)), max_size=80))
def test_without_a_word_of_the_callers_every_call_ends(happenings: list[tuple[str, float]]) -> None:
    caller = idle()
    now = 0.0
    caller.agent_finished(now)
    for what, wait in happenings:
        now += wait
        if caller.due(now, agent_speaks=False) is Idle.HANG_UP:
            return
        match what:
            case "agent":
                caller.agent_finished(now)
            case _:
                caller.caller_makes_sound(what == "sound")
    for _ in range(3):
        at = caller.next_deadline()
        assert at is not None
        if caller.due(max(at, now), agent_speaks=False) is Idle.HANG_UP:
            return
    raise AssertionError("nobody hung up")
