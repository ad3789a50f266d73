"""What may not be stored is taken out before it is numbered.

PostgreSQL refuses U+0000 in text and jsonb, and UTF-8 has no form for a lone surrogate. One such character
from a model or a tool would make its whole event unstorable, so it is dropped at the source: every reader
(live feed, Redis, Postgres) then sees the same words.
"""

from __future__ import annotations

import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# JSON readers other than Python's (JavaScript, many jsonb clients) lose digits or fail past 64 bits.
_INT_LIMIT = 2**63

# Deeper than this no tool's answer means anything, and C JSON parsers start to refuse (1024 is common).
_MAX_DEPTH = 64


def clean_text(text: str) -> str:
    """Return `text` without NUL and lone surrogates; the same object where there are none."""
    return _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON-shaped value in which every string can be stored everywhere.

    `value` is what `msgspec.to_builtins` gives: dict, list, str, int, float, bool, None. Keys become text,
    integers beyond 64 bits become text; numbers that JSON does not have and nesting below 64 levels become null.
    """
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -_INT_LIMIT <= value < _INT_LIMIT else str(value)
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item, depth + 1) for key, item in value.items()}
    return [clean(item, depth + 1) for item in value]
