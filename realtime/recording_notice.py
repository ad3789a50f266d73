"""Has the caller heard the recording notice, word for word and to its end?

Pure: compares what was heard with what had to be said. Spacing, punctuation and capitals do not count: a transcript
sets them as it likes.
"""

from __future__ import annotations

import unicodedata


def was_heard(notice: str, heard_text: str) -> bool:
    """`heard_text`: what reached the caller's ear of one utterance. An empty notice needs no hearing."""
    return _letters(notice) in _letters(heard_text)


def _letters(text: str) -> str:
    whole = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in whole if character.isalnum())
