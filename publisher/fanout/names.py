"""Tradingsymbols by slot, as text and as JSON writes them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from publisher.fanout.latest import Latest, Slots
from publisher.fanout.universe import Universe


class Names:
    """Learns the symbols of instruments as they get their slots."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._universe: Universe | None = None
        self._texts: list[str] = []
        self._quoted: NDArray[np.uint8] = np.empty(0, np.uint8)
        #: Where each slot's quoted symbol begins; behind the last, where it ends.
        self._begins: NDArray[np.int64] = np.zeros(1, np.int64)

    def take(self, universe: Universe) -> None:
        """Use the symbols of this universe from now on."""
        self._universe = universe
        self._texts = []

    def of(self, slots: Slots) -> Sequence[str]:
        """Return the symbol of each slot, empty where none is published."""
        self._learn()
        return [self._texts[slot] for slot in slots.tolist()]

    def quoted(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return all symbols in quotes end to end, and where each slot's begins and ends."""
        self._learn()
        return self._quoted, self._begins

    def _learn(self) -> None:
        known, seen = len(self._texts), len(self._latest)
        if known == seen:
            return
        tokens = self._latest.tokens[known:seen]
        unnamed = [""] * (seen - known)
        new = self._universe.symbols_of(tokens) if self._universe else unnamed
        quoted = [msgspec.json.encode(symbol) for symbol in new]
        held = self._begins[known]
        sizes = np.fromiter(map(len, quoted), np.int64, len(quoted))
        self._begins = np.concatenate([self._begins[: known + 1], held + np.cumsum(sizes)])
        more = np.frombuffer(b"".join(quoted), np.uint8)
        self._quoted = np.concatenate([self._quoted[:held], more])
        self._texts += new
