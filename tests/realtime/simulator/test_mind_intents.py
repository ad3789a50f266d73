import pytest

from realtime.simulator.mind import intents
from realtime.simulator.mind.plain_text import plain


@pytest.mark.parametrize(
    "words",
    [
        "I want to speak to a human.",
        "Can I talk to a person please?",
        "Operator!",
        "Give me a real person",
        "Could you connect me to someone?",
        "I don't want to talk to a machine, not a robot",
    ],
)
def test_the_wish_for_a_person_is_understood(words: str) -> None:
    assert intents.wants_a_person(plain(words))


@pytest.mark.parametrize("words", ["I want an appointment", "My name is Parker", "Tomorrow at three"])
def test_other_wishes_are_not_for_a_person(words: str) -> None:
    assert not intents.wants_a_person(plain(words))


@pytest.mark.parametrize("words", ["Goodbye.", "Good-by.", "Okay, bye!", "Have a nice day"])
def test_goodbye_is_understood(words: str) -> None:
    assert intents.says_goodbye(plain(words))


@pytest.mark.parametrize("words", ["No, thank you. That is all.", "That's all", "Nothing else", "No."])
def test_nothing_more_is_understood(words: str) -> None:
    assert intents.wants_nothing_more(plain(words))


@pytest.mark.parametrize(
    "words", ["Yes.", "Yeah, that's right", "Correct", "That sounds good", "Yes, please do"]
)
def test_yes_is_understood(words: str) -> None:
    assert intents.says_yes(plain(words))


@pytest.mark.parametrize("words", ["No.", "Not quite", "That's wrong", "Actually, make it Friday"])
def test_no_is_understood(words: str) -> None:
    assert intents.says_no(plain(words))
    assert not intents.says_yes(plain(words))


def test_asking_for_the_own_record_is_told_from_booking() -> None:
    assert intents.asks_for_own_record(plain("When is my next appointment?"))
    assert not intents.asks_for_own_record(plain("I need an appointment"))
