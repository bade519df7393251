"""How far back a stream reaches, as arithmetic."""

from __future__ import annotations

import math
from collections import deque

#: How finely either bound is kept: one part of it may be over.
PARTS = 64
#: A window bounded both ways needs twice the parts; one without a bound on age merges at this.
BUCKETS_MAX = 4 * PARTS


class RetentionWindow:
    """What one writer wrote to one stream, in buckets of time.

    `retention_s` and `retention_bytes` both bound the stream; 0 means no bound. The oldest kept
    millisecond never moves backwards.
    """

    def __init__(self, retention_s: int, retention_bytes: int) -> None:
        self._retention_ms = retention_s * 1000
        self._retention_bytes = retention_bytes
        # With bytes alone there is no natural width: buckets then grow with the window.
        self._bucket_ms = max(1, self._retention_ms // PARTS) if retention_s else 1000
        self._bucket_bytes = retention_bytes / PARTS if retention_bytes else math.inf
        self._buckets: deque[list[int]] = deque()  # [first ms, bytes], oldest first
        self._kept_bytes = 0
        self._floor_ms = 0

    @property
    def kept_bytes(self) -> int:
        """Return the bytes written that the floor has not passed yet."""
        return self._kept_bytes

    def add(self, ms: int, size_bytes: int) -> int:
        """Count an entry written at `ms`; return the oldest millisecond to keep."""
        if not self._buckets or self._is_over(self._buckets[-1], ms):
            self._buckets.append([ms, 0])
        self._buckets[-1][1] += size_bytes
        self._kept_bytes += size_bytes
        if len(self._buckets) > BUCKETS_MAX:
            self._merge()
        return self.floor_ms(ms)

    def floor_ms(self, now_ms: int) -> int:
        """Return the oldest millisecond to keep at `now_ms`; 0 keeps everything."""
        if self._retention_ms:
            self._raise_to(now_ms - self._retention_ms)
        if self._retention_bytes:
            # The bucket being filled stays: a bound below one bucket cannot empty the stream.
            while self._kept_bytes > self._retention_bytes and len(self._buckets) > 1:
                self._raise_to(self._buckets[1][0])
        return self._floor_ms

    def _is_over(self, bucket: list[int], ms: int) -> bool:
        # A floor cannot part what was written within one millisecond.
        is_full = bucket[1] >= self._bucket_bytes and ms > bucket[0]
        return is_full or ms >= bucket[0] + self._bucket_ms

    def _raise_to(self, floor_ms: int) -> None:
        self._floor_ms = max(self._floor_ms, floor_ms)
        while len(self._buckets) > 1 and self._buckets[1][0] <= self._floor_ms:
            self._kept_bytes -= self._buckets.popleft()[1]

    def _merge(self) -> None:
        """Halve the buckets, doubling their width."""
        merged: deque[list[int]] = deque()
        for index, (first_ms, size_bytes) in enumerate(self._buckets):
            if index % 2 and merged:
                merged[-1][1] += size_bytes
            else:
                merged.append([first_ms, size_bytes])
        self._buckets = merged
        self._bucket_ms *= 2
