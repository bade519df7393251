"""Which instruments are wanted: pinned ones, whole expiries, windows of strikes round the money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from shared.wire.instruments import Kind

#: Lowest and highest strike by underlying and expiry (yyyymmdd).
Bands = Mapping[tuple[str, int], tuple[float, float]]

#: Priorities before any distance from the money, which is never negative.
_SPOT, _FUTURE, _PINNED = -2.0, -1.0, 0.0
_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")


@dataclass(frozen=True, slots=True)
class Window:
    """Options of one underlying: of its nearest `expiries` the strikes near the money.

    `each_side` strikes on either side, or the strikes within `percent` of the money, or those
    whose options are worth at least `delta` on either side of it; every strike where none is given.
    """

    underlying: str
    expiries: int
    each_side: int = 0
    percent: float = 0.0
    delta: float = 0.0

    @property
    def follows(self) -> bool:
        """Say whether it moves with the money."""
        return bool(self.each_side or self.percent or self.delta)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for.

    `whole` are expiries (underlying, yyyymmdd) of which every strike is taken. `symbols` are
    `EXCHANGE:TRADINGSYMBOL`, taken as they are. The underlying of a window or of a whole expiry
    is always taken, as are its futures.
    """

    windows: tuple[Window, ...] = ()
    whole: tuple[tuple[str, int], ...] = ()
    symbols: tuple[str, ...] = ()

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Return every underlying that is named, once, in the order of naming."""
        named = [window.underlying for window in self.windows] + [name for name, _ in self.whole]
        return tuple(dict.fromkeys(named))


class Listing:
    """The rows of a dump by underlying and by name, so that asking often costs little."""

    def __init__(self, instruments: np.ndarray) -> None:
        """Index published instruments, shape (n,), of INSTRUMENT_DTYPE."""
        self.instruments = instruments
        self._order = np.argsort(instruments["underlying"], kind="stable")
        names, starts = np.unique(instruments["underlying"][self._order], return_index=True)
        ends = np.append(starts, len(instruments))[1:]
        self._of = dict(
            zip(names.tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True)
        )
        # Sorting lets the loop go on beside it; making a dictionary of as many does not.
        self._by_symbol = np.argsort(instruments["tradingsymbol"], kind="stable")
        self._symbols = instruments["tradingsymbol"][self._by_symbol]

    def of(self, underlying: str) -> np.ndarray:
        """Return the rows of an underlying, itself among them, shape (m,)."""
        start, end = self._of.get(underlying.encode(), (0, 0))
        rows: np.ndarray = self.instruments[self._order[start:end]]
        return rows

    def token(self, symbol: str) -> int:
        """Return the token of `EXCHANGE:TRADINGSYMBOL`, 0 where it is not listed."""
        exchange, _, tradingsymbol = symbol.partition(":")
        wanted = np.array([tradingsymbol.encode()])
        if wanted.itemsize > self._symbols.itemsize:
            return 0
        start, end = (int(self._symbols.searchsorted(wanted, side)[0]) for side in _SIDES)
        rows = self.instruments[self._by_symbol[start:end]]
        tokens = rows["instrument_token"][rows["exchange"] == exchange.encode()]
        return int(tokens[-1]) if len(tokens) else 0

    def spot(self, underlying: str) -> np.void | None:
        """Return the row of an underlying itself: its index, else NSE's share, else BSE's."""
        rows = self.of(underlying)
        rows = rows[rows["kind"] <= Kind.INDEX]
        if not len(rows):
            return None
        first = np.lexsort((rows["exchange"] != b"NSE", rows["kind"] != Kind.INDEX))[0]
        found: np.void = rows[first]
        return found


@dataclass(frozen=True, slots=True)
class Universe:
    """Tokens wanted, most important first; what was asked for but is not listed.

    `chains` are the options of each underlying that are among them.
    """

    tokens: tuple[int, ...]
    missing: tuple[str, ...]
    chains: Mapping[str, frozenset[int]]


def universe(
    listing: Listing,
    wish: Wish,
    centres: Mapping[str, float],
    today: int,
    bands: Bands = MappingProxyType({}),
) -> Universe:
    """Return the wanted tokens of a listing.

    `centres` is a price per underlying round which strikes are taken, in rupees; an underlying
    without one gets every strike of its expiries. `bands` are, by underlying and expiry, the
    lowest and the highest strike of windows by delta; without one likewise. `today`
    (yyyymmdd) hides expired contracts, so that a window rolls over with the date. Indices and
    shares come first, then futures, then options from the money outwards: a shortage of room takes
    the least useful away.
    """
    wanted: list[tuple[float, int]] = []
    missing: list[str] = []
    for symbol in wish.symbols:
        token = listing.token(symbol)
        wanted += [(_PINNED, token)] if token else []
        missing += [] if token else [symbol]
    chains: dict[str, frozenset[int]] = {}
    for name in wish.underlyings:
        rows = listing.of(name)
        rows = rows[(rows["expiry"] == 0) | (rows["expiry"] >= today)]
        chain = rows[rows["kind"] >= Kind.CALL]
        options = _options(chain, (name, centres.get(name)), wish, bands)
        wanted += _always(rows) + options
        missing += [] if len(rows) else [name]
        chains[name] = frozenset(token for _, token in options)
    ordered = dict.fromkeys(token for _, token in sorted(wanted))
    return Universe(tuple(ordered), tuple(missing), chains)


def strike_step(strikes: Sequence[float] | np.ndarray, price: float) -> float:
    """Return the distance between the two listed strikes next to `price`, in rupees; 0: too few."""
    ladder = np.unique(np.asarray(strikes, dtype=np.float64))
    if len(ladder) < 2:  # noqa: PLR2004  # a distance needs two strikes
        return 0.0
    at = int(np.clip(np.searchsorted(ladder, price), 1, len(ladder) - 1))
    return float(ladder[at] - ladder[at - 1])


def _always(rows: np.ndarray) -> list[tuple[float, int]]:
    """Return (priority, token) of an underlying and its futures."""
    spot = rows[rows["kind"] <= Kind.INDEX]["instrument_token"].tolist()
    futures = rows[rows["kind"] == Kind.FUTURE]["instrument_token"].tolist()
    return [(_SPOT, token) for token in spot] + [(_FUTURE, token) for token in futures]


def _options(
    options: np.ndarray, money: tuple[str, float | None], wish: Wish, bands: Bands
) -> list[tuple[float, int]]:
    """Return (distance from the money as a priority, token) of what is wanted of a chain."""
    name, centre = money
    expiries = np.unique(options["expiry"])
    kept = np.isin(options["expiry"], [on for whole, on in wish.whole if whole == name])
    for window in wish.windows:
        if window.underlying == name:
            for expiry in expiries[: window.expiries]:
                of_expiry = options["expiry"] == expiry
                if window.delta:
                    kept |= _banded(options, of_expiry, bands.get((name, int(expiry))))
                else:
                    kept |= _within(options, of_expiry, window, centre)
    chosen = options[kept]
    tokens = chosen["instrument_token"].tolist()
    if centre is None:
        return [(1.0, token) for token in tokens]
    distance = np.abs(chosen["strike"] / centre - 1.0).tolist()
    return list(zip(distance, tokens, strict=True))


def _banded(
    options: np.ndarray, of_expiry: np.ndarray, band: tuple[float, float] | None
) -> np.ndarray:
    """Return which of an expiry's options lie in a band, one strike more on either side."""
    if band is None:
        return of_expiry
    strikes = np.unique(options["strike"][of_expiry])
    first = int(np.searchsorted(strikes, band[0])) - 1
    last = int(np.searchsorted(strikes, band[1], side="right")) + 1
    inside: np.ndarray = of_expiry & np.isin(options["strike"], strikes[max(0, first) : last])
    return inside


def _within(
    options: np.ndarray, of_expiry: np.ndarray, window: Window, centre: float | None
) -> np.ndarray:
    """Return which of an expiry's options lie in the window, as a mask of shape (n,)."""
    if centre is None or not window.follows:
        return of_expiry
    if window.percent:
        near = np.abs(options["strike"] - centre) <= centre * window.percent / 100.0
    else:
        strikes = np.unique(options["strike"][of_expiry])
        at = int(np.searchsorted(strikes, centre))
        taken = strikes[max(0, at - window.each_side) : at + window.each_side]
        near = np.isin(options["strike"], taken)
    inside: np.ndarray = of_expiry & near
    return inside
