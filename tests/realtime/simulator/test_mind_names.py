import pytest

from realtime.simulator.mind.names import find_name


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("My name is Alice Johnson.", "Alice Johnson"),
        ("my name is alice johnson and i want an appointment", "Alice Johnson"),
        ("Hi, this is Bob, I need help.", "Bob"),
        ("This is Carol Smith speaking.", "Carol Smith"),
        ("I'm Dave and I have a toothache", "Dave"),
        ("It's Eve O'Neill", "Eve O'Neill"),
        ("This is Dr. Ann O'Neill speaking.", "Ann O'Neill"),
        ("An appointment for Frank Miller on Friday", "Frank Miller"),
        ("I'm calling about an appointment", None),
        ("I'm Looking for help", None),
        ("It's Monday", None),
        ("This is about my teeth", None),
        ("Alice Johnson.", None),
    ],
)
def test_a_name_is_found_in_an_introduction(words: str, expected: str | None) -> None:
    assert find_name(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Alice Johnson.", "Alice Johnson"),
        ("Sure, it's Carol.", "Carol"),
        ("Yes, of course, Bob Miller", "Bob Miller"),
        ("alice", "Alice"),
        ("Yes, please.", None),
        ("Tomorrow at three.", None),
        ("I do not want to say that", None),
        ("", None),
    ],
)
def test_a_short_answer_is_a_name_when_it_was_asked_for(words: str, expected: str | None) -> None:
    assert find_name(words, expected=True) == expected
