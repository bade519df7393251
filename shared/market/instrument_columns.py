"""The plain rows of an instruments dump read by the column, a block of lines at a time.

Plain is a line of twelve columns in printable ASCII without quotes whose numbers are digits, whose
dates are yyyy-mm-dd and whose texts fit. Of such a line `instrument_rows` would say the same, at
ten times the price; a line that is not plain may be as good, but only `instrument_rows` knows.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from shared.market.instrument_rows import COLUMNS, DERIVATIVES, STRIKE_MAX, Expiries
from shared.market.underlyings import INDEX_UNDERLYINGS
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

_COMMA, _NEWLINE, _SPACE, _TILDE, _QUOTE, _MINUS = b',\n ~"-'
#: Digits whose number fits a 32-bit one, or may be seen not to.
_WHOLE_DIGITS = 10
#: Characters of a price: as many digits are exact in a float, and so is their division by ten^n.
_PRICE_DIGITS = 15
_PADDING = 64
_TOKEN, _EXCHANGE_TOKEN, _SYMBOL, _NAME, _, _EXPIRY = range(6)
_STRIKE, _TICK, _LOT, _TYPE, _SEGMENT, _EXCHANGE = range(6, COLUMNS)


class Columns:
    """The lines of a block: where each begins and ends, and the fields of those that are plain."""

    def __init__(self, block: bytes) -> None:
        """`block` is whole lines, each with its newline."""
        # Windows may reach over both ends.
        padded = np.zeros(len(block) + 2 * _PADDING, np.uint8)
        padded[_PADDING:-_PADDING] = data = np.frombuffer(block, np.uint8)
        self._padded = padded
        #: Positions of the newlines in the block.
        self.breaks = np.flatnonzero(data == _NEWLINE)
        #: Positions of every line's first character.
        self.starts = np.concatenate(([0], self.breaks[:-1] + 1))
        commas = np.flatnonzero(data == _COMMA)
        first = np.searchsorted(commas, self.starts)
        plain = np.searchsorted(commas, self.breaks) - first == COLUMNS - 1
        odd = ((data < _SPACE) | (data > _TILDE) | (data == _QUOTE)) & (data != _NEWLINE)
        plain[np.searchsorted(self.breaks, np.flatnonzero(odd))] = False
        #: Which lines the columns are of.
        self.lines = np.flatnonzero(plain)
        inner = commas[first[plain] + np.arange(COLUMNS - 1)[:, None]]
        edges = np.vstack((self.starts[plain] - 1, inner, self.breaks[plain])) + _PADDING
        self._starts, self._ends = edges[:-1] + 1, edges[1:]
        self._lengths = self._ends - self._starts

    def records(self, expiries: Expiries) -> tuple[np.ndarray, np.ndarray]:
        """Return a record per line, underlying_token and shard 0, and which lines have one."""
        good = np.ones(len(self.lines), bool)
        found = np.zeros(len(self.lines), INSTRUMENT_DTYPE)
        self._tokens(found, good)
        self._prices(found, good)
        self._texts(found, good)
        self._expiries(found, good, expiries)
        if len(self.lines) == len(self.breaks):
            return found, good
        records = np.zeros(len(self.breaks), INSTRUMENT_DTYPE)
        taken = np.zeros(len(self.breaks), bool)
        records[self.lines], taken[self.lines] = found, good
        return records, taken

    def _tokens(self, found: np.ndarray, good: np.ndarray) -> None:
        token = self._whole(_TOKEN, good)
        exchange_token = self._whole(_EXCHANGE_TOKEN, good)
        lot = self._whole(_LOT, good, or_none=True)
        good &= (token > 0) & (token < 1 << 32) & (token >> 8 == exchange_token) & (lot < 1 << 32)
        found["instrument_token"], found["lot_size"] = token, lot

    def _prices(self, found: np.ndarray, good: np.ndarray) -> None:
        """Read what depends on the kind, and the kind."""
        found["kind"] = np.where(self._text(_SEGMENT, 8) == b"INDICES", Kind.INDEX, Kind.EQUITY)
        kinds = self._text(_TYPE, 4)
        for name, kind in DERIVATIVES.items():
            found["kind"][kinds == name.encode()] = kind
        strike = self._price(_STRIKE, good)
        good &= (found["kind"] < Kind.CALL) | ((strike > 0) & (strike < STRIKE_MAX))
        found["strike"] = np.where(found["kind"] >= Kind.FUTURE, strike, 0.0)
        found["tick_size"] = self._price(_TICK, good)

    def _texts(self, found: np.ndarray, good: np.ndarray) -> None:
        derivative = found["kind"] >= Kind.FUTURE
        for field, column, width in (("exchange", _EXCHANGE, 8), ("tradingsymbol", _SYMBOL, 36)):
            good &= self._is_tidy(column, width)
            found[field] = self._text(column, width)
        # A derivative's name, unless it has none; another's symbol.
        named = derivative & (self._lengths[_NAME] > 0)
        good &= ~named | self._is_tidy(_NAME, 24)
        good &= named | (self._lengths[_SYMBOL] <= 24)  # noqa: PLR2004
        found["underlying"] = np.where(named, self._text(_NAME, 24), self._text(_SYMBOL, 24))
        for symbol, underlying in INDEX_UNDERLYINGS.items():
            found["underlying"][~derivative & (found["underlying"] == symbol.encode())] = underlying

    def _expiries(self, found: np.ndarray, good: np.ndarray, expiries: Expiries) -> None:
        derivative = np.flatnonzero((found["kind"] >= Kind.FUTURE) & good)
        texts = self._window(self._starts[_EXPIRY][derivative], 10)
        digits = np.ascontiguousarray(texts[:, (0, 1, 2, 3, 5, 6, 8, 9)].T) - ord("0")
        dated = (self._lengths[_EXPIRY][derivative] == 10) & (digits <= 9).all(axis=0)  # noqa: PLR2004
        dated &= (texts[:, 4] == _MINUS) & (texts[:, 7] == _MINUS)
        on = np.where(dated, _number(digits), 0).astype(np.uint32)
        exchanges, of = np.unique(found["exchange"][derivative], return_inverse=True)
        moments, which = np.unique(on + (of.astype(np.uint64) << 32), return_inverse=True)
        known = [
            _moment(exchanges[moment >> 32].decode(), moment & 0xFFFFFFFF, expiries)
            for moment in moments.tolist()
        ]
        found["expiry"][derivative] = on
        found["expiry_ns"][derivative] = np.array(known, np.uint64)[which]
        good[derivative] &= found["expiry_ns"][derivative] > 0

    def _is_tidy(self, column: int, width: int) -> np.ndarray:
        """Say where a text is of 1 to `width` bytes and has no space round it."""
        outer = self._padded[self._starts[column]], self._padded[self._ends[column] - 1]
        lengths = self._lengths[column]
        tidy: np.ndarray = (
            (lengths > 0) & (lengths <= width) & (outer[0] != _SPACE) & (outer[1] != _SPACE)
        )
        return tidy

    def _text(self, column: int, width: int) -> np.ndarray:
        """Return the first `width` bytes of every field."""
        taken = self._window(self._starts[column], width)
        taken *= np.arange(width) < self._lengths[column][:, None]
        return taken.view(f"S{width}").ravel()

    def _whole(self, column: int, good: np.ndarray, *, or_none: bool = False) -> np.ndarray:
        """Return whole numbers; a row that has none there is not `good` (without digits: 0)."""
        digits, lengths = self._digits(column, _WHOLE_DIGITS), self._lengths[column]
        good &= (digits <= 9).all(axis=0)  # noqa: PLR2004
        good &= (lengths <= _WHOLE_DIGITS) & ((lengths > 0) | or_none)
        return _number(digits)

    def _price(self, column: int, good: np.ndarray) -> np.ndarray:
        """Return what `float` makes of digits with at most one point among them; of nothing, 0."""
        digits, lengths = self._digits(column, _PRICE_DIGITS), self._lengths[column]
        point = digits == (ord(".") - ord("0")) % 256
        digits *= ~point
        points = point.sum(axis=0, dtype=np.uint8)
        good &= (digits <= 9).all(axis=0) & (points <= 1) & (lengths <= _PRICE_DIGITS)  # noqa: PLR2004
        good &= (lengths > points) | (lengths == 0)
        # The point holds a digit's place: what is left of it counts ten times too much.
        scale = 10 ** np.where(points, _PRICE_DIGITS - 1 - point.argmax(axis=0), 0)
        number = _number(digits)
        right = number % (10 * scale)
        price: np.ndarray = np.where(points, (number - right) // 10 + right, number) / scale
        return price

    def _digits(self, column: int, width: int) -> np.ndarray:
        """Return the last `width` characters of every field less "0", and 0 before its first.

        Shape (width, n): what is asked of a number's digits is asked of all numbers at once.
        """
        digits = np.ascontiguousarray(self._window(self._ends[column] - width, width).T)
        digits -= ord("0")
        digits *= np.arange(width, 0, -1)[:, None] <= self._lengths[column]
        return digits

    def _window(self, positions: np.ndarray, width: int) -> np.ndarray:
        """Return `width` bytes from every position, shape (n, width)."""
        padded = self._padded
        windows = np.ndarray((len(padded) - width + 1,), f"V{width}", padded, strides=(1,))
        found: np.ndarray = windows[positions].view(np.uint8).reshape(-1, width)
        return found


def _number(digits: np.ndarray) -> np.ndarray:
    """Return the numbers of at most 15 digits; products of floats are quick, and exact so far."""
    found: np.ndarray = (10.0 ** np.arange(len(digits) - 1, -1, -1) @ digits).astype(np.int64)
    return found


def _moment(exchange: str, on: int, expiries: Expiries) -> int:
    """Return an expiry moment by yyyymmdd; 0: there is none, the judge says why."""
    try:
        return expiries[exchange, date(on // 10_000, on // 100 % 100, on % 100)]
    except (ValueError, KeyError, OverflowError):
        return 0
