"""A look-out for some instruments among the frames of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.kite.codec.big_endian import Bytes, read_u32
from shared.kite.codec.packets import DIVISORS, FRAME_PACKETS_MAX, LTP_BYTES
from shared.kite.codec.scan import WHOLE, Scratch, scan_frame
from shared.kite.codec.tokens import ABSENT, TokenTable, lookup

_TOKEN_SEGMENT: Final = np.uint32(0xFF)


@njit(cache=True, nogil=True, error_model="numpy")
def note_prices(
    buffer: Bytes,
    scratch: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint32]],
    table: tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]],
    prices: npt.NDArray[np.float64],
) -> int:
    """Write the last price of every watched packet; return how many were not seen before.

    `table` is the keys and values of a TokenTable whose values index `prices`, shape (n,), NaN
    where nothing was seen. A damaged frame says nothing.
    """
    offsets, lengths, tokens = scratch
    keys, values = table
    fresh = 0
    count, reason, _ = scan_frame(buffer, 0, buffer.size, offsets, lengths, tokens)
    if reason != WHOLE:
        return 0
    for index in range(count):
        row = lookup(keys, values, tokens[index])
        if row != ABSENT and lengths[index] >= LTP_BYTES:
            if np.isnan(prices[row]):
                fresh += 1
            raw = read_u32(buffer, offsets[index] + 4)
            prices[row] = raw / DIVISORS[tokens[index] & _TOKEN_SEGMENT]
    return fresh


class PriceWatch:
    """Last prices of a few instruments, taken from frames that pass anyway."""

    __slots__ = ("_prices", "_scratch", "_table", "_tokens", "unseen")

    def __init__(self, tokens: Iterable[int]) -> None:
        self._tokens = tuple(dict.fromkeys(tokens))
        table = TokenTable.of({token: row for row, token in enumerate(self._tokens)})
        self._table = (table.keys, table.values)
        self._prices = np.full(len(self._tokens), np.nan)
        scan = Scratch(FRAME_PACKETS_MAX)
        self._scratch = (scan.offsets, scan.lengths, scan.tokens)
        #: How many have not been seen yet.
        self.unseen = len(self._tokens)
        self.look(b"\0")

    def look(self, frame: bytes) -> None:
        """Note what a frame says; newer ones win."""
        if frame:
            buffer = np.frombuffer(frame, dtype=np.uint8)
            self.unseen -= note_prices(buffer, self._scratch, self._table, self._prices)

    def seen(self) -> dict[int, float]:
        """Return last prices in rupees by token, of those that were seen."""
        pairs = zip(self._tokens, self._prices.tolist(), strict=True)
        return {token: price for token, price in pairs if price == price}  # noqa: PLR0124  # NaN

    def clear(self) -> None:
        """Forget what was seen."""
        self._prices[:] = np.nan
        self.unseen = len(self._tokens)
