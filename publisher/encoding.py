"""Records as JSON objects or msgpack arrays, one encoder per mode."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from publisher.latest import Sequences
from shared.wire.layout import Field
from shared.wire.ticks import TICK, TICK_DTYPE

#: From records, their sequences, their symbols to one payload each.
Encode = Callable[[NDArray[np.void], Sequences, Sequence[str]], list[bytes]]

#: A 32-bit float has seven digits; the rest of its decimal form is noise and bandwidth.
_SINGLE_DIGITS = 7
_SINGLE = "<f4"
_STAMP = "received_at_ns"
_NS_PER_US = 1000
_STRUCT_CODES = {"<u8": "Q", "<u4": "I", "<u2": "H", "|u1": "B", "<f8": "d"}
_OFFSETS: Any = TICK_DTYPE.fields


class _Rows:
    """Reads some fields of records, named as in the layout, without making a numpy scalar.

    Ahead of them stands `received_at_us` (the layout's `received_at_ns`, which a JSON reader could
    not hold). Then come fields that are no singles, then the singles, each in the layout's order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        chosen = [field for field in TICK.fields if field.name in {_STAMP, *names}]
        plain = [field for field in chosen if field.kind != _SINGLE]
        assert len(chosen) == len({_STAMP, *names}), f"not all are fields of a tick: {names}"
        self._unpack = struct.Struct(_format(plain)).iter_unpack
        self._pick = operator.itemgetter(*_positions(plain)[1:])
        self._singles = [field.name for field in chosen if field.kind == _SINGLE]
        self.names = (*(field.name for field in plain[1:]), *self._singles)

    def __call__(
        self, records: NDArray[np.void]
    ) -> Iterator[tuple[int, tuple[Any, ...], Sequence[float]]]:
        """Give for each record its stamp in microseconds, its values, its singles."""
        pick = self._pick
        columns = zip(self._unpack(records.tobytes()), self._short_singles(records), strict=True)
        return ((plain[0] // _NS_PER_US, pick(plain), singles) for plain, singles in columns)

    def _short_singles(self, records: NDArray[np.void]) -> Sequence[Sequence[float]]:
        if not self._singles:
            return [()] * len(records)
        wide = np.empty((len(records), len(self._singles)))
        for column, name in enumerate(self._singles):
            wide[:, column] = records[name]
        shortened: list[list[float]] = shorten(wide).tolist()
        return shortened


class JsonEncoder:
    """Encodes some fields of a record as one JSON object; NaN becomes null."""

    def __init__(self, names: Sequence[str]) -> None:
        self._rows = _Rows(names)
        members = ("sequence", "tradingsymbol", "received_at_us", *self._rows.names)
        self._row: Any = msgspec.defstruct("Row", [(name, Any) for name in members], gc=False)
        self._encode = msgspec.json.Encoder().encode

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, symbols: Sequence[str]
    ) -> list[bytes]:
        """Return one JSON object per record, in their order."""
        row, encode = self._row, self._encode
        numbered = zip(self._rows(records), sequences.tolist(), symbols, strict=True)
        return [
            encode(row(sequence, symbol, stamp, *plain, *singles))
            for (stamp, plain, singles), sequence, symbol in numbered
        ]


class MsgpackEncoder:
    """Encodes some fields of a record as one msgpack array, NaN staying NaN.

    Its first element is the number of the mode, which says what the others are: `columns`.
    """

    def __init__(self, names: Sequence[str], mode: int) -> None:
        self._rows = _Rows(names)
        self._mode = mode
        self.columns = (
            "mode_number", "sequence", "tradingsymbol", "received_at_us", *self._rows.names,
        )  # fmt: skip
        self._encode = msgspec.msgpack.Encoder().encode

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, symbols: Sequence[str]
    ) -> list[bytes]:
        """Return one array per record, in their order."""
        mode, encode = self._mode, self._encode
        numbered = zip(self._rows(records), sequences.tolist(), symbols, strict=True)
        return [
            encode((mode, sequence, symbol, stamp, *plain, *singles))
            for (stamp, plain, singles), sequence, symbol in numbered
        ]


def shorten(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers with seven significant digits, as a 32-bit float has them."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = _SINGLE_DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))
        scale = 10.0 ** np.clip(digits, 0, None)
        short: NDArray[np.float64] = np.round(numbers * scale) / scale
    return np.where(np.isfinite(short), short, numbers)


def _format(fields: Sequence[Field]) -> str:
    """Return the struct format that reads these fields of a record, the others skipped."""
    codes, end = ["<"], 0
    for field in fields:
        start = _OFFSETS[field.name][1]
        count = field.count if field.count > 1 else ""
        codes.append(f"{start - end}x{count}{_STRUCT_CODES[field.kind]}")
        end = start + TICK_DTYPE[field.name].itemsize
    codes.append(f"{TICK_DTYPE.itemsize - end}x")
    return "".join(codes)


def _positions(fields: Sequence[Field]) -> list[int | slice]:
    """Return where each field's values stand in an unpacked row."""
    positions: list[int | slice] = []
    next_place = 0
    for field in fields:
        place, next_place = next_place, next_place + field.count
        positions.append(place if field.count == 1 else slice(place, next_place))
    return positions
