"""Whom changed instruments concern, out of the bits of who wants which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.bits import ones
from publisher.fanout.kernels.jit import compiled

Words = NDArray[np.uint64]


@compiled
def concern(bits: Words, slots: NDArray[np.int64], flowing: Words) -> Any:
    """Return who wants any of these slots, how often in all, and who of the flowing wants which.

    `bits` are (instruments, words), `flowing` (words,). Returned: (words,), a count, and
    (slots, words), or no rows where nobody flowing wants any.
    """
    words = bits.shape[1]
    everybody = np.zeros(words, np.uint64)
    pairs = 0
    for row in range(len(slots)):
        for word in range(words):
            some = bits[slots[row], word]
            everybody[word] |= some
            pairs += ones(some)
    has_flowing = False
    for word in range(words):
        if everybody[word] & flowing[word]:
            has_flowing = True
    owed = np.empty((len(slots) if has_flowing else 0, words), np.uint64)
    for row in range(len(owed)):
        for word in range(words):
            owed[row, word] = bits[slots[row], word] & flowing[word]
    return everybody, pairs, owed
