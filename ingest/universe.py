"""Which instruments are wanted: pinned ones, whole expiries, windows of strikes round the money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.wire.instruments import Kind


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for.

    `underlyings` are canonical names; of each the nearest `expiries` are taken, with
    `strikes_each_side` strikes on either side of the money (0: every strike). `symbols` are
    `EXCHANGE:TRADINGSYMBOL`, taken as they are.
    """

    underlyings: tuple[str, ...]
    expiries: int
    strikes_each_side: int
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Universe:
    """Tokens wanted, most important first, and what was asked for but is not listed."""

    tokens: tuple[int, ...]
    missing: tuple[str, ...]


def universe(
    instruments: np.ndarray, wish: Wish, centres: Mapping[str, float], today: int
) -> Universe:
    """Return the wanted tokens of published instruments, shape (n,), of INSTRUMENT_DTYPE.

    `centres` is a price per underlying round which strikes are taken, in rupees; an underlying
    without one gets every strike of its expiries. `today` (yyyymmdd) hides expired contracts.
    Indices and shares come first, then futures, then options from the money outwards, so that a
    shortage of room takes the least useful away.
    """
    wanted: list[tuple[float, int]] = []
    missing: list[str] = []
    for symbol in wish.symbols:
        rows = _named(instruments, symbol)
        wanted += [(0.0, int(token)) for token in rows["instrument_token"]]
        missing += [] if len(rows) else [symbol]
    for name in wish.underlyings:
        rows = instruments[instruments["underlying"] == name.encode()]
        rows = rows[(rows["expiry"] == 0) | (rows["expiry"] >= today)]
        chosen = _of_underlying(rows, wish, centres.get(name))
        wanted += chosen
        missing += [] if chosen else [name]
    ordered = dict.fromkeys(token for _, token in sorted(wanted))
    return Universe(tuple(ordered), tuple(missing))


def recentred(centre: float | None, price: float, step: float, strikes_max: float) -> float:
    """Return the window's centre: moved to `price` once that is over `strikes_max` steps away."""
    if centre is None or abs(price - centre) > strikes_max * step:
        return price
    return centre


def strike_step(strikes: Sequence[float] | np.ndarray, price: float) -> float:
    """Return the distance between the two listed strikes next to `price`, in rupees; 0: too few."""
    ladder = np.unique(np.asarray(strikes, dtype=np.float64))
    if len(ladder) < 2:  # noqa: PLR2004  # a distance needs two strikes
        return 0.0
    at = int(np.clip(np.searchsorted(ladder, price), 1, len(ladder) - 1))
    return float(ladder[at] - ladder[at - 1])


def _named(instruments: np.ndarray, symbol: str) -> np.ndarray:
    exchange, _, tradingsymbol = symbol.partition(":")
    found: np.ndarray = instruments[
        (instruments["exchange"] == exchange.encode())
        & (instruments["tradingsymbol"] == tradingsymbol.encode())
    ]
    return found


def _of_underlying(rows: np.ndarray, wish: Wish, centre: float | None) -> list[tuple[float, int]]:
    """Return (distance from the money as a priority, token) of one underlying's rows."""
    spot = rows[rows["kind"] <= Kind.INDEX]
    futures = rows[rows["kind"] == Kind.FUTURE]
    options = rows[rows["kind"] >= Kind.CALL]
    chosen = [(-2.0, int(token)) for token in spot["instrument_token"]]
    chosen += [(-1.0, int(token)) for token in futures["instrument_token"]]
    for expiry in np.unique(options["expiry"])[: wish.expiries]:
        of_expiry = options[options["expiry"] == expiry]
        chosen += _window(of_expiry, wish.strikes_each_side, centre)
    return chosen


def _window(options: np.ndarray, each_side: int, centre: float | None) -> list[tuple[float, int]]:
    strikes = np.unique(options["strike"])
    if centre is None:
        return [(1.0, int(token)) for token in options["instrument_token"]]
    at = int(np.searchsorted(strikes, centre))
    if each_side:
        strikes = strikes[max(0, at - each_side) : at + each_side]
    kept = options[np.isin(options["strike"], strikes)]
    distance = np.abs(kept["strike"] / centre - 1.0)
    return list(zip(distance.tolist(), kept["instrument_token"].tolist(), strict=True))
