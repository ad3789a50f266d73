"""Token counts: the numbers of `response.done.response.usage`.

Audio counts as the service documents it: one token for 100 ms of the caller, one for 50 ms of the assistant.
Text is estimated at four characters a token.  The cache is a prefix cache: whatever follows the first
difference from the previous response's context is paid in full.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

USER_AUDIO_MS_PER_TOKEN = 100
ASSISTANT_AUDIO_MS_PER_TOKEN = 50
CHARACTERS_PER_TOKEN = 4


def text_tokens(text: str) -> int:
    """Estimated tokens of a text."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of the context: instructions and tools, or one item.  Equal pieces cost and cache alike."""

    key: str  # what the piece is; changes whenever its content changes
    text: int
    audio: int


def cached(before: Sequence[Piece], now: Sequence[Piece]) -> tuple[int, int]:
    """Text and audio tokens of the common prefix of two contexts."""
    text = audio = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        text += new.text
        audio += new.audio
    return text, audio


def usage(before: Sequence[Piece], now: Sequence[Piece], *, text_out: int, audio_out: int) -> dict[str, Any]:
    """The usage object of one response."""
    text_in = sum(piece.text for piece in now)
    audio_in = sum(piece.audio for piece in now)
    text_cached, audio_cached = cached(before, now)
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": text_cached + audio_cached,
            "cached_tokens_details": {
                "text_tokens": text_cached,
                "audio_tokens": audio_cached,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }
