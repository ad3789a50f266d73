"""Speech recognition's spellings brought to one: lower case, numbers as digits, "p. m." as "pm".

Everything that looks for dates, times and telephone numbers reads this form.  Names do not: they need capitals.
"""

import re

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_UNIT_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_CARDINAL = {word: value for value, word in enumerate(_UNITS.split())}
_ORDINAL = {word: value for value, word in enumerate(_UNIT_ORDINALS.split())} | {
    "twentieth": 20,
    "thirtieth": 30,
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)  # noqa: SIM905
}
_BELOW_TEN = "|".join(word for word, value in (_CARDINAL | _ORDINAL).items() if 0 < value < 10)

_COMPOUND = re.compile(rf"\b({'|'.join(_TENS)})[- ]({_BELOW_TEN})\b")
_SINGLE = re.compile(rf"\b({'|'.join(_CARDINAL | _ORDINAL | _TENS)})\b")
_DOUBLE = re.compile(r"\bdouble (\d)\b")

_SPELLINGS = (
    (re.compile(r"[’‘`]"), "'"),
    (re.compile(r"\bto[- ]morrow\b"), "tomorrow"),
    (re.compile(r"\bto-day\b"), "today"),
    (re.compile(r"\bgood[- ]bye?\b"), "goodbye"),
    (re.compile(r"\bo'? ?clock\b"), "oclock"),
    # Times as the small speech model mishears them: "have passed to", "half pass three", "forpm".
    (re.compile(r"\b(?:half|have)[- ]pass?(?:ed|t)?,? (?:to|too|two|you)\b"), "half past two"),
    (
        re.compile(r"\b(?:half|have)[- ]pass?(?:ed|t)?\b(?= (?:\d|[a-z]+(?:[.,!?]|$| please| in| on)))"),
        "half past",
    ),
    (re.compile(r"\bquarter[- ]pass(?:ed|t)?\b"), "quarter past"),
    (re.compile(r"\bf(?:or|our|4) ?p\.? ?m\b"), "four pm"),
    (re.compile(r"\bcheck[- ]up\b"), "checkup"),
    (re.compile(r"\bquarter-to\b"), "quarter to"),
)
_MERIDIEM = re.compile(r"(\b\d{1,2}(?:[: .]\d{2})?) ?([ap])\.? ?m\b\.*")


def plain(text: str) -> str:
    """`text` in the one spelling."""
    text = text.lower()
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    text = _digits(text)
    text = _MERIDIEM.sub(r"\1 \2m", text)
    return re.sub(r"\s+", " ", text).strip()


def _digits(text: str) -> str:
    """Number words as digits: "twenty fifth" is "25th", "ten thirty" is "10 30", "double five" is "5 5"."""
    text = _COMPOUND.sub(lambda match: _number(_TENS[match[1]], match[2]), text)
    text = _SINGLE.sub(
        lambda match: str(_TENS[match[1]]) if match[1] in _TENS else _number(0, match[1]), text
    )
    return _DOUBLE.sub(r"\1 \1", text)


def _number(tens: int, word: str) -> str:
    if word in _CARDINAL:
        return str(tens + _CARDINAL[word])
    value = tens + _ORDINAL[word]
    return f"{value}{_ending(value)}"


def _ending(value: int) -> str:
    if 10 <= value % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
