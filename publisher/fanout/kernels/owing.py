"""What has moved since a subscriber was told last, for many at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.jit import compiled

Integers = NDArray[np.int64]
Sequences = NDArray[np.uint64]


@compiled
def owed(
    slots: Integers, ends: Integers, levels: Sequences, sequences: Sequences, sorted_max: int
) -> Any:
    """Return the slots owed to each subscriber, and the cuts between them (m + 1,).

    Subscriber m wants `slots[ends[m-1]:ends[m]]`, of which those are owed whose newest sequence is
    above `levels[m]`: the longest owed first, unless they are more than `sorted_max`.
    """
    found = np.empty(len(slots), np.int64)
    cuts = np.zeros(len(ends) + 1, np.int64)
    begin, count = 0, 0
    for subscriber in range(len(ends)):
        first = count
        for place in range(begin, ends[subscriber]):
            if sequences[slots[place]] > levels[subscriber]:
                found[count] = slots[place]
                count += 1
        if count - first <= sorted_max:
            _sort(found, first, count, sequences)
        begin = ends[subscriber]
        cuts[subscriber + 1] = count
    return found[:count].copy(), cuts


@compiled
def _sort(found: Integers, first: int, last: int, sequences: Sequences) -> None:
    """Sort by sequence, by insertion: they are few, and often nearly in order."""
    for place in range(first + 1, last):
        slot = found[place]
        sequence = sequences[slot]
        free = place
        while free > first and sequences[found[free - 1]] > sequence:
            found[free] = found[free - 1]
            free -= 1
        found[free] = slot
