"""What a new session is told of the old one."""

from __future__ import annotations

import pytest

from realtime.history import CHARACTERS, LINES, History


def test_words_come_in_spoken_order_with_the_part_types_that_the_api_takes() -> None:
    history = History()
    history.said("agent", "Good morning.", 1.0)
    history.said("agent", "From nine.", 4.0)
    history.said("caller", "When do you open?", 2.0)  # transcribed after the answer

    assert [line.item for line in history.lines()] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Good morning."}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "When do you open?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "From nine."}]},
    ]


def test_what_nobody_heard_is_not_told() -> None:
    history = History()

    assert history.said("agent", "", 1.0) is None
    assert history.lines() == []


def test_a_call_is_told_with_what_it_returned() -> None:
    history = History()
    history.called("c1", "book", '{"time": "15:00"}', 1.0)
    history.returned("c1", '{"booked": true}', 1.0)  # a quick one: the same moment

    assert [line.item for line in history.lines()] == [
        {"type": "function_call", "call_id": "c1", "name": "book", "arguments": '{"time": "15:00"}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"booked": true}'},
    ]


@pytest.mark.trap(13)
def test_a_long_call_is_told_from_its_newest_end() -> None:
    history = History()
    for number in range(LINES * 2):
        history.said("caller", f"{number:04d}" + "x" * 996, float(number))
    lines = history.lines()

    assert sum(line.characters for line in lines) <= CHARACTERS
    assert lines[-1].at == LINES * 2 - 1
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_one_sentence_that_is_too_long_is_told_all_the_same() -> None:
    history = History()
    history.said("caller", "x" * (CHARACTERS + 1), 1.0)

    assert len(history.lines()) == 1


def test_an_output_is_never_told_without_its_call() -> None:
    history = History()
    history.called("c1", "look_up", "{}", 1.0)
    history.returned("c1", "x" * (CHARACTERS - 1), 2.0)
    history.said("caller", "Thanks.", 3.0)

    assert [line.item["type"] for line in history.lines()] == ["message"]
