"""Which words fit into so much audio: the estimate behind every `heard_text`.

The API aligns no text with its audio. But its transcript deltas come between its audio deltas, so how much audio
had come before a piece of text tells where that piece is said, to a few words (`aligned_prefix`). Where they do not
keep step (the whole text came at the beginning), the share of a text that was heard is taken from the share of its
audio, sign by sign (`spoken_prefix`). Both round down to whole words; always a prefix of the text.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence

# Speech runs at about 15 letters a second in European languages and about 7 signs in Chinese, Japanese and
# Korean. Only the proportion matters, except while audio is still being generated: the transcript runs ahead
# of it, and then these say how much audio the whole text will have.
MS_PER_LETTER = 65
MS_PER_WIDE_SIGN = 140
# Text keeps step with its audio when its last piece came this late in it, in pieces enough to tell.
IN_STEP = 0.6
FEWEST_PIECES = 3


def spoken_ms(text: str) -> int:
    """About how long `text` takes to say."""
    return sum(_sign_ms(sign) for sign in text)


def spoken_prefix(text: str, heard_ms: float, total_ms: float) -> str:
    """The whole words of `text` said in `heard_ms` when all of it takes `total_ms`."""
    if heard_ms <= 0 or total_ms <= 0:
        return ""
    if heard_ms >= total_ms:
        return text
    budget = spoken_ms(text) * heard_ms / total_ms
    end = 0
    for sign in text:
        budget -= _sign_ms(sign)
        if budget < 0:
            break
        end += 1
    return text[: _word_border(text, end)].rstrip()


def aligned_prefix(
    text: str, pieces: Sequence[tuple[float, int]], heard_ms: float, total_ms: float
) -> str | None:
    """The whole words of `text` said in `heard_ms`, from where its pieces came; None where that tells nothing.

    A piece is (milliseconds of audio that had come before it, signs of `text` before it), in order of arrival. It is
    taken to be said evenly until the next one: text runs ahead of its audio, never behind it.
    """
    if heard_ms >= total_ms:
        return text
    positions = {position for position, _ in pieces}
    if len(positions) < FEWEST_PIECES or max(positions) < IN_STEP * total_ms:
        return None
    borders = [*pieces, (total_ms, len(text))]
    end = 0
    for (since, first), (until, last) in itertools.pairwise(borders):
        if heard_ms >= until:
            end = last
        elif heard_ms > since:
            end = first + int((last - first) * (heard_ms - since) / (until - since))
            break
    return text[: _word_border(text, end)].rstrip()


def _word_border(text: str, end: int) -> int:
    """`end`, or the beginning of the word that it stands in the middle of."""
    for sign in text[end:]:
        if sign.isspace() or _is_wide(sign):
            return end  # only punctuation was left of the word
        if sign.isalnum():
            break
    else:
        return end
    while end > 0 and not text[end - 1].isspace() and not _is_wide(text[end - 1]):
        end -= 1
    return end


def _sign_ms(sign: str) -> int:
    return MS_PER_WIDE_SIGN if _is_wide(sign) else MS_PER_LETTER


def _is_wide(sign: str) -> bool:
    return unicodedata.east_asian_width(sign) in "WF"
