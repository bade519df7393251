"""Which series a backfill is about, out of the instruments listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from enrich.history import Wanted
from enrich.history_greeks import Option
from shared.errors import LocalError
from shared.store.candles import SeriesName
from shared.wire.instruments import Kind

#: More series than this are a mistake: at three requests a second they take an hour.
SERIES_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for: names such as NFO:NIFTY26DECFUT, or an underlying's one expiry."""

    names: tuple[str, ...] = ()
    underlying: str = ""
    expiry: int = 0
    strike_from: float = 0.0
    strike_to: float = 1e12
    interval: str = "minute"
    continuous: bool = False


def choose(instruments: np.ndarray, choice: Choice) -> list[Wanted]:
    """Return the series, references before the options that need them; instruments by token.

    Raises:
        LocalError: a name that is not listed, nothing chosen, or too much.
    """
    chosen = _named(instruments, choice.names) | _of_expiry(instruments, choice)
    if not chosen.any():
        raise LocalError("nothing is listed that was asked for: name instruments or an underlying")
    if chosen.sum() > SERIES_MAX:
        raise LocalError(f"{chosen.sum()} series at once; at most {SERIES_MAX}: narrow the strikes")
    references = _References(instruments, choice.interval)
    made: dict[SeriesName, Wanted] = {}
    for row in instruments[chosen]:
        for each in references.with_references(row, is_continuous=choice.continuous):
            made.setdefault(each.name, each)
    return sorted(made.values(), key=lambda each: each.option is not None)


def _named(instruments: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    chosen = np.zeros(len(instruments), dtype=bool)
    for name in names:
        exchange, _, symbol = name.partition(":")
        found = (instruments["exchange"] == exchange.encode()) & (
            instruments["tradingsymbol"] == symbol.encode()
        )
        if not found.any():
            raise LocalError(f"{name} is not listed; names are EXCHANGE:SYMBOL as Kite lists them")
        chosen |= found
    return chosen


def _of_expiry(instruments: np.ndarray, choice: Choice) -> np.ndarray:
    if not choice.underlying:
        return np.zeros(len(instruments), dtype=bool)
    kind = instruments["kind"]
    family = (instruments["underlying"] == choice.underlying.encode()) & (kind >= Kind.FUTURE)
    if not family.any():
        raise LocalError(f"{choice.underlying} has no derivatives listed")
    expiries = np.unique(instruments["expiry"][family])
    wanted = choice.expiry or int(expiries[0])
    if wanted not in expiries:
        listed = ", ".join(map(str, expiries[:8]))
        raise LocalError(f"{choice.underlying} has no expiry {wanted}; listed: {listed}")
    strike = instruments["strike"]
    near = (strike >= choice.strike_from) & (strike <= choice.strike_to)
    family &= instruments["expiry"] == wanted
    wanted_rows: np.ndarray = family & ((kind == Kind.FUTURE) | near)
    return wanted_rows


class _References:
    """Finds what an option's forward is made of."""

    def __init__(self, instruments: np.ndarray, interval: str) -> None:
        self._instruments = instruments
        self._interval = interval
        futures = instruments[instruments["kind"] == Kind.FUTURE]
        self._futures = {_family(row): row for row in futures}

    def with_references(self, row: np.void, *, is_continuous: bool) -> list[Wanted]:
        """Return the series of an instrument, behind those that its Greeks need."""
        kind = int(row["kind"])
        if kind < Kind.CALL:
            return [self._plain(row, is_continuous=is_continuous and kind == Kind.FUTURE)]
        future, underlying = self._futures.get(_family(row)), self._by_token(row)
        before = [self._plain(each) for each in (future, underlying) if each is not None]
        option = Option(
            exchange=row["exchange"].decode(),
            strike=float(row["strike"]),
            sign=1.0 if kind == Kind.CALL else -1.0,
            expiry_ns=int(row["expiry_ns"]),
            tick_size=float(row["tick_size"]),
            underlying=row["underlying"].decode(),
        )
        names = [None if each is None else self._plain(each).name for each in (future, underlying)]
        plain = self._plain(row)
        return [*before, Wanted(plain.name, plain.token, option, *names)]

    def _plain(self, row: np.void, *, is_continuous: bool = False) -> Wanted:
        name = SeriesName(
            row["exchange"].decode(),
            row["tradingsymbol"].decode(),
            int(row["expiry"]),
            self._interval,
            is_continuous,
        )
        return Wanted(name, int(row["instrument_token"]))

    def _by_token(self, row: np.void) -> np.void | None:
        tokens = self._instruments["instrument_token"]
        at = int(np.searchsorted(tokens, row["underlying_token"]))
        if at < len(tokens) and tokens[at] == row["underlying_token"]:
            found: np.void = self._instruments[at]
            return found
        return None


def _family(row: np.void) -> tuple[bytes, bytes, int]:
    return bytes(row["exchange"]), bytes(row["underlying"]), int(row["expiry"])
