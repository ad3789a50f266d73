"""Whether what was said so far sounds finished: the judgement of semantic turn detection."""

import re

# A sentence that ends so goes on.
_UNFINISHED = re.compile(
    r"(an?|and|as|at|because|but|by|for|from|i|i'd|i'm|if|in|is|it's|like|my|of|on|or|so|that|the|then|to|"
    r"u+h*m+|uh|well|what|when|where|which|who|will|with|would)"
)


def is_complete(words: str) -> bool:
    """False for nothing, for a trailing "and", "um" or comma; True otherwise."""
    spoken = re.findall(r"[a-z0-9']+", words.lower())
    if not spoken or words.rstrip().endswith((",", "...", "-", "–")):
        return False
    return _UNFINISHED.fullmatch(spoken[-1]) is None
