"""Names of people as callers give them.  Reads the text as recognised: capitals matter."""

import re

_CAPITALISED = r"[A-Z][\w'’-]+(?: +(?:(?:van|von|de|la|der|O')(?= ))?(?: *[A-Z][\w'’-]*\.?)){0,3}"
_STRONG = re.compile(
    r"\b(?i:my (?:full |first |last )?name(?: is|'s|’s)|the name(?: is|'s|’s)|under the name(?: of)?|name's)"
    r",? +([\w'’-]+(?: +[\w'’-]+){0,3})"
)
_WEAK = re.compile(
    rf"\b(?i:i am|i'm|i’m|this is|it is|it's|it’s|call me|for|that's|that’s) +({_CAPITALISED})"
)
_SPEAKING = re.compile(rf"\b({_CAPITALISED}) (?i:speaking|here)\b")
_FILLER = re.compile(
    r"^(?i:yes|yeah|sure|okay|ok|of course|um+|uh+|well|oh|hi|hello|it's|it’s|it is|that's|that’s|that is|so|please|"
    r"certainly|right)[,. ]+"
)
_TITLE = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Miss|Doctor)\b\.? *")
# Words that end a name, or show that there is none.
_NOT_A_NAME = frozenset(
    re.findall(
        r"[\w']+",
        "a about an and appointment are at because book booking but calling can date day do for from good have hello "
        "hey hi how human i i'd i'm i've in is it just like looking make me morning my need no not of on ok okay "
        "person please quite right schedule so sorry speaking sure thank thanks that the then there this time to "
        "today tomorrow tonight trying want we what when where which will with would yes you january february march "
        "april june july august september october november december monday tuesday wednesday thursday friday "
        "saturday sunday dentist doctor nothing maybe really fine great wonderful perfect interested here late early",
    )
)


def find_name(text: str, *, expected: bool = False) -> str | None:
    """The name the caller gives himself.  `expected`: it was asked for, so a short answer is one."""
    text = _TITLE.sub("", text)
    for pattern in (_STRONG, _WEAK, _SPEAKING):
        for match in pattern.finditer(text):
            name = _name(match[1])
            if name is not None:
                return name
    if not expected:
        return None
    answer = text.strip()
    while (stripped := _FILLER.sub("", answer)) != answer:
        answer = stripped
    answer = re.split(r"[.,;!?]", answer, maxsplit=1)[0]
    words = answer.split()
    if not 1 <= len(words) <= 4 or _name(answer) is None or any(_key(word) in _NOT_A_NAME for word in words):
        return None
    return _name(answer)


def _name(said: str) -> str | None:
    words: list[str] = []
    for word in said.split():
        if _key(word) in _NOT_A_NAME or not re.fullmatch(r"[^\W\d_][\w'’.-]*", word):
            break
        words.append(word)
    if not words or _key(words[0]) in _NOT_A_NAME:
        return None
    return " ".join(word if word[:1].isupper() else word.capitalize() for word in words).rstrip(".")


def _key(word: str) -> str:
    return word.lower().strip(".,'’").replace("’", "'")
