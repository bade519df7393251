"""Bits of who has not read what, turned into what each one is to be given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.bits import ONE, WORD_BITS, place_of_lowest
from publisher.fanout.kernels.jit import compiled

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]


@compiled
def shared_out(rows: Words, mask: Words, sizes: Integers) -> Any:
    """Return who of the mask has a bit in any row, and in which.

    `rows` (rows, words) are bits of subscribers, `sizes` (rows,) the payloads' bytes. Returned:
    subscribers (m,), rising; the cuts (m + 1,) between each one's rows; the bytes of each (m,);
    the rows themselves (cuts[-1],), each subscriber's in their order.
    """
    counts = np.zeros(rows.shape[1] * WORD_BITS, np.int64)
    bytes_of = np.zeros(rows.shape[1] * WORD_BITS, np.int64)
    for row in range(rows.shape[0]):
        for word in range(rows.shape[1]):
            bits = rows[row, word] & mask[word]
            while bits:
                subscriber = word * WORD_BITS + place_of_lowest(bits)
                counts[subscriber] += 1
                bytes_of[subscriber] += sizes[row]
                bits &= bits - ONE
    subscribers = np.flatnonzero(counts)
    cuts = np.zeros(len(subscribers) + 1, np.int64)
    totals = np.empty(len(subscribers), np.int64)
    following = counts  # from here on where each one's next row goes
    for number in range(len(subscribers)):
        subscriber = subscribers[number]
        totals[number] = bytes_of[subscriber]
        cuts[number + 1] = cuts[number] + counts[subscriber]
        following[subscriber] = cuts[number]
    places = np.empty(cuts[-1], np.int64)
    for row in range(rows.shape[0]):
        for word in range(rows.shape[1]):
            bits = rows[row, word] & mask[word]
            while bits:
                subscriber = word * WORD_BITS + place_of_lowest(bits)
                places[following[subscriber]] = row
                following[subscriber] += 1
                bits &= bits - ONE
    return subscribers, cuts, totals, places
