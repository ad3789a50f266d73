"""A token bucket per address: bursts are fine, floods are told when to come back. Time is an argument."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

MOST_ADDRESSES = 10_000
"""Addresses remembered; the one unseen for longest is forgotten first (it has most likely refilled)."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Throttle:
    """`per_minute` takes a minute on average, as many at once after a rest; 0 means no limit."""

    def __init__(self, *, per_minute: int, capacity: int = MOST_ADDRESSES) -> None:
        self._size = float(per_minute)
        self._per_s = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._capacity = capacity

    def take(self, address: str, now: float) -> int:
        """0 when allowed, else whole seconds until the next one will be. `now` in seconds, any origin."""
        if not self._size:
            return 0
        bucket = self._bucket(address, now)
        if bucket.left < 1:
            return max(1, math.ceil((1 - bucket.left) / self._per_s))
        bucket.left -= 1
        return 0

    def wait_s(self, address: str, now: float) -> int:
        """Like `take`, without taking."""
        if not self._size:
            return 0
        bucket = self._bucket(address, now)
        return 0 if bucket.left >= 1 else max(1, math.ceil((1 - bucket.left) / self._per_s))

    def _bucket(self, address: str, now: float) -> _Bucket:
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = _Bucket(self._size, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        bucket.left = min(self._size, bucket.left + max(0.0, now - bucket.at) * self._per_s)
        bucket.at = now
        return bucket
