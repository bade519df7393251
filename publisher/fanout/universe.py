"""What a subscriber may name: tokens, symbols, underlyings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.latest import Tokens
from shared.wire.instruments import INSTRUMENT_DTYPE


class Universe:
    """The published instruments, found by any of their names; built once per publication."""

    def __init__(self, instruments: NDArray[np.void], *, version: int = 0) -> None:
        ordered = instruments[np.argsort(instruments["instrument_token"], kind="stable")]
        self.version = version
        self.tokens: Tokens = np.ascontiguousarray(ordered["instrument_token"])
        self._symbols: list[str] = _texts(ordered["tradingsymbol"])
        exchanges = _texts(ordered["exchange"])
        self._places = {
            f"{exchange}:{symbol}": place
            for place, (exchange, symbol) in enumerate(zip(exchanges, self._symbols, strict=True))
        }
        #: Names in their order, to find those that begin alike.
        self._names = sorted(self._places)
        self._members = _by_name(ordered["underlying"], self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def knows(self, tokens: Tokens) -> NDArray[np.bool_]:
        """Tell, for each token, whether it is published."""
        return np.isin(tokens, self.tokens)

    def token_of(self, symbol: str) -> int | None:
        """Return the token of `EXCHANGE:TRADINGSYMBOL`, or None."""
        place = self._places.get(symbol)
        return None if place is None else int(self.tokens[place])

    def members_of(self, underlying: str) -> Tokens | None:
        """Return the tokens of an underlying, its futures and options included, or None."""
        return self._members.get(underlying)

    def matching(self, pattern: str) -> Tokens:
        """Return the tokens whose `EXCHANGE:TRADINGSYMBOL` a pattern describes.

        `*` stands for any characters, `?` for one. What comes before the first of them narrows the
        search, so a pattern that names an exchange looks at no other.
        """
        prefix = re.split(r"[*?]", pattern, maxsplit=1)[0]
        if prefix == pattern:
            token = self.token_of(pattern)
            return np.array([] if token is None else [token], np.uint32)
        escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        matches = re.compile(escaped).fullmatch
        begin = bisect_left(self._names, prefix)
        end = bisect_left(self._names, prefix + "\U0010ffff")
        places = [self._places[name] for name in self._names[begin:end] if matches(name)]
        found: Tokens = np.sort(self.tokens[np.array(places, np.int64)])
        return found

    def symbols_of(self, tokens: Tokens) -> list[str]:
        """Return each token's tradingsymbol, empty where it is not published."""
        if not len(self.tokens):
            return [""] * len(tokens)
        places = np.searchsorted(self.tokens, tokens)
        places[places == len(self.tokens)] = 0
        known = self.tokens[places] == tokens
        return [
            self._symbols[place] if is_known else ""
            for place, is_known in zip(places.tolist(), known.tolist(), strict=True)
        ]


def nothing_published() -> Universe:
    """Return the universe before anybody has published one."""
    return Universe(np.empty(0, INSTRUMENT_DTYPE))


def _by_name(names: NDArray[np.bytes_], tokens: Tokens) -> dict[str, Tokens]:
    order = np.argsort(names, kind="stable")
    unique, starts = np.unique(names[order], return_index=True)
    groups = np.split(tokens[order], starts[1:])
    return {name: group for name, group in zip(_texts(unique), groups, strict=False) if name}


def _texts(column: Sequence[bytes] | NDArray[np.bytes_]) -> list[str]:
    return [text.decode("ascii", "replace") for text in np.asarray(column).tolist()]
