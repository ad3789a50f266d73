"""How long to wait before trying a server again."""

from __future__ import annotations

import random

# 0.1 s first: a restart of Redis takes about that. 2 s at most: a backlog of 2 s drains in well under one.
FIRST_S = 0.1
LONGEST_S = 2.0


def backoff_s(attempt: int, *, longest_s: float = LONGEST_S) -> float:
    """Seconds before try number `attempt` (from 0): doubling to `longest_s`, with jitter of half to the whole."""
    ceiling: float = min(longest_s, FIRST_S * 2.0 ** min(attempt, 10))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards no secret
