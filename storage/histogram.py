"""Percentiles that can be added up: how many values fell between which borders.

Averages of percentiles mean nothing; counts in fixed buckets can be summed over calls, hours, agents and machines,
and taken away again. The borders grow by a tenth, so that a percentile read from them is within 5 % of the value
itself (`RELATIVE_ERROR`); below the first border the error is half of it at the most.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

RATIO = 1.1
RELATIVE_ERROR = RATIO**0.5 - 1  # of a bucket's middle against its borders: 4.9 %
FIRST = 10  # of whatever unit: what is shorter than 10 ms nobody hears
LAST = 86_400_000  # a day in ms: longer than any call; what is beyond falls into the last bucket

Sparse = Mapping[int, int]  # bucket → how many values


def _borders() -> tuple[float, ...]:
    borders = [float(FIRST)]
    while borders[-1] < LAST:
        borders.append(FIRST * RATIO ** len(borders))
    return tuple(borders)


BORDERS = _borders()  # bucket n holds BORDERS[n-1] <= value < BORDERS[n]; bucket 0 what is below FIRST


def bucket_of(value: float) -> int:
    """Where a value that is not negative belongs."""
    return bisect_right(BORDERS, value)


def histogram(values: Iterable[float]) -> dict[int, int]:
    """The values, counted by bucket; empty buckets are left out."""
    return dict(sorted(Counter(map(bucket_of, values)).items()))


def dense(counts: Sparse) -> list[int]:
    """By position, as it is stored: as long as its last bucket needs."""
    found = [0] * (max(counts, default=-1) + 1)
    for bucket, count in counts.items():
        found[bucket] += count
    return found


def middle(bucket: int) -> float:
    """The value that stands for a bucket: as far from one border as from the other, as a ratio."""
    if bucket <= 0:
        return FIRST / 2
    if bucket >= len(BORDERS):
        return BORDERS[-1]
    return float((BORDERS[bucket - 1] * BORDERS[bucket]) ** 0.5)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Nearest rank: the middle of the bucket that holds the value `share` % of all do not exceed; None of none."""
    total = sum(counts)
    if total <= 0:
        return None
    rank = max(1, -(-total * share // 100))  # ceiling
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= rank:
            return middle(bucket)
    return middle(len(counts) - 1)


def added(one: Sequence[int], other: Sequence[int], sign: int = 1) -> list[int]:
    """`one` and `sign` times `other`, whatever their lengths."""
    length = max(len(one), len(other))
    longer = [*one, *[0] * (length - len(one))]
    for position, count in enumerate(other):
        longer[position] += sign * count
    return longer
