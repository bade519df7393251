"""Finding instruments among the published ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.ops.outcome import NotFound
from shared.wire.instruments import Kind

Instruments = np.ndarray[Any, np.dtype[np.void]]
_NAMED_IN_ERRORS_MAX = 8


class Wanted(NamedTuple):
    """What somebody asked to see; nothing named means everything."""

    tokens: tuple[int, ...] = ()
    symbols: tuple[str, ...] = ()
    underlyings: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Tell whether nothing was named."""
        return not (self.tokens or self.symbols or self.underlyings)


def select(instruments: Instruments, wanted: Wanted) -> Instruments:
    """Return the instruments that were asked for.

    Raises:
        NotFound: a token, symbol or underlying that is not listed.
    """
    chosen = np.full(len(instruments), wanted.is_all)
    for token in wanted.tokens:
        chosen |= _found(instruments["instrument_token"] == token, f"instrument_token {token}")
    for symbol in wanted.symbols:
        chosen |= _found(_is_symbol(instruments, symbol), f"instrument {symbol}")
    for underlying in wanted.underlyings:
        is_its = instruments["underlying"] == underlying.upper().encode()
        chosen |= _found(is_its, f"underlying {underlying}")
    picked: Instruments = instruments[chosen]
    return picked


def options_of(instruments: Instruments, underlying: str) -> Instruments:
    """Return the options of an underlying.

    Raises:
        NotFound: the underlying is not listed, or has no options.
    """
    is_option = np.isin(instruments["kind"], (Kind.CALL, Kind.PUT))
    options: Instruments = instruments[
        is_option & (instruments["underlying"] == underlying.encode())
    ]
    if len(options) == 0:
        names = sorted({name.decode() for name in instruments["underlying"][is_option].tolist()})
        raise NotFound(f"no options of {underlying} are published; there are {_few(names)}")
    return options


def choose_expiry(options: Instruments, wanted: int | None, today: int) -> int:
    """Return the expiry (yyyymmdd) asked for, else the first not before `today`.

    Raises:
        NotFound: no such expiry is listed.
    """
    listed: list[int] = np.unique(options["expiry"]).tolist()
    if wanted is not None:
        if wanted not in listed:
            raise NotFound(
                f"no expiry on {date_text(wanted)}; there are {_few(map(date_text, listed))}"
            )
        return wanted
    for expiry in listed:
        if expiry >= today:
            return expiry
    raise NotFound(f"every listed expiry is past, the last on {date_text(listed[-1])}")


def date_text(yyyymmdd: int) -> str:
    """Return 2026-11-26 for the number 20261126."""
    text = f"{yyyymmdd:08d}"
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


class Names:
    """Symbols by instrument_token."""

    def __init__(self, instruments: Instruments) -> None:
        order = np.argsort(instruments["instrument_token"])
        self._tokens = instruments["instrument_token"][order]
        self._symbols = instruments["tradingsymbol"][order]

    def of(self, token: int) -> str:
        """Return the tradingsymbol, or an empty text for a token that is not listed."""
        place = int(np.searchsorted(self._tokens, token))
        if place < len(self._tokens) and self._tokens[place] == token:
            symbol: str = self._symbols[place].decode()
            return symbol
        return ""


def _is_symbol(instruments: Instruments, symbol: str) -> NDArray[np.bool_]:
    exchange, colon, name = symbol.upper().partition(":")
    if not colon:
        exchange, name = "", exchange
    is_it: NDArray[np.bool_] = instruments["tradingsymbol"] == name.encode()
    return is_it & (instruments["exchange"] == exchange.encode()) if exchange else is_it


def _found(chosen: NDArray[np.bool_], what: str) -> NDArray[np.bool_]:
    if not chosen.any():
        raise NotFound(f"{what} is not among the published instruments")
    return chosen


def _few(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED_IN_ERRORS_MAX} more"
    shown = ", ".join(every[:_NAMED_IN_ERRORS_MAX]) or "none"
    return shown + (more if len(every) > _NAMED_IN_ERRORS_MAX else "")
