"""Records as JSON objects or msgpack arrays, one encoder per mode."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from publisher.latest import Sequences
from shared.wire.ticks import TICK

#: From records, their sequences, their symbols to one payload each.
Encode = Callable[[NDArray[np.void], Sequences, Sequence[str]], list[bytes]]

#: A 32-bit float has seven digits; the rest of its decimal form is noise and bandwidth.
_SINGLE_DIGITS = 7
_SINGLE = "<f4"
_STAMP = "received_at_ns"
_NS_PER_US = 1000


class _Columns:
    """Reads some fields of records, named as in the layout, a column at a time.

    Ahead of them stands `received_at_us` (the layout's `received_at_ns`, which a JSON reader could
    not hold). Then come fields that are no singles, then the singles, each in the layout's order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        chosen = [field for field in TICK.fields if field.name in {_STAMP, *names}]
        assert len(chosen) == len({_STAMP, *names}), f"not all are fields of a tick: {names}"
        plain = [field.name for field in chosen if field.kind != _SINGLE]
        self._plain = [name for name in plain if name != _STAMP]
        self._singles = [field.name for field in chosen if field.kind == _SINGLE]
        self.names = (*self._plain, *self._singles)

    def __call__(self, records: NDArray[np.void]) -> list[list[Any]]:
        """Give the stamps in microseconds, then each field's values."""
        columns = [(records[_STAMP] // _NS_PER_US).tolist()]
        columns += [records[name].tolist() for name in self._plain]
        if self._singles:
            columns += self._short_singles(records)
        return columns

    def _short_singles(self, records: NDArray[np.void]) -> list[list[float]]:
        wide = np.empty((len(self._singles), len(records)))
        for row, name in enumerate(self._singles):
            wide[row] = records[name]
        shortened: list[list[float]] = shorten(wide).tolist()
        return shortened


class JsonEncoder:
    """Encodes some fields of a record as one JSON object; NaN becomes null."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = _Columns(names)
        members = ("sequence", "tradingsymbol", "received_at_us", *self._columns.names)
        self._row: Any = msgspec.defstruct("Row", [(name, Any) for name in members], gc=False)
        self._encode = msgspec.json.Encoder().encode_lines

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, symbols: Sequence[str]
    ) -> list[bytes]:
        """Return one JSON object per record, in their order."""
        rows = map(self._row, sequences.tolist(), symbols, *self._columns(records))
        # JSON has no line feed but between the lines; written at once they cost half.
        return self._encode(list(rows)).split(b"\n")[:-1]


class MsgpackEncoder:
    """Encodes some fields of a record as one msgpack array, NaN staying NaN.

    Its first element is the number of the mode, which says what the others are: `columns`.
    """

    def __init__(self, names: Sequence[str], mode: int) -> None:
        self._columns = _Columns(names)
        self._mode = mode
        self.columns = (
            "mode_number", "sequence", "tradingsymbol", "received_at_us", *self._columns.names,
        )  # fmt: skip
        self._encode = msgspec.msgpack.Encoder().encode

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, symbols: Sequence[str]
    ) -> list[bytes]:
        """Return one array per record, in their order."""
        modes = itertools.repeat(self._mode, len(records))
        rows = zip(modes, sequences.tolist(), symbols, *self._columns(records), strict=True)
        return list(map(self._encode, rows))


def shorten(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers with seven significant digits, as a 32-bit float has them."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = _SINGLE_DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))
        scale = 10.0 ** np.clip(digits, 0, None)
        short: NDArray[np.float64] = np.round(numbers * scale) / scale
    return np.where(np.isfinite(short), short, numbers)
