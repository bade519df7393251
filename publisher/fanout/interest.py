"""Which subscribers want which instrument, as bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.concern import concern
from publisher.fanout.latest import Slots

Words = NDArray[np.uint64]

_BITS = 64
#: Made once: a numpy scalar costs more to make than to use.
_BIT = [np.uint64(1 << place) for place in range(_BITS)]
_OTHERS = [~bit for bit in _BIT]


class Interest:
    """One row of bits per instrument, one bit per subscriber.

    A batch of changed instruments is answered by OR-ing their rows, whatever the number of
    subscribers: 16 words a row for 1,000 of them.
    """

    def __init__(self, subscribers_max: int) -> None:
        self._words = -(-subscribers_max // _BITS)
        self._bits: NDArray[np.uint64] = np.zeros((0, self._words), np.uint64)

    def nobody(self) -> Words:
        """Return a row of bits with nobody in it."""
        return np.zeros(self._words, np.uint64)

    def make_room(self, slots: int) -> None:
        """Have a row for each of so many slots."""
        if slots > len(self._bits):
            longer = np.zeros((slots, self._words), np.uint64)
            longer[: len(self._bits)] = self._bits
            self._bits = longer

    def add(self, subscriber: int, slots: Slots) -> None:
        """Note that the subscriber wants these instruments."""
        self._bits[slots, subscriber // _BITS] |= _BIT[subscriber % _BITS]

    def remove(self, subscriber: int, slots: Slots) -> None:
        """Note that the subscriber no longer wants these instruments."""
        self._bits[slots, subscriber // _BITS] &= _OTHERS[subscriber % _BITS]

    def concern(self, slots: Slots, flowing: Words) -> tuple[Words, int, Words]:
        """Return who wants any of these slots, how often in all, who of the flowing wants which.

        The last are rows of bits, one for each slot; none where nobody flowing wants any.
        """
        concerned: tuple[Words, int, Words] = concern(self._bits, slots, flowing)
        return concerned

    def of(self, slots: Slots) -> Words:
        """Return the bits of everybody who wants at least one of these instruments."""
        everybody: Words = np.bitwise_or.reduce(self._bits[slots], axis=0)
        return everybody

    def unwanted(self, slots: Slots) -> Slots:
        """Return those of these slots that nobody wants."""
        return slots[~self._bits[slots].any(axis=1)]


def rows_with_any(rows: Words) -> NDArray[np.bool_]:
    """Tell which rows have anybody's bit set."""
    everybody: Words = np.bitwise_or.reduce(rows, axis=1)
    found: NDArray[np.bool_] = everybody != 0
    return found


def has(words: Words, subscriber: int) -> bool:
    """Tell whether a subscriber's bit is set."""
    return bool(words[subscriber // _BITS] & _BIT[subscriber % _BITS])


def all_of(subscribers: Sequence[int], width: int) -> Words:
    """Return so many words with the bits of many subscribers set."""
    marked = np.zeros(width * _BITS, np.bool_)
    marked[subscribers] = True
    words: Words = np.packbits(marked, bitorder="little").view("<u8").astype(np.uint64)
    return words


def mark(words: Words, subscriber: int) -> None:
    """Set the subscriber's bit in place."""
    words[subscriber // _BITS] |= _BIT[subscriber % _BITS]


def clear(words: Words, subscriber: int) -> None:
    """Clear the subscriber's bit in place."""
    words[subscriber // _BITS] &= _OTHERS[subscriber % _BITS]


def clear_all(words: Words, subscribers: Sequence[int]) -> None:
    """Clear the bits of many subscribers in place."""
    words &= ~all_of(subscribers, len(words))


def members(words: Words) -> list[int]:
    """Return the subscribers whose bits are set."""
    if not words.any():
        return []
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
    found: list[int] = np.flatnonzero(bits).tolist()
    return found
