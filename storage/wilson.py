"""How sure a share of so many can be: Wilson's score interval."""

from __future__ import annotations

Z_95 = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


def wilson(successes: int, n: int, *, z: float = Z_95) -> tuple[float, float] | None:
    """The 95 % interval of a rate; None of nothing. E. B. Wilson, JASA 22 (1927), p. 209.

    Unlike the usual p ± 2s it stays between 0 and 1 and says something of 3 out of 3.
    """
    if n <= 0:
        return None
    share = successes / n
    centre = share + z * z / (2 * n)
    margin = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)
