"""Which words of a text begin in which piece of its audio."""

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def spread(text: str, pieces: int) -> tuple[str, ...]:
    """The text in `pieces` parts of about equal numbers of words; joined they are the text again."""
    words = re.findall(r"\s*\S+", text)
    if pieces <= 0:
        return ()
    if not words:
        return (text, *[""] * (pieces - 1))
    parts = [""] * pieces
    for index, word in enumerate(words):
        parts[index * pieces // len(words)] += word
    return tuple(parts)
