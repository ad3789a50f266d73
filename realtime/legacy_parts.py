"""The members of a rule that is written as an object, by what their keys mean."""

from __future__ import annotations

import re

from realtime import legacy_names as names
from realtime.legacy_names import same
from realtime.legacy_values import Flag, Group, Number, Pattern, Text, Value, written


class Parts:
    """The members of a rule, by what their keys mean."""

    def __init__(self, group: Group) -> None:
        self.name: str | None = None
        self.category: str | None = None
        self.texts: list[Text] = []
        self.words: list[Text | Pattern] = []
        self.notes: list[str] = []
        self.states: list[str] = []
        self.next_state: str | None = None
        self.weights: list[str] = []
        self.needs: list[Text] = []
        self.ends: bool | None = None
        self.hands_over: bool | None = None
        self.verbatim: bool | None = None
        self.off = False
        self.rest: list[tuple[str, Value]] = []
        for entry in group.entries:
            self.notes += entry.comments
            if not self._take(same(entry.key), entry.value):
                self.rest.append((entry.key, entry.value))

    def _take(self, key: str, value: Value) -> bool:
        if key in names.WEIGHTS:
            self.weights.append(f"{key} {written(value)}")
            return isinstance(value, Number | Text)
        if isinstance(value, Flag) or (isinstance(value, Text) and value.value.strip().lower() in _TRUTH):
            return self._mark(key, _true(value))
        return self._list_of(key, value) or self._name_of(key, value)

    def _mark(self, key: str, yes: bool) -> bool:
        if key in names.ENDINGS:
            self.ends = yes
        elif key in names.HANDOFFS:
            self.hands_over = yes
        elif key in names.VERBATIMS:
            self.verbatim = yes
        elif key in names.OFF:
            self.off = yes
        elif key in names.ON:
            self.off = not yes
        else:
            return False
        return True

    def _list_of(self, key: str, value: Value) -> bool:
        listed = strings(value)
        if listed is None:
            return False
        if key in names.NEXT and listed and isinstance(value, Group):
            self.next_state = written(listed[0])
            self.weights += [f"{key} {written(other)}" for other in listed[1:]]
        elif key in names.KEYWORDS:
            self.words += _each_word(key, value) if isinstance(value, Text) else listed
        elif key in names.TEXTS and all(isinstance(text, Text) for text in listed):
            self.texts += [text for text in listed if isinstance(text, Text)]
        elif key in names.STATES:
            self.states += [written(text) for text in listed]
        elif key in names.NEEDS:
            self.needs += [text for text in listed if isinstance(text, Text)]
        else:
            return False
        return True

    def _name_of(self, key: str, value: Value) -> bool:
        if not isinstance(value, Text | Number):
            return False
        text = written(value)
        if key in names.NAMES and self.name is None:
            self.name = text
        elif key in names.CATEGORIES:
            self.category = text
        elif key in names.SITUATIONS:
            self.notes.append(text)
        elif key in names.NEXT:
            self.next_state = text
        elif key in names.ACTIONS and names.HANDOFF.search(same(text)):
            self.hands_over = True
        elif key in names.ACTIONS and names.CLOSING.search(same(text)):
            self.ends = True
        else:
            return False
        return True


_TRUTH = {"true": True, "yes": True, "1": True, "○": True, "はい": True} | dict.fromkeys(
    ("false", "no", "0", "×", "いいえ"), False
)


# A string of several words; a comma inside a number is none of these.
_BETWEEN_WORDS = re.compile(r"\s*(?:[;；|｜、\n/，]|,(?!\d))\s*")


def _each_word(key: str, value: Text) -> list[Text | Pattern]:
    """`"open, hours"` as two words; `"^(open|hours)$"` under `pattern` as the pattern it is."""
    if key in names.PATTERNS and re.search(r"[\\^$*+?()\[\]|]", value.value):
        return [Pattern(source=value.value, at=value.at)]
    return [Text(value=word, at=value.at) for word in _BETWEEN_WORDS.split(value.value.strip()) if word]


def _true(value: Flag | Text) -> bool:
    return bool(value.value) if isinstance(value, Flag) else _TRUTH[value.value.strip().lower()]


def strings(value: Value) -> list[Text | Pattern] | None:
    """The strings and patterns of a list, or a single one; None for anything else."""
    if isinstance(value, Text | Pattern):
        return [value]
    if isinstance(value, Group) and value.is_list:
        found = [entry.value for entry in value.entries if isinstance(entry.value, Text | Pattern)]
        return found if len(found) == len(value.entries) else None
    return None
